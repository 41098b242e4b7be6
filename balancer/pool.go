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

// NewPool makes a pool in which no backend is healthy yet: Probe finds out which are.
func NewPool(s Settings) *Pool {
	p := &Pool{name: s.Name, strategy: s.Strategy, health: s.Health, log: s.Logger}
	for _, b := range s.Backends {
		p.backends = append(p.backends, newBackend(b, s))
	}
	p.schedule.Store(&schedule{})
	return p
}

// Healthy reports whether any backend may get requests, busy or not.
func (p *Pool) Healthy() bool { return len(*p.schedule.Load()) > 0 }

// Pick takes a place for a client's next request at the backend that the strategy chooses. One
// that has no place for it is passed over. The error is ErrNoneHealthy, ErrBusy or ErrClientShare;
// without one, the caller must call the backend's End once for the same client. The client is a
// hash of whoever Settings.ClientShare bounds; 0 is nobody.
//
// Pick takes no lock and allocates nothing. A backend may stop being fit the moment after.
func (p *Pool) Pick(client uint64) (*Backend, error) {
	cycle := *p.schedule.Load()
	if len(cycle) == 0 {
		return nil, ErrNoneHealthy
	}
	b := cycle[p.draw(&p.next, uint64(len(cycle)))]
	if err := b.Begin(client); err != nil {
		return p.pass(cycle, b, client, err)
	}
	return b, nil
}

// PickOther is Pick, for a request that a backend of this pool just broke, and never returns that
// one. It walks the schedule.
func (p *Pool) PickOther(than *Backend, client uint64) (*Backend, error) {
	return p.pass(*p.schedule.Load(), than, client, ErrNoneHealthy)
}

// pass takes a place at another backend than one that can't have the request, for the reason why.
//
// What one backend can't have is spread over the others by weight, and each backend has a turn of
// its own for that. Going through Pick's turn would unbalance the first attempts, and the pick
// after than's would give all that it can't have to the one scheduled behind it.
func (p *Pool) pass(cycle schedule, than *Backend, client uint64, why error) (*Backend, error) {
	n := cycle.without(than)
	if n == 0 {
		return nil, why
	}
	first := cycle.other(than, p.draw(&than.passed, n))
	for i := range cycle {
		b := cycle[(first+i)%len(cycle)]
		if b == than {
			continue
		}
		err := b.Begin(client)
		if err == nil {
			return b, nil
		}
		if why != ErrClientShare {
			why = err // What the client can change is worth more to know.
		}
	}
	return nil, why
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

// tellIfDeserted logs once that no backend is healthy, when that is certain. The caller holds p.mu.
func (p *Pool) tellIfDeserted() {
	before := p.deserted
	p.deserted = !slices.ContainsFunc(p.backends, func(b *Backend) bool { return b.fit() || b.undecided() })
	if p.deserted && !before {
		p.log.Error().Str("pool", p.name).Msg("no backend is healthy: requests get 503")
	}
}
