package balancer

// schedule is one cycle of picks: every backend as often as its weight says, spread evenly. It is
// never changed.
type schedule []*Backend

// newSchedule spreads the backends by nginx's smooth weighted round robin: weights 5, 1, 1 give a a
// b a c a a and not a run of five. After sum(weights) picks its state is back where it began, so
// one cycle is all of its behaviour, and a pick only indexes that.
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

// scheduled is the picker of strategies that differ only in how they draw from the schedule.
//
// What a backend can't have is drawn from the others by weight, apart from the first attempts. If
// it simply went to the next backend of the schedule, that one would get all of it.
type scheduled struct {
	cycle schedule
	draw  draw
}

// draw chooses from a schedule.
type draw interface {
	// first is the number of a first attempt's pick among n.
	first(n uint64) uint64
	// other is the number of the pick among n other ones, for a request that b can't have.
	other(b *Backend, n uint64) uint64
}

// pick makes a first attempt where draw says, and every other attempt with pickOther. A backend
// that has no place for a first attempt counts as tried.
func (s *scheduled) pick(client uint64, tried tried) (*Backend, error) {
	if tried.n > 0 {
		return s.pickOther(client, &tried, ErrNoneHealthy)
	}
	b := s.cycle[s.draw.first(uint64(len(s.cycle)))]
	err := b.begin(client)
	if err == nil {
		return b, nil
	}
	tried = tried.with(b)
	return s.pickOther(client, &tried, err)
}

// pickOther takes a place at a backend that wasn't tried. It begins where draw says, and goes on
// along the cycle until there is a place. If there is none, the error is why, which is about the
// backend that was tried last, or a better reason from the others.
func (s *scheduled) pickOther(client uint64, tried *tried, why error) (*Backend, error) {
	n := s.others(tried)
	if n == 0 {
		return nil, why
	}
	first := s.other(s.draw.other(tried.last(), n), tried)
	for i := range s.cycle {
		b := s.cycle[(first+i)%len(s.cycle)]
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

// others counts the picks of a cycle that are of backends that weren't tried.
func (s *scheduled) others(tried *tried) (n uint64) {
	for _, b := range s.cycle {
		if !tried.has(b) {
			n++
		}
	}
	return n
}

// other is the index in the cycle of pick n of others; n is below their number.
func (s *scheduled) other(n uint64, tried *tried) int {
	for i, b := range s.cycle {
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
