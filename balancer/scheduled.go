package balancer

// scheduled goes by the schedule alone, whatever the backends have to do. Strategies of this kind
// differ in which of the cycle's picks comes next.
type scheduled struct {
	*field
	// next is the number of the next pick.
	next func() int
}

// choose makes a first attempt at the next of the cycle, and the others by field.other.
func (s *scheduled) choose(_ Client, tried tried) (b *Backend) {
	if tried.n > 0 {
		return s.other(&tried)
	}
	at := s.now()
	for range maxDraws {
		b = s.cycle[s.next()]
		if !s.isSpared(b, at) {
			break
		}
	}
	return b
}
