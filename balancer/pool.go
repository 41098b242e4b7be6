package balancer

import (
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/rs/zerolog"
)

// Pool is a named set of backends with one strategy and one health check. All its methods may be
// called at the same time.
type Pool struct {
	name     string
	strategy Strategy
	health   HealthSettings
	log      zerolog.Logger
	backends []*Backend
	// schedule holds what is fit now. Pick reads it; only publish replaces it.
	schedule atomic.Pointer[schedule]

	// mu guards what the probes found, in the backends too. Nothing on a request's way takes it,
	// so flips are logged under it: the log tells them in the order in which they happened.
	mu sync.Mutex
	// deserted says that none is fit, and that this was logged.
	deserted bool

	_ [cacheLines]byte
	// next counts the picks of round robin: the only thing that every request of a pool writes to.
	next atomic.Uint64
	_    [cacheLines]byte
}

// NewPool makes a pool in which no backend is fit yet: Probe finds out which are.
func NewPool(s Settings) *Pool { return newPool(s, newProbe) }

// newPool is NewPool with probes of the caller's.
func newPool(s Settings, newProbe func(HealthSettings, BackendSettings) probe) *Pool {
	p := &Pool{name: s.Name, strategy: s.Strategy, health: s.Health, log: s.Logger}
	for _, b := range s.Backends {
		p.backends = append(p.backends, &Backend{
			settings: b, authority: b.Authorities()[0],
			client: s.NewClient(b), probe: newProbe(s.Health, b),
		})
	}
	p.schedule.Store(&schedule{})
	return p
}

// Pick is the backend that the next request goes to, by the pool's strategy; nil if none is fit.
// It takes no lock and allocates nothing. A backend may stop being fit the moment after.
func (p *Pool) Pick() *Backend {
	cycle := *p.schedule.Load()
	if len(cycle) == 0 {
		return nil
	}
	return cycle[p.draw(&p.next, uint64(len(cycle)))]
}

// PickOther is a fit backend besides than, the one of this pool that just broke the request; nil if
// no other is fit. It takes no lock and allocates nothing, but walks the schedule.
//
// Re-sends are spread over the others by weight, and each backend that breaks requests has a turn
// of its own for them. Going through Pick's turn would unbalance the first attempts, and to
// take the pick after than's would give all that it drops to the one scheduled behind it.
func (p *Pool) PickOther(than *Backend) *Backend {
	cycle := *p.schedule.Load()
	n := cycle.without(than)
	if n == 0 {
		return nil
	}
	return cycle.other(than, p.draw(&than.resends, n))
}

// draw is the next number below n, which is above 0, by the pool's strategy.
func (p *Pool) draw(turn *atomic.Uint64, n uint64) uint64 {
	if p.strategy == Random {
		return rand.Uint64N(n)
	}
	return (turn.Add(1) - 1) % n
}

// Status is what operators see of the backends, in the order of the settings. The
// counters of a busy backend are read one after the other, not at one moment.
func (p *Pool) Status() []BackendStatus {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := make([]BackendStatus, len(p.backends))
	for i, b := range p.backends {
		all[i] = b.status(p.name)
	}
	return all
}

// publish lets Pick see what is fit now. The caller holds p.mu.
func (p *Pool) publish() {
	var fit []*Backend
	for _, b := range p.backends {
		if b.fit() {
			fit = append(fit, b)
		}
	}
	cycle := newSchedule(fit)
	p.schedule.Store(&cycle)
}

// tellIfDeserted logs once that no backend is fit, when that is certain. The caller holds p.mu.
func (p *Pool) tellIfDeserted() {
	before := p.deserted
	p.deserted = !slices.ContainsFunc(p.backends, func(b *Backend) bool { return b.fit() || b.undecided() })
	if p.deserted && !before {
		p.log.Error().Str("pool", p.name).Msg("no backend is fit: requests are answered 503")
	}
}
