package balancer

// StatusSet is a set of HTTP statuses from 100 to 599.
type StatusSet [10]uint64

// NewStatusSet makes the set of the statuses in all ranges.
func NewStatusSet(ranges []StatusRange) (s StatusSet) {
	for _, of := range ranges {
		for status := of.First; status <= of.Last; status++ {
			s[status/64] |= 1 << (status % 64)
		}
	}
	return s
}

// Has reports whether a status from 0 to 639 is in the set.
func (s *StatusSet) Has(status int) bool { return s[status/64]&(1<<(status%64)) != 0 }
