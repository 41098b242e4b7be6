package limiter

import (
	"time"

	"gopher-equalizer/limiter/gcra"
	"gopher-equalizer/limiter/table"
)

// Decision is the outcome of a Take.
type Decision struct {
	// Allowed reports whether a token was spent.
	Allowed bool
	// Remaining is how many whole tokens are left.
	Remaining int64
	// RetryAfter is the time until there is a whole token: 0 if there is one.
	RetryAfter time.Duration
	// Settings are the bucket's, for the RateLimit fields and logs. They must not be written to.
	Settings *gcra.Settings
}

// Take spends one token of the client's bucket, which it creates for a client that has none.
// clientID is 1 to MaxClientID bytes and may alias a request's buffer: it is copied before it is
// kept. Take never waits for a store. For a client that has a bucket it waits for no lock, unless
// the bucket is being replaced, and allocates nothing.
func (s *Service) Take(clientID string) Decision {
	now := s.clock.Monotonic()
	t := s.table.Take(clientID, now)
	if t.Limit == table.Never {
		return decisionOf(t.Rate, t.Outcome == table.Allowed, t.TAT, now)
	}
	return s.decideReserved(t, now)
}

// decisionOf is the Decision for a taker of a bucket with this arrival time.
func decisionOf(r *gcra.Rate, allowed bool, tat, now int64) Decision {
	credit := r.Credit(tat, now)
	return Decision{allowed, r.Whole(credit), time.Duration(max(0, r.Interval-credit)), &r.Settings}
}

// decideReserved is the Decision if the bucket has a limit: see ledger.go. Tokens that aren't
// reserved yet don't count as Remaining. If the take failed for want of a reservation, the next
// round begins early.
func (s *Service) decideReserved(t table.Taken, now int64) Decision {
	d := decisionOf(t.Rate, t.Outcome == table.Allowed, t.TAT, now)
	reserved := max(0, t.Limit-max(t.TAT, now))
	d.Remaining = min(d.Remaining, reserved/t.Rate.Interval)
	if t.Outcome == table.Unreserved {
		d.RetryAfter = max(d.RetryAfter, s.o.FlushInterval)
		s.flushEarly()
	}
	return d
}
