package balancer

import "math"

const (
	// exactUpTo is up to how many backends all of them are compared. Each that is looked at costs
	// a cache line that others write.
	exactUpTo = 16
	// samples is how many are compared where there are more.
	samples = 4 // what rank has bits for
)

// leastInFlight chooses the backend with the fewest requests in flight for its weight. If all have
// as few it is the one whose turn it is, so weights are kept exactly where nobody has much to do.
// Of some it is one that is drawn by weight. Where only some are compared, they are drawn, too.
type leastInFlight struct {
	*candidates
	*turn
}

// newLeastInFlight is the builder of LeastInFlight. The turn goes on when a backend's health flips.
func newLeastInFlight() builder {
	t := &turn{}
	return func(c *candidates) chooser { return &leastInFlight{c, t} }
}

func (l *leastInFlight) choose(Client) *Backend {
	at := l.now()
	if len(l.backends) > exactUpTo {
		return l.sample(at)
	}
	var loads [exactUpTo]float64
	for i, b := range l.backends { // Without branches, so that the processor waits for all at once.
		loads[i] = b.load()
	}
	if at != 0 {
		for i, b := range l.backends {
			loads[i] /= l.warmth(b, at)
		}
	}
	return l.oneOf(loads[:len(l.backends)], at)
}

func (l *leastInFlight) another(_ Client, tried tried) *Backend {
	at := l.now()
	if len(l.backends) > exactUpTo {
		return l.sampleOthers(&tried, at)
	}
	var loads [exactUpTo]float64
	for i, b := range l.backends {
		if loads[i] = math.Inf(1); !tried.has(b) {
			loads[i] = l.load(b, at)
		}
	}
	return l.oneOf(loads[:len(l.backends)], at)
}

// oneOf is one of those that have the least load; nil if all loads are infinite.
func (l *leastInFlight) oneOf(loads []float64, at moment) *Backend {
	least, found, first := loads[0], 1, 0
	for i := 1; i < len(loads); i++ {
		switch load := loads[i]; {
		case load < least:
			least, found, first = load, 1, i
		case load == least:
			found++
		}
	}
	switch {
	case math.IsInf(least, 1):
		return nil
	case found == 1:
		return l.backends[first]
	case found == len(loads):
		return l.inTurn(l.turn, at)
	}
	return l.drawOf(loads, least, at)
}

// drawOf draws one of those that have the least load, each as likely as its weight says.
func (l *leastInFlight) drawOf(loads []float64, least float64, at moment) (b *Backend) {
	weight := 0.0
	for i, c := range l.backends {
		if loads[i] == least {
			weight += l.weight(c, at)
		}
	}
	part := float64(l.dice()) / (1 << 64) * weight
	for i, c := range l.backends {
		if loads[i] != least {
			continue
		}
		if b, part = c, part-l.weight(c, at); part < 0 {
			break
		}
	}
	return b
}

// sample is the best of some that are drawn. It has no branch that depends on what they have to do,
// since a processor can't predict those.
func (l *leastInFlight) sample(at moment) *Backend {
	if at != 0 {
		return l.sampleOthers(&tried{}, at)
	}
	i, j, k, m := l.four(len(l.cycle))
	four := [samples]*Backend{l.cycle[i], l.cycle[j], l.cycle[k], l.cycle[m]}
	return four[min(four[0].rank(0), four[1].rank(1), four[2].rank(2), four[3].rank(3))%samples]
}

// sampleOthers is sample of those that weren't tried.
func (l *leastInFlight) sampleOthers(tried *tried, at moment) *Backend {
	b, other := l.twoOthers(tried, at)
	third, fourth := l.twoOthers(tried, at)
	return l.freer(l.freer(b, other, at), l.freer(third, fourth, at), at)
}
