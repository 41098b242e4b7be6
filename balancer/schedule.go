package balancer

// schedule is one cycle of picks: every fit backend as often as its weight says, spread
// evenly. It is never changed once a pool has published it.
type schedule []*Backend

// newSchedule spreads the backends by nginx's smooth weighted round robin: weights 5, 1, 1 give
// a a b a c a a and not a run of five. After sum(weights) picks its state is back where it
// began, so one cycle is all of its behaviour, and a pick need only index that.
func newSchedule(backends []*Backend) schedule {
	total := 0
	for _, b := range backends {
		total += b.settings.Weight
	}
	cycle := make(schedule, 0, total)
	current := make([]int, len(backends))
	for range total {
		best := 0
		for i, b := range backends {
			current[i] += b.settings.Weight
			if current[i] > current[best] {
				best = i
			}
		}
		current[best] -= total
		cycle = append(cycle, backends[best])
	}
	return cycle
}

// without counts the picks of a cycle that are not of that backend.
func (s schedule) without(than *Backend) (n uint64) {
	for _, b := range s {
		if b != than {
			n++
		}
	}
	return n
}

// other is the place in the cycle of pick n of those that are not of that backend; n is below
// without(than).
func (s schedule) other(than *Backend, n uint64) int {
	for i, b := range s {
		if b == than {
			continue
		}
		if n == 0 {
			return i
		}
		n--
	}
	return 0
}
