package limiter

import (
	"errors"
	"time"

	"gopher-equalizer/limiter/gcra"
)

// Decision is the outcome of a Take.
type Decision struct {
	// Allowed says whether a token was spent.
	Allowed bool
	// Remaining is how many whole tokens are left.
	Remaining int64
	// RetryAfter is how long until the next whole token is there: 0 while one is.
	RetryAfter time.Duration
	// Settings are the bucket's, for the RateLimit fields and logs. They are not to be written to.
	Settings *gcra.Settings
}

// decision describes a bucket with this tat at now.
func decision(r *gcra.Rate, allowed bool, tat, now int64) Decision {
	credit := r.Credit(tat, now)
	return Decision{allowed, r.Whole(credit), nanoseconds(max(0, r.Interval-credit)), &r.Settings}
}

// MaxClientID is the length in bytes that a client_id may have.
const MaxClientID = 256

// Snapshot is one bucket as operators see it.
type Snapshot struct {
	// ClientID says whose bucket it is: 1 to 256 bytes of valid UTF-8.
	ClientID string
	gcra.Settings
	// Tokens are the whole tokens available at LastRefill, from 0 to Capacity.
	Tokens int64
	// Managed says that an operator wrote this bucket.
	Managed bool
	// LastRefill is the wall time at which Tokens were counted, UTC.
	LastRefill time.Time
}

// Change is what an operator asks of a bucket; nil leaves as it is.
type Change struct {
	Capacity *int64
	// Tokens are to be from 0 to the capacity that the bucket has afterwards.
	Tokens *int64
	Refill *gcra.Refill
}

// Empty says whether the change asks for nothing.
func (c Change) Empty() bool { return c == Change{} }

// Written is a bucket as an admin write left it.
type Written struct {
	Snapshot
	// Before is the bucket that the write met; nil if there was none.
	Before *Snapshot
}

// What the Service's admin calls answer besides nil. Test with errors.Is.
var (
	// ErrNotFound: the client has no bucket; an unmanaged bucket that is full is none.
	ErrNotFound = errors.New("no such bucket")
	// ErrManaged: Create found a bucket that an operator wrote before.
	ErrManaged = errors.New("the bucket is managed already")
	// ErrFull: as many buckets as max_buckets allows exist.
	ErrFull = errors.New("no room for another bucket")
	// ErrBusy: another listing is under way.
	ErrBusy = errors.New("another listing is under way")
	// ErrStore: the store did not take the write, nothing was changed.
	ErrStore = errors.New("the store did not take the write")
	// ErrClosed: the service is stopping and takes no more admin writes.
	ErrClosed = errors.New("stopping")
)

// Query selects a page of a listing.
type Query struct {
	// After starts the page behind this client_id; "" starts at the first.
	After string
	// Offset buckets are passed over first. Offset + Limit is at most MaxWindow.
	Offset, Limit int
	// Prefix leaves those whose client_id begins with it; "" leaves all.
	Prefix string
	// Managed leaves the managed buckets, or the others; nil leaves both.
	Managed *bool
}

// MaxWindow bounds Query.Offset + Query.Limit, and so the memory that a listing takes.
const MaxWindow = 10_000

// Stats is what the limiter and its write-behind are doing.
type Stats struct {
	// Buckets counts those in memory, Managed those of them that operators wrote.
	Buckets, Managed int64
	// MaxBuckets is the cap; OverflowTakes counts requests that shared a bucket past it.
	MaxBuckets, OverflowTakes int64
	// Dirty counts buckets with spending that isn't stored yet.
	Dirty int64
	// Flushes counts those that stored all that was dirty when they began, FlushErrors those that failed,
	// FlushOverruns those that took longer than their interval.
	Flushes, FlushErrors, FlushOverruns int64
	// LastFlush is when the last of Flushes ended, the zero time before the first.
	LastFlush time.Time
	// Lag is for how long the oldest spending has waited to be stored; 0 when none has.
	Lag time.Duration
	// StoreUp says whether the last call to the store succeeded; StoreError is what it said if not.
	StoreUp    bool
	StoreError string
}
