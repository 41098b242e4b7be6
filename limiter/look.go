package limiter

import (
	"gopher-equalizer/limiter/lease"
	"gopher-equalizer/limiter/table"
)

// Look sees what Take would come to at this moment, and takes nothing: each Decision has what its
// bucket holds now, and Allowed reports whether it would be no reason to refuse. A client that has
// no bucket gets none.
func Look(uses []Use) (allowed bool) {
	if len(uses) == 0 {
		return true
	}
	now := uses[0].Limit.clock.Monotonic()
	see(uses, now)
	allowed = true
	for i := range uses {
		u := &uses[i]
		u.foresee()
		allowed = allowed && u.Decision.Allowed
	}
	return allowed
}

// foresee writes the Decision. Where a shared limit has nothing for the client here, but the ledger
// may, it isn't a reason to refuse.
func (u *Use) foresee() {
	switch {
	case u.place.Table == nil:
		u.Decision = u.Limit.withoutTable(u.place, u.Cost)
	case u.seen.Outcome != table.Allowed && u.place.Held && !u.Limit.lease.IsExhausted(u.ClientID):
		u.Decision = u.Limit.withoutTable(lease.Place{Allowed: true}, u.Cost)
	case u.place.Held:
		u.Decision = decisionOfHeld(&u.seen.Taken, u.Cost)
	default:
		u.Decision = u.Limit.foresee(u.seen.Taken, u.Cost, u.place.Now)
	}
	u.seen = table.Sight{}
}
