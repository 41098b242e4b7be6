package balancer

import (
	"cmp"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/rs/zerolog"
)

// builders are the strategies by name. A new one is a file with a picker, and a line here.
var builders = map[Strategy]func() builder{
	RoundRobin: newRoundRobin,
	Random:     newRandom,
}

// Pool is a named set of backends with one strategy and one health check. All its methods may be
// called at the same time.
type Pool struct {
	name     string
	build    builder
	probes   HealthSettings
	log      zerolog.Logger
	backends []*Backend
	// picker picks from the backends that are available now; nil if there are none. Requests read
	// it, and only publish replaces it.
	picker atomic.Pointer[picker]

	// mu guards what the probes found, in the backends too. No request takes it, so flips are
	// logged under it, in the order in which they happened.
	mu sync.Mutex
	// noneHealthy is true once it was logged that no backend is available, until one is again.
	noneHealthy bool
}

// NewPool makes a pool in which no backend is healthy yet. Probe finds out which are.
func NewPool(s Settings) *Pool {
	newBuilder := builders[cmp.Or(s.Strategy, RoundRobin)]
	p := &Pool{name: s.Name, build: newBuilder(), probes: s.Health, log: s.Logger}
	for _, b := range s.Backends {
		p.backends = append(p.backends, newBackend(b, s))
	}
	return p
}

// Healthy reports whether any backend may get requests, busy or not.
func (p *Pool) Healthy() bool { return p.picker.Load() != nil }

// pick takes a place for a client's request at a backend that wasn't tried.
func (p *Pool) pick(client uint64, tried tried) (*Backend, error) {
	picker := p.picker.Load()
	if picker == nil {
		return nil, ErrNoneHealthy
	}
	return (*picker).pick(client, tried)
}

// publish has requests picked from the backends that are available now. The caller holds p.mu.
func (p *Pool) publish() {
	var available []*Backend
	for _, b := range p.backends {
		if b.available() {
			available = append(available, b)
		}
	}
	if len(available) == 0 {
		p.picker.Store(nil)
		return
	}
	picker := p.build(available)
	p.picker.Store(&picker)
}

// logIfNoneHealthy logs once that no backend is healthy, when that is certain. The caller holds
// p.mu.
func (p *Pool) logIfNoneHealthy() {
	before := p.noneHealthy
	p.noneHealthy = !slices.ContainsFunc(p.backends, func(b *Backend) bool { return b.available() || b.undecided() })
	if p.noneHealthy && !before {
		p.log.Error().Str("pool", p.name).Msg("no backend is healthy: requests get 503")
	}
}
