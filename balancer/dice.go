package balancer

import "math/bits"

// dice are random bits, 64 at a time.
type dice func() uint64

// below is a number from 0 to n-1.
func (d dice) below(n int) int { return scale(d(), n) }

// pair are two numbers from 0 to n-1, of one throw: the second is made of the bits that the first
// leaves.
func (d dice) pair(n int) (i, j int) {
	first, rest := bits.Mul64(d(), uint64(n))
	return int(first), scale(rest, n)
}

// four are four numbers from 0 to n-1, of one throw if that has enough bits.
func (d dice) four(n int) (i, j, k, m int) {
	if n > 1<<12 {
		i, j = d.pair(n)
		k, m = d.pair(n)
		return i, j, k, m
	}
	first, rest := bits.Mul64(d(), uint64(n))
	second, rest := bits.Mul64(rest, uint64(n))
	third, rest := bits.Mul64(rest, uint64(n))
	return int(first), int(second), int(third), scale(rest, n)
}

// chance is true as often as a probability from 0 to 1 says.
func (d dice) chance(p float64) bool { return float64(d()) < p*(1<<64) }
