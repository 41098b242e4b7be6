package balancer

// sticky has a client come back to the backend that its ticket is for. Those without a ticket, or
// with one for a backend that isn't available, go elsewhere, and get that one's.
type sticky struct {
	chooser
	issuers map[Ticket]*Backend
}

// newSticky is the builder of Sticky.
func newSticky() builder {
	others := newRoundRobin()
	return func(c *candidates) chooser {
		s := &sticky{others(c), make(map[Ticket]*Backend, len(c.backends))}
		for _, b := range c.backends {
			s.issuers[*b.Ticket()] = b
		}
		return s
	}
}

func (s *sticky) choose(c Client) *Backend {
	if c.Ticket != (Ticket{}) {
		if b := s.issuers[c.Ticket]; b != nil {
			return b
		}
	}
	return s.chooser.choose(c)
}

func (s *sticky) another(c Client, tried tried) *Backend {
	if b := s.issuers[c.Ticket]; b != nil && !tried.has(b) {
		return b
	}
	return s.chooser.another(c, tried)
}
