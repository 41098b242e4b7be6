package balancer

// candidates are the backends that are available, at least one, as strategies see them.
type candidates struct {
	backends []*Backend
	// cycle has each of them as often as its weight says.
	cycle schedule
	slowStart
	dice
}

// newCandidates notes each backend's share where picks find it. The caller holds Pool.mu.
func newCandidates(available []*Backend, d dice) *candidates {
	total, parts := 0, parts(available)
	for _, part := range parts {
		total += part
	}
	for i, b := range available {
		share := float64(parts[i]*len(available)) / float64(total)
		b.share.Store(share)
		b.perHalf.Store(0.5 / share)
	}
	return &candidates{backends: available, cycle: newSchedule(available), dice: d}
}

// maxDraws bounds the draws of one pick that slow starts refuse.
const maxDraws = 32

// draw returns a backend that wasn't tried, each as likely as its weight says; nil if all were.
func (c *candidates) draw(tried *tried, at moment) (b *Backend) {
	for range maxDraws {
		b = c.untried(c.below(len(c.cycle)), tried)
		if b == nil || !c.isSpared(b, at) {
			break
		}
	}
	return b
}

// two draws two backends, each as likely as its weight says; nil stands for one that there isn't.
func (c *candidates) two(at moment) (b, other *Backend) {
	if at != 0 {
		return c.twoOthers(&tried{}, at)
	}
	i, j := c.pair(len(c.cycle))
	if b, other = c.cycle[i], c.cycle[j]; other == b {
		only := tried{}.with(b)
		other = c.untried(j, &only)
	}
	return b, other
}

// twoOthers draws two backends that weren't tried; nil stands for one that there isn't.
func (c *candidates) twoOthers(tried *tried, at moment) (b, other *Backend) {
	if b = c.draw(tried, at); b == nil {
		return nil, nil
	}
	more := tried.with(b)
	return b, c.draw(&more, at)
}

// isSpared reports whether a request that drew a backend is to draw again, since that one starts
// slowly.
func (c *candidates) isSpared(b *Backend, at moment) bool {
	return at != 0 && c.isSparedWhileCold(b, at)
}

func (c *candidates) isSparedWhileCold(b *Backend, at moment) bool { return !c.chance(c.warmth(b, at)) }

// untried is the first backend that wasn't tried, from an index of the cycle on; nil if all were.
func (c *candidates) untried(first int, tried *tried) *Backend {
	for i := range c.cycle {
		if b := c.cycle.at(first + i); !tried.has(b) {
			return b
		}
	}
	return nil
}

// weight is a backend's share at a moment.
func (c *candidates) weight(b *Backend, at moment) float64 { return b.share.Load() * c.warmth(b, at) }

// load is how much a backend has to do for its weight; 0 if it has nothing. The half is that of
// Sainte-Lague's method, which gives seats by votes without favouring the large or the small.
func (c *candidates) load(b *Backend, at moment) float64 {
	if at != 0 {
		return b.load() / c.warmth(b, at)
	}
	return b.load()
}

// freer is the one of two that has less to do for its weight, and the first if both have as much;
// other may be nil.
func (c *candidates) freer(b, other *Backend, at moment) *Backend {
	if other == nil {
		return b
	}
	load, others := b.load(), other.load()
	if at != 0 {
		load, others = c.load(b, at), c.load(other, at)
	}
	if others < load {
		b = other
	}
	return b
}

// other returns the backend that gets a request in place of the one that was tried last; nil if all
// were tried. Each backend has a turn of its own for that, so that the others get it by weight, and
// the turn of the first attempts stays exact.
func (c *candidates) other(tried *tried) *Backend {
	i := c.otherIndex(tried)
	if i < 0 {
		return nil
	}
	return c.cycle[i]
}

// otherIndex is the index of other in the cycle; -1 if there is none.
func (c *candidates) otherIndex(tried *tried) int {
	n := c.cycle.others(tried)
	if n == 0 {
		return -1
	}
	return c.cycle.other(next(&tried.last().passed)%n, tried)
}

// spill takes a place at a backend that wasn't tried. It begins at the one whose turn it is, and
// goes on along the cycle until there is a place. If there is none, the error is why, which is
// about the backend that was tried last, or a better reason from the others.
func (c *candidates) spill(holder uint64, tried *tried, why error) (*Backend, error) {
	first := c.otherIndex(tried)
	if first < 0 {
		return nil, why
	}
	for i := range c.cycle {
		b := c.cycle.at(first + i)
		if tried.has(b) {
			continue
		}
		err := b.begin(holder)
		if err == nil {
			return b, nil
		}
		if why != ErrClientShare {
			why = err // What the client can change is worth more to know.
		}
	}
	return nil, why
}
