package balancer

// picker is a strategy, built for the backends that are available. It takes no lock. Nothing of it
// changes, except counters that it may share with the pickers before and after it.
type picker interface {
	// pick takes a place for the client at the backend that the strategy chooses. It passes over
	// backends that were tried, and backends that have no place for the client. The error is
	// ErrNoneHealthy if all were tried, else ErrBusy or ErrClientShare.
	//
	// Both arguments are values: a pointer passed through an interface would be allocated.
	pick(client uint64, tried tried) (*Backend, error)
}

// builder builds a picker for the backends that are available, one at least. A pool keeps one
// builder. It holds what a strategy must remember when a backend's health flips.
type builder func(available []*Backend) picker

// tried are the backends at which attempts of a request were made, in that order.
type tried struct {
	backends [MaxRetries + 1]*Backend
	n        int
}

// with returns tried and one more.
func (t tried) with(b *Backend) tried {
	t.backends[t.n] = b
	t.n++
	return t
}

// has reports whether an attempt was made at the backend.
func (t *tried) has(b *Backend) bool {
	for _, other := range t.backends[:t.n] {
		if other == b {
			return true
		}
	}
	return false
}

// last is where the last attempt was made. There must be one.
func (t *tried) last() *Backend { return t.backends[t.n-1] }
