package balancer

import "slices"

// picker is a strategy, built for the backends that are available. It takes no lock.
type picker interface {
	// pick takes a place for the client at the backend that the strategy chooses. It passes over
	// backends that were tried, and backends that have no place for the client, in an order of its
	// own. The error is ErrNoneHealthy if all were tried, else ErrBusy or ErrClientShare.
	//
	// tried is a value because Go allocates what is passed to an interface by pointer.
	pick(client uint64, tried tried) (*Backend, error)
}

// builder builds a picker for the backends that are available, at least one. A pool has one builder
// all its life, which holds what a strategy must remember when a backend's health flips.
type builder func(available []*Backend) picker

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
