package lease

import (
	"sync/atomic"
	"time"
)

// counts are what Stats are made of.
type counts struct {
	rounds, failed, late, expulsions atomic.Int64
	held, leases                     atomic.Int64 // after the last round
	waits, waitsInVain               atomic.Int64
	cutOff                           atomic.Bool // it was logged
	failure                          atomic.Pointer[string]
}

// Stats is what the replica is doing.
func (r *Replica) Stats() Stats {
	now, until := r.o.Clock.Monotonic(), r.until.Load()
	c := &r.counts
	return Stats{
		Replica: r.o.As.Name, Alive: int(r.alive.Load()),
		CutOff: now > until, Until: time.Duration(max(0, until-now)),
		Rounds: c.rounds.Load(), FailedRounds: c.failed.Load(), LateRounds: c.late.Load(), Expulsions: c.expulsions.Load(),
		Held: c.held.Load(), Leases: c.leases.Load(),
		Waits: c.waits.Load(), WaitsInVain: c.waitsInVain.Load(),
	}
}

// Failure is the error of the last round; "" if it succeeded.
func (r *Replica) Failure() string {
	if why := r.counts.failure.Load(); why != nil {
		return *why
	}
	return ""
}
