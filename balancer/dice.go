package balancer

// dice are random bits, 64 at a time.
type dice func() uint64

// below is a number from 0 to n-1.
func (d dice) below(n int) int { return scale(d(), n) }

// chance is true as often as a probability from 0 to 1 says.
func (d dice) chance(p float64) bool { return float64(d()) < p*(1<<64) }
