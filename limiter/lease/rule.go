package lease

import (
	"math"
	"time"

	"gopher-equalizer/limiter/gcra"
)

// Expires is until when the ledger waits for a replica that it heard of at now, by its own clock.
// The replica may spend for ttl from before that, by another clock. Each may be wrong by 1 %.
func Expires(now time.Time, ttl time.Duration) time.Time {
	//mutant:left a-replica-is-not-waited-for-longer-than-it-lives
	return now.Add(ttl + ttl/32)
}

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
		//mutant:drop a-dead-lease-is-forgotten-from-before-it-died
		e.earn(e.DiedAt, e.Mine+e.Others+e.Dead)
		//mutant:credit a-dead-lease-is-given-back
		e.Dead = 0
	}
	e.earn(now, e.Mine+e.Others)
}

// Renumber is Earn for a bucket that is to have other settings from now on. The asker may have had
// them for long, and others not yet. So until now the bucket has the smaller capacity of both, and
// the slower refill.
func (e *Entry) Renumber(now time.Time, s gcra.Settings) {
	e.Settings.Capacity = min(e.Settings.Capacity, s.Capacity)
	if s.Refill.Interval() > e.Settings.Refill.Interval() {
		e.Settings.Refill = s.Refill
	}
	e.Earn(now)
	e.Settings = s
}

// earn credits an entry until a moment. A clock that went back credits nothing, and nothing is
// credited twice.
func (e *Entry) earn(until time.Time, leased int64) {
	if passed := until.Sub(e.At); passed > 0 {
		e.Tokens = sum(e.Tokens, earned(passed, e.Settings))
		e.At = until
	}
	//mutant:left what-is-leased-is-room-to-earn
	room := e.Settings.Capacity - leased
	//mutant:clamp a-debt-is-forgiven
	e.Tokens = min(e.Tokens, float64(room))
}

// earned is what a bucket earns in a time, rounded down.
func earned(d time.Duration, s gcra.Settings) float64 {
	return float64(d) / float64(s.Refill.Interval()) * (1 - 1e-12)
}

// sum is rounded down, so that however often a bucket earns, it has no more than the truth.
func sum(tokens, more float64) float64 {
	both := tokens + more
	if both-tokens > more {
		return math.Nextafter(both, math.Inf(-1))
	}
	return both
}

// Renew is Renumber and then Settle: what the asker reports as spent was held until now.
func (e *Entry) Renew(now time.Time, s gcra.Settings, a Ask) (granted int64) {
	//mutant:here what-is-told-was-spent-before
	e.Renumber(now, s)
	//mutant:copy what-is-told-was-spent-before
	//mutant:drop what-is-told-was-spent-before
	granted = e.Settle(a)
	return granted
}

// Settle takes what the asker says into account, and returns what it is granted.
func (e *Entry) Settle(a Ask) (granted int64) {
	e.Mine = a.Held
	e.Tokens += float64(a.Back)
	there := int64(math.Floor(e.Tokens)) + e.ahead(a.Ahead)
	granted = max(0, min(a.Want-a.Held, there, e.Settings.Capacity-e.Others-e.Mine))
	e.Tokens -= float64(granted)
	e.Mine += granted
	return granted
}

// ahead is how many tokens are earned in a time, one at least.
func (e *Entry) ahead(d time.Duration) int64 {
	if d <= 0 {
		return 0
	}
	return max(1, int64(d)/e.Settings.Refill.Interval())
}

// Left is how many whole tokens nobody holds.
func (e *Entry) Left() int64 { return max(0, int64(math.Floor(e.Tokens))) }

// Owed is how many whole tokens have been handed out and then taken away: all that are lacking, but
// those that the asker may have ahead.
func (e *Entry) Owed(ahead time.Duration) int64 {
	return max(0, int64(math.Floor(-e.Tokens))-e.ahead(ahead))
}

// IsFull reports whether nobody holds anything of a bucket that lacks nothing, so that an unmanaged
// one need not be kept.
func (e *Entry) IsFull() bool {
	return e.Mine+e.Others+e.Dead == 0 && e.Tokens >= float64(e.Settings.Capacity)
}
