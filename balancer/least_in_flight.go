package balancer

const (
	// exactUpTo is up to how many backends all of them are compared. Each that is looked at costs
	// a cache line that others write.
	exactUpTo = 16
	// samples is how many are compared where there are more.
	samples = 4
)

// leastInFlight chooses the backend with the fewest requests in flight for its weight. Of those
// that have as few it is the one whose turn it is, so weights are kept exactly where all have as
// much to do. Where only some are compared, they are drawn by weight.
type leastInFlight struct{ scheduled }

// newLeastInFlight is the builder of LeastInFlight. The turn goes on when a backend's health flips.
func newLeastInFlight() builder {
	t := &turn{}
	return func(f *field) chooser { return leastInFlight{inTurn(f, t)} }
}

func (l leastInFlight) choose(c Client, tried tried) *Backend {
	if len(l.backends) > exactUpTo {
		return l.sample(&tried)
	}
	best := l.scheduled.choose(c, tried)
	if best == nil {
		return nil
	}
	at := l.now()
	least := l.load(best, at)
	for _, b := range l.backends {
		if load := l.load(b, at); load < least && !tried.has(b) {
			best, least = b, load
		}
	}
	return best
}

// sample is the best of some that are drawn.
func (l leastInFlight) sample(tried *tried) *Backend {
	at := l.now()
	best := l.draw(tried, at)
	if best == nil {
		return nil
	}
	least := l.load(best, at)
	for range samples - 1 {
		b := l.draw(tried, at)
		if load := l.load(b, at); load < least {
			best, least = b, load
		}
	}
	return best
}
