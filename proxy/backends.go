package proxy

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"gopher-equalizer/balancer"
	"gopher-equalizer/proxy/netconn"
)

// ConnectionSettings are how a pool's backends are talked to.
type ConnectionSettings struct {
	// Timeouts are how long a backend may keep us waiting.
	Timeouts netconn.BackendLimits
	// MaxResponseHeader bounds a response's header, and its trailers, in bytes. A longer one is
	// refused with 502.
	MaxResponseHeader int
	// KeepAlive is how long an unused connection is kept; 0 stands for 10 seconds. The shorter, the
	// rarer the backend closes it first, and the more connects there are. What a backend says by
	// Keep-Alive: timeout=N, less a second, counts if it is shorter.
	KeepAlive time.Duration
	// Resolver looks the backends' names up; nil stands for the system's. It can't be changed.
	Resolver netconn.Resolver
	// Logger is told when lookups fail, and when they succeed again. The zero Logger is silent.
	Logger zerolog.Logger
}

// Backends reach the backends of one pool. One goroutine looks after the timeouts of all their
// connections. All methods may be called at the same time.
type Backends struct {
	settings atomic.Pointer[ConnectionSettings]
	// first makes the others' dialers beside it. It dials nothing itself.
	first   *netconn.Dialer
	clients hostClients
}

// NewBackends makes what reaches the backends of a pool.
func NewBackends(s ConnectionSettings) *Backends {
	b := &Backends{}
	b.settings.Store(&s)
	b.first = netconn.NewDialer(s.Timeouts, s.Resolver, b.logLookups)
	return b
}

// New makes what reaches a backend, for balancer.Settings.NewProber.
func (b *Backends) New(of balancer.BackendSettings) balancer.Prober {
	return b.With(*b.settings.Load())(of)
}

// With is New with settings that aren't in force yet, for backends that are probed before Use.
func (b *Backends) With(s ConnectionSettings) func(balancer.BackendSettings) balancer.Prober {
	return func(of balancer.BackendSettings) balancer.Prober {
		c := newHostClient(of, &b.clients, b.first.Beside(s.Timeouts))
		c.use(s)
		b.clients.add(c)
		return c
	}
}

// Use puts settings in force for all backends. Exchanges that run keep the timeouts that they began
// with. Connections are kept, unless KeepAlive changes: then those that are in use are closed when
// their exchange has ended.
func (b *Backends) Use(s ConnectionSettings) {
	b.settings.Store(&s)
	for _, c := range b.clients.list() {
		c.dialer.Limit(s.Timeouts)
		c.use(s)
	}
}

// logLookups logs when a name's lookups begin to fail, and when they succeed again.
func (b *Backends) logLookups(host string, err error) {
	log := &b.settings.Load().Logger
	if err != nil {
		log.Warn().Str("host", host).Err(err).
			Msg("a backend's name can't be looked up: its last addresses serve, if there are any")
		return
	}
	log.Info().Str("host", host).Msg("a backend's name can be looked up again")
}

// hostClients are those of a pool's backends.
type hostClients struct {
	mu  sync.Mutex
	all map[*hostClient]struct{}
}

func (h *hostClients) add(c *hostClient) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.all == nil {
		h.all = make(map[*hostClient]struct{})
	}
	h.all[c] = struct{}{}
}

func (h *hostClients) remove(c *hostClient) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.all, c)
}

func (h *hostClients) list() (all []*hostClient) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for c := range h.all {
		all = append(all, c)
	}
	return all
}
