package limiter

import "gopher-equalizer/limiter/table"

// Look sees what Take would come to at this moment, and takes nothing: each Decision has what its
// bucket holds now, and Allowed reports whether it would be no reason to refuse. A client that has
// no bucket gets none.
func Look(uses []Use) (allowed bool) {
	if len(uses) == 0 {
		return true
	}
	now := uses[0].Limit.clock.Monotonic()
	allowed = see(uses, now)
	for i := range uses {
		u := &uses[i]
		u.Decision = u.Limit.foresee(u.seen.Taken, u.Cost, now)
		u.seen = table.Sight{}
	}
	return allowed
}
