package limiter

import (
	"errors"
	"time"

	"gopher-equalizer/limiter/gcra"
	"gopher-equalizer/limiter/table"
)

// Snapshot is one bucket as operators see it.
type Snapshot struct {
	// ClientID is the client's: 1 to 256 bytes of valid UTF-8.
	ClientID string
	gcra.Settings
	// Tokens are the whole tokens available at LastRefill, from 0 to Capacity.
	Tokens int64
	// Managed reports whether an operator wrote this bucket.
	Managed bool
	// LastRefill is the wall time at which Tokens were counted, UTC.
	LastRefill time.Time
}

// snapshotOf is an observation as operators see it. wall is the time of day at now.
func snapshotOf(seen table.Observation, now int64, wall time.Time) Snapshot {
	return Snapshot{
		ClientID: seen.Bucket.ClientID(), Settings: seen.Rate.Settings, Managed: seen.Bucket.Has(table.Managed),
		Tokens: seen.Rate.Credit(seen.TAT, now) / seen.Rate.Interval, LastRefill: wall,
	}
}

// Change is what an operator asks of a bucket. A nil field changes nothing.
type Change struct {
	Capacity *int64
	// Tokens must be from 0 to the capacity that the bucket has afterwards.
	Tokens *int64
	Refill *gcra.Refill
}

// Empty reports whether the change asks for nothing.
func (c Change) Empty() bool { return c == Change{} }

// Written is a bucket as an admin write left it.
type Written struct {
	Snapshot
	// Before is the bucket that was there before; nil if there was none.
	Before *Snapshot
}

// The errors of the Service's admin calls. Test with errors.Is.
var (
	// ErrNotFound: the client has no bucket; an unmanaged bucket that is full is none.
	ErrNotFound = errors.New("no such bucket")
	// ErrManaged: Create found a bucket that an operator wrote before.
	ErrManaged = errors.New("the bucket is managed already")
	// ErrFull: as many buckets as max_buckets allows exist.
	ErrFull = errors.New("no room for another bucket")
	// ErrBusy: another listing is under way.
	ErrBusy = errors.New("another listing is under way")
	// ErrStore: the store did not take the write. Nothing was changed.
	ErrStore = errors.New("the store did not take the write")
	// ErrClosed: the service is stopping and takes no more admin writes.
	ErrClosed = errors.New("stopping")
)

// Query selects a page of a listing.
type Query struct {
	// After starts the page behind this client_id; "" starts at the first.
	After string
	// Offset buckets are skipped first. Offset + Limit is at most MaxWindow.
	Offset, Limit int
	// Prefix selects the buckets whose client_id begins with it; "" selects all.
	Prefix string
	// Managed selects the managed buckets, or the others; nil selects both.
	Managed *bool
}

// MaxWindow bounds Query.Offset + Query.Limit, and so the memory that a listing takes.
const MaxWindow = 10_000
