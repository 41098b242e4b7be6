package balancer

// schedule is one cycle of picks: every backend as often as its weight says, spread evenly. It is
// never changed once a pool has published it.
type schedule []*Backend

// newSchedule spreads the backends by nginx's smooth weighted round robin: weights 5, 1, 1 give
// a a b a c a a and not a run of five. After sum(weights) picks its state is back where it began,
// so one cycle is all of its behaviour, and a pick only indexes that.
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

// others counts the picks of a cycle that are of backends that weren't tried.
func (s schedule) others(tried *tried) (n uint64) {
	for _, b := range s {
		if !tried.has(b) {
			n++
		}
	}
	return n
}

// takeOther takes a place for the client at a backend that wasn't tried. It begins with pick n of
// others, and goes on along the cycle while there is no place. If there is none at all, the error
// is why, the reason of the last backend that was tried, unless the others have a better one.
func (s schedule) takeOther(n, client uint64, tried *tried, why error) (*Backend, error) {
	first := s.other(n, tried)
	for i := range s {
		b := s[(first+i)%len(s)]
		if tried.has(b) {
			continue
		}
		err := b.begin(client)
		if err == nil {
			return b, nil
		}
		if why != ErrClientShare {
			why = err // What the client can change is worth more to know.
		}
	}
	return nil, why
}

// other is the index in the cycle of pick n of others; n is below their number.
func (s schedule) other(n uint64, tried *tried) int {
	for i, b := range s {
		if tried.has(b) {
			continue
		}
		if n == 0 {
			return i
		}
		n--
	}
	return 0
}
