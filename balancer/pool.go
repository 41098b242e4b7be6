package balancer

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
)

// Pool is a named set of backends with one strategy and one health check. All its methods may be
// called at the same time. A Pool outlives changes of all that: see Prepare.
type Pool struct {
	name      string
	overrides *Overrides
	tickets   *Tickets
	// picker picks from the backends that are available now; nil if there are none. Requests read
	// it, and only publish replaces it.
	picker atomic.Pointer[picker]
	// budget bounds the retries.
	budget budget
	// queue are the requests that wait for a place.
	queue queue
	_     [cacheLines]byte
	// places bound the requests in flight at all backends; they count only those that began while
	// there was a bound.
	places places
	_      [cacheLines]byte

	// mu guards the following fields, and what operators and probes say in the backends. No request
	// takes it, so flips are logged under it, in the order in which they happened.
	mu        sync.Mutex
	strategy  Strategy
	build     builder
	slowStart time.Duration
	dice      dice
	probes    HealthSettings
	log       zerolog.Logger
	backends  []*Backend
	// prepared are the backends of the Change that is prepared; nil if there is none.
	prepared []*Backend
	watchers watchers
	judging  judging
	// noneHealthy is true once it was logged that no backend is available, until one is again.
	noneHealthy bool
}

// NewPool makes a pool in which no backend is healthy yet. Probe finds out which are.
func NewPool(s Settings) *Pool {
	p := &Pool{name: s.Name, overrides: cmp.Or(s.Overrides, NewOverrides(s.Logger)), tickets: s.Tickets, dice: rand.Uint64, watchers: watchers{closed: make(chan struct{})}}
	p.judging.alarm = make(chan struct{}, 1)
	c := p.Prepare(s)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.overrides.attach(p) // Before they are read, so that none is missed that is loaded meanwhile.
	p.tickets.attach(p)
	c.install()
	return p
}

// Remove is Close for a pool that has left the configuration: overrides of its backends go too.
func (p *Pool) Remove() {
	p.Close()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.drop(nil)
}

// Close ends a pool: its probes and Run end, and each backend's Prober is retired. Requests that
// hold the pool still go to the backends that were available.
func (p *Pool) Close() {
	p.mu.Lock()
	p.watchers.close()
	all := p.backends
	p.mu.Unlock()
	p.overrides.detach(p)
	p.tickets.detach(p)
	retire(all)
}

// Healthy reports whether any backend may get requests, busy or not.
func (p *Pool) Healthy() bool { return p.picker.Load() != nil }

// busy is why there is no place where the pool's are taken.
func (p *Pool) busy() error {
	if !p.Healthy() {
		return ErrNoneHealthy
	}
	return ErrBusy
}

// pick takes a place for a client's request at a backend that wasn't tried.
func (p *Pool) pick(c *Client, tried *tried) (*Backend, error) {
	picker := p.picker.Load()
	if picker == nil {
		return nil, ErrNoneHealthy
	}
	return picker.pick(c, tried)
}

// Full reports whether the backends that may get requests all have as many as they may: the next
// request gets ErrBusy. It is false if no backend may get any.
func (p *Pool) Full() bool {
	picker := p.picker.Load()
	return picker != nil && !slices.ContainsFunc(picker.backends, func(b *Backend) bool { return !b.places.full() })
}

// setStrategy has the pool pick by a strategy. The one that it has goes on where it is. The caller
// holds p.mu.
func (p *Pool) setStrategy(s Strategy) {
	s = cmp.Or(s, RoundRobin)
	if s != p.strategy {
		p.strategy, p.build = s, builders[s]()
	}
}

// publish has requests picked from the backends that are available now. The caller holds p.mu.
func (p *Pool) publish() {
	//mutant:drop a-recovered-backend-is-missed
	defer p.queue.offer()
	available := p.pickables()
	if len(available) == 0 {
		p.picker.Store(nil)
		return
	}
	for _, b := range available {
		p.ready(b)
	}
	c := newCandidates(available, p.dice)
	c.slowStart.begin(available, p.slowStart)
	p.picker.Store(&picker{p.build(c), c})
}

// ready readies a backend for what the strategy needs of it. The caller holds p.mu.
func (p *Pool) ready(b *Backend) {
	b.latency.tells.Store(nil)
	b.ticket.Store(nil)
	if p.strategy == Sticky {
		ticket := p.tickets.of(p.id(b.Name()))
		b.ticket.Store(&ticket)
	}
}

// find returns the backend with a name; nil if there is none. The caller holds p.mu.
func (p *Pool) find(name string) *Backend {
	i := slices.IndexFunc(p.backends, func(b *Backend) bool { return b.Name() == name })
	if i < 0 {
		return nil
	}
	return p.backends[i]
}

// of returns the backends with a URL: several if each of its addresses is one. The caller holds
// p.mu.
func (p *Pool) of(url string) (all []*Backend) {
	for _, b := range p.backends {
		if b.URL() == url {
			all = append(all, b)
		}
	}
	return all
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
