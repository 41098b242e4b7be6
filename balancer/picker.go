package balancer

import "slices"

// chooser is a strategy, built for the backends that are available. It takes no lock.
type chooser interface {
	// choose returns the backend that a client's first attempt should go to. It may have no place
	// for the request.
	choose(c Client) *Backend
	// another is choose for a further attempt, at a backend that wasn't tried; nil if all were.
	//
	// tried is a value because Go allocates what is passed to an interface by pointer.
	another(c Client, tried tried) *Backend
}

// builder builds a chooser for the backends that are available. A pool has one builder for as long
// as it has the strategy. It holds what the strategy must remember when a backend's health flips.
type builder func(*candidates) chooser

// builders are the strategies by name. A new one is a file with a chooser, and a line here.
var builders = map[Strategy]func() builder{
	RoundRobin:    newRoundRobin,
	Random:        newRandom,
	LeastInFlight: newLeastInFlight,
	P2C:           newP2C,
	PeakEWMA:      newPeakEWMA,
	Hash:          newHash,
	Sticky:        newSticky,
}

// picker takes places where a strategy chooses.
type picker struct {
	chooser
	*candidates
}

// pick takes a place for a client's request at a backend that wasn't tried. What the one that is
// chosen has no place for goes to the others, by weight. The error is ErrNoneHealthy if all were
// tried, else ErrBusy or ErrClientShare.
func (p *picker) pick(c *Client, tried *tried) (b *Backend, err error) {
	if tried.n == 0 {
		b = p.choose(*c)
	} else if b = p.another(*c, *tried); b == nil {
		return nil, ErrNoneHealthy
	}
	if err = b.begin(c.Holder); err == nil {
		return b, nil
	}
	full := tried.with(b)
	return p.spill(c.Holder, &full, err)
}

// maxTried is how many backends a request can try.
const maxTried = 4

// tried are the backends at which attempts of a request were made, in that order.
type tried struct {
	backends [maxTried]*Backend
	n        int
}

// with returns the backends tried and one more.
func (t tried) with(b *Backend) tried {
	t.backends[t.n] = b
	t.n++
	return t
}

// has reports whether an attempt was made at the backend.
func (t *tried) has(b *Backend) bool { return slices.Contains(t.backends[:t.n], b) }

// last is where the last attempt was made; nil if there was none.
func (t *tried) last() *Backend {
	if t.n == 0 {
		return nil
	}
	return t.backends[t.n-1]
}
