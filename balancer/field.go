package balancer

// field are the backends that are available, at least one, as strategies see them.
type field struct {
	backends []*Backend
	// cycle has each of them as often as its weight says.
	cycle schedule
	slowStart
	dice
}

// newField notes each backend's share where picks find it. The caller holds Pool.mu.
func newField(available []*Backend, d dice) *field {
	total, parts := 0, parts(available)
	for _, part := range parts {
		total += part
	}
	for i, b := range available {
		share := float64(parts[i]*len(available)) / float64(total)
		b.share.Store(share)
		b.perHalf.Store(0.5 / share)
	}
	return &field{backends: available, cycle: newSchedule(available), dice: d}
}

// maxDraws bounds the draws of one pick that slow starts refuse.
const maxDraws = 32

// draw returns a backend that wasn't tried, each as likely as its weight says; nil if all were.
func (f *field) draw(tried *tried, at moment) (b *Backend) {
	for range maxDraws {
		b = f.untried(f.below(len(f.cycle)), tried)
		if b == nil || !f.isSpared(b, at) {
			break
		}
	}
	return b
}

// two draws two backends, each as likely as its weight says; nil stands for one that there isn't.
func (f *field) two(at moment) (b, other *Backend) {
	if at != 0 {
		return f.twoOthers(&tried{}, at)
	}
	i, j := f.pair(len(f.cycle))
	if b, other = f.cycle[i], f.cycle[j]; other == b {
		only := tried{}.with(b)
		other = f.untried(j, &only)
	}
	return b, other
}

// twoOthers draws two backends that weren't tried; nil stands for one that there isn't.
func (f *field) twoOthers(tried *tried, at moment) (b, other *Backend) {
	if b = f.draw(tried, at); b == nil {
		return nil, nil
	}
	more := tried.with(b)
	return b, f.draw(&more, at)
}

// isSpared reports whether a request that drew a backend is to draw again, since that one starts
// slowly.
func (f *field) isSpared(b *Backend, at moment) bool { return at != 0 && f.isSparedWhileCold(b, at) }

func (f *field) isSparedWhileCold(b *Backend, at moment) bool { return !f.chance(f.warmth(b, at)) }

// untried is the first backend that wasn't tried, from an index of the cycle on; nil if all were.
func (f *field) untried(first int, tried *tried) *Backend {
	for i := range f.cycle {
		if b := f.cycle.at(first + i); !tried.has(b) {
			return b
		}
	}
	return nil
}

// weight is a backend's share at a moment.
func (f *field) weight(b *Backend, at moment) float64 { return b.share.Load() * f.warmth(b, at) }

// load is how much a backend has to do for its weight; 0 if it has nothing. The half is that of
// Sainte-Lague's method, which gives seats by votes without favouring the large or the small.
func (f *field) load(b *Backend, at moment) float64 {
	if at != 0 {
		return b.load() / f.warmth(b, at)
	}
	return b.load()
}

// freer is the one of two that has less to do for its weight, and the first if both have as much;
// other may be nil.
func (f *field) freer(b, other *Backend, at moment) *Backend {
	if other == nil {
		return b
	}
	load, others := b.load(), other.load()
	if at != 0 {
		load, others = f.load(b, at), f.load(other, at)
	}
	if others < load {
		b = other
	}
	return b
}

// other returns the backend that gets a request in place of the one that was tried last; nil if all
// were tried. Each backend has a turn of its own for that, so that the others get it by weight, and
// the turn of the first attempts stays exact.
func (f *field) other(tried *tried) *Backend {
	i := f.otherIndex(tried)
	if i < 0 {
		return nil
	}
	return f.cycle[i]
}

// otherIndex is the index of other in the cycle; -1 if there is none.
func (f *field) otherIndex(tried *tried) int {
	n := f.cycle.others(tried)
	if n == 0 {
		return -1
	}
	return f.cycle.other(next(&tried.last().passed)%n, tried)
}

// spill takes a place at a backend that wasn't tried. It begins at the one whose turn it is, and
// goes on along the cycle until there is a place. If there is none, the error is why, which is
// about the backend that was tried last, or a better reason from the others.
func (f *field) spill(holder uint64, tried *tried, why error) (*Backend, error) {
	first := f.otherIndex(tried)
	if first < 0 {
		return nil, why
	}
	for i := range f.cycle {
		b := f.cycle.at(first + i)
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
