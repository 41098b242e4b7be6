package balancer

import "time"

// BackendStatus is one backend as operators see it.
type BackendStatus struct {
	// Pool is the pool's name.
	Pool string
	// URL is the backend as the operator wrote it.
	URL string
	// Weight is its share, from 1 to 100.
	Weight int
	// State is what the operator wants of it.
	State State
	// Healthy is what its probes found; false before the first of them.
	Healthy bool
	// LastProbe is what the last probe found, such as "200 in 0.8ms" or "connect: connection
	// refused"; "" before the first.
	LastProbe string
	// LastProbeAt is when that probe ended, in UTC; the zero time before the first.
	LastProbeAt time.Time
	// InFlight counts the requests that it has now.
	InFlight int64
	// Requests counts all that were sent to it, Failures those that it broke.
	Requests, Failures int64
}

// Status is what operators see of the backends, in the order of the settings. The counters of a
// busy backend are read one after the other, not at one moment.
func (p *Pool) Status() []BackendStatus {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := make([]BackendStatus, len(p.backends))
	for i, b := range p.backends {
		all[i] = b.status(p.name)
	}
	return all
}

// status is what operators see of the backend. The caller holds Pool.mu.
func (b *Backend) status(pool string) BackendStatus {
	// Failures are read first, so that they never exceed the requests.
	failed := b.failed.Load()
	all, inFlight := b.places.counts()
	return BackendStatus{
		Pool:        pool,
		URL:         b.settings.URL,
		Weight:      b.settings.Weight,
		State:       b.settings.State,
		Healthy:     b.health.up,
		LastProbe:   b.lastProbe,
		LastProbeAt: b.lastProbeAt,
		InFlight:    inFlight,
		Requests:    all,
		Failures:    failed,
	}
}
