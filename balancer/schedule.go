package balancer

// schedule is one cycle of picks: every backend as often as its weight says, spread evenly. It is
// never changed.
type schedule []*Backend

// newSchedule spreads the backends by nginx's smooth weighted round robin: weights 5, 1, 1 give a a
// b a c a a and not a run of five. After sum(weights) picks its state is back where it began, so
// one cycle is all of its behaviour, and a pick only indexes that. What all weights are a multiple
// of makes no difference, and would make the cycle longer.
func newSchedule(backends []*Backend) schedule {
	weights, unit, total := parts(backends), 0, 0
	for _, w := range weights {
		unit = gcd(w, unit)
	}
	for i := range weights {
		weights[i] /= unit
		total += weights[i]
	}
	cycle := make(schedule, 0, total)
	current := make([]int, len(backends))
	for range total {
		best := 0
		for i, w := range weights {
			current[i] += w
			if current[i] > current[best] {
				best = i
			}
		}
		current[best] -= total
		cycle = append(cycle, backends[best])
	}
	return cycle
}

// gcd is the greatest common divisor.
func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// at is the backend at an index, up to twice the cycle's length.
func (s schedule) at(i int) *Backend {
	if i >= len(s) {
		i -= len(s)
	}
	return s[i]
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
