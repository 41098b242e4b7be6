package lease

import (
	"math"
	"time"

	"gopher-equalizer/limiter/gcra"
)

// Entry is what the rules look at: a bucket, and the asker's lease.
type Entry struct {
	Settings gcra.Settings
	Tokens   float64
	At       time.Time
	// Mine is what the asker holds, as far as the ledger knows; Others what all others that are
	// alive do.
	Mine, Others int64
	// Dead is what replicas held that have been expelled since At, and DiedAt when the last of them
	// was.
	Dead   int64
	DiedAt time.Time
}

// Earn credits an entry until now, and forgets its dead leases: they count as spent. What is leased
// counts as held until its holder says otherwise, so a bucket earns nothing beyond its capacity
// less that.
func (e *Entry) Earn(now time.Time) {
	if e.Dead > 0 {
		e.earn(e.DiedAt, e.Mine+e.Others+e.Dead)
		e.Dead = 0
	}
	e.earn(now, e.Mine+e.Others)
}

// earn credits an entry until a moment. A clock that went back credits nothing, and nothing is
// credited twice.
func (e *Entry) earn(until time.Time, leased int64) {
	if passed := until.Sub(e.At); passed > 0 {
		e.Tokens += earned(passed, e.Settings)
		e.At = until
	}
	e.Tokens = min(e.Tokens, float64(e.Settings.Capacity-leased))
}

// earned is what a bucket earns in a time, rounded down, so that sums of many stay below the truth.
func earned(d time.Duration, s gcra.Settings) float64 {
	return float64(d) / float64(s.Refill.Interval()) * (1 - 1e-12)
}

// Settle takes what the asker says into account, and returns what it is granted.
func (e *Entry) Settle(a Ask) (granted int64) {
	e.Mine = a.Held
	e.Tokens += float64(a.Back)
	granted = min(a.Want-a.Held, int64(math.Floor(e.Tokens))+a.Ahead, e.Settings.Capacity-e.Others-e.Mine)
	granted = max(0, granted)
	e.Tokens -= float64(granted)
	e.Mine += granted
	return granted
}

// Left is how many whole tokens nobody holds.
func (e *Entry) Left() int64 { return max(0, int64(math.Floor(e.Tokens))) }

// IsFull reports whether nobody holds anything of a bucket that lacks nothing, so that an unmanaged
// one need not be kept.
func (e *Entry) IsFull() bool {
	return e.Mine+e.Others+e.Dead == 0 && e.Tokens >= float64(e.Settings.Capacity)
}
