package limiter

import (
	"time"

	"gopher-equalizer/limiter/gcra"
	"gopher-equalizer/limiter/table"
)

// Decision is the outcome of a Take.
type Decision struct {
	// Allowed reports whether the tokens were spent.
	Allowed bool
	// Remaining is how many whole tokens are left.
	Remaining int64
	// RetryAfter is the time until there are as many tokens as the take costs: 0 if there are.
	RetryAfter time.Duration
	// Settings are the bucket's, for the RateLimit fields and logs. They must not be written to.
	Settings *gcra.Settings
}

// Take spends tokens of the client's bucket, which it creates for a client that has none. clientID
// is 1 to MaxClientID bytes and may alias a request's buffer: it is copied before it is kept. Take
// never waits for a store. For a client that has a bucket it waits for no lock, unless the bucket
// is being replaced, and allocates nothing.
//
// A bucket that can't hold as many tokens as the cost is asked for all that it can hold. A cost of
// 0 is never refused.
func (l *Limit) Take(clientID string, cost int64) Decision {
	now := l.clock.Monotonic()
	if cost == 0 {
		return l.look(clientID, now)
	}
	t := l.table.Take(clientID, cost, now)
	if t.Limit == table.Never { // As decide, which isn't inlined.
		return decisionOf(t.Rate, t.Rate.Credit(t.TAT, now), cost, t.Outcome == table.Allowed)
	}
	return l.decideReserved(t, cost, now)
}

// look is a take that costs nothing.
func (l *Limit) look(clientID string, now int64) Decision {
	var seen table.Sight
	l.table.Seek(&seen, clientID, 0)
	l.table.Look(&seen, now)
	return l.decide(seen.Taken, 0, now)
}

func (l *Limit) decide(t table.Taken, cost, now int64) Decision {
	if t.Limit == table.Never {
		return decisionOf(t.Rate, t.Rate.Credit(t.TAT, now), cost, t.Outcome == table.Allowed)
	}
	return l.decideReserved(t, cost, now)
}

// decisionOf is the Decision for a taker of a bucket with this credit.
func decisionOf(r *gcra.Rate, credit, cost int64, allowed bool) Decision {
	d := Decision{Allowed: allowed, Remaining: r.Whole(credit), Settings: &r.Settings}
	if d.Remaining < cost {
		d.RetryAfter = time.Duration(r.Price(cost) - credit)
	}
	return d
}

// decideReserved is the Decision if the bucket has a limit: see ledger.go. Tokens that aren't
// reserved yet don't count as Remaining. If the take failed for want of a reservation, the next
// round begins early.
func (l *Limit) decideReserved(t table.Taken, cost, now int64) Decision {
	d := decisionOf(t.Rate, t.Rate.Credit(t.TAT, now), cost, t.Outcome == table.Allowed)
	reserved := max(0, t.Limit-max(t.TAT, now))
	d.Remaining = min(d.Remaining, reserved/t.Rate.Interval)
	if t.Outcome == table.Unreserved {
		d.RetryAfter = max(d.RetryAfter, l.service.o.FlushInterval)
		l.service.flushEarly()
	}
	return d
}
