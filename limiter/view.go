package limiter

import (
	"time"

	"gopher-equalizer/limiter/gcra"
	"gopher-equalizer/limiter/table"
)

// Snapshot is one bucket as operators see it.
type Snapshot struct {
	// ClientID is the client's: 1 to 256 bytes of valid UTF-8.
	ClientID string
	// Limit is the name of the limit that it is of.
	Limit string
	gcra.Settings
	// Tier is the name of the tier whose numbers the bucket follows; "" if it has its own, or the
	// limit's. If TierGone, there is no such tier any more, and it follows the limit's.
	Tier     string
	TierGone bool
	// Tokens are the whole tokens available at LastRefill, from 0 to Capacity.
	Tokens int64
	// Managed reports whether an operator wrote this bucket.
	Managed bool
	// LastRefill is the wall time at which Tokens were counted, UTC.
	LastRefill time.Time
}

// snapshotOf is an observation as operators see it. wall is the time of day at now.
func (l *Limit) snapshotOf(seen table.Observation, now int64, wall time.Time) Snapshot {
	return Snapshot{
		ClientID: seen.Bucket.ClientID(), Limit: l.Name(), Settings: seen.Rate.Settings,
		Tier: seen.Rate.Tier, TierGone: l.isGone(seen.Rate.Tier), Managed: seen.Bucket.Has(table.Managed),
		Tokens: seen.Rate.Credit(seen.TAT, now) / seen.Rate.Interval, LastRefill: wall,
	}
}

// Change is what an operator asks of a bucket. A nil field changes nothing.
type Change struct {
	Capacity *int64
	// Tokens must be from 0 to the capacity that the bucket has afterwards.
	Tokens *int64
	Refill *gcra.Refill
	// Tier is the name of a tier of the limit's, whose numbers the bucket is to follow. It excludes
	// Capacity and Refill, and either of those takes a bucket out of its tier.
	Tier *string
}

// Empty reports whether the change asks for nothing.
func (c Change) Empty() bool { return c == Change{} }

// Written is a bucket as an admin write left it.
type Written struct {
	Snapshot
	// Before is the bucket that was there before; nil if there was none.
	Before *Snapshot
}
