package balancer

import (
	"cmp"
	"context"
	"math"
	"sync/atomic"
	"time"

	"gopher-equalizer/proxy/meter"
)

// cacheLines keeps what every request writes away from what requests only read. It is two lines,
// because processors fetch them in pairs.
const cacheLines = 128

// Backend is one address that requests are forwarded to. A change of its Pool keeps it, unless the
// address or the TLS is another one. A removed one lives until its last request has ended.
type Backend struct {
	// settings are as the configuration has them. Pool.mu guards Weight, State, Backup and
	// MaxInFlight, and the others are never changed.
	settings  BackendSettings
	name      string
	authority string
	prober    Prober
	measures  *meter.Each[measures]

	// What an operator, the probes and the traffic say; Pool.mu guards it.
	override Override
	health   health
	ejection ejection
	probes   probeLog
	advice   Advice
	watch    watch
	// compared is the traffic when it was compared last, budgeted the attempts that budgets have
	// counted.
	compared traffic
	budgeted int64

	// removed reports whether it isn't in its pool any more.
	removed atomic.Bool

	// What picks read: since when it may get requests; 0 if it may not.
	since atomic.Int64
	// ticket is what Sticky gives to clients that were here; nil with other strategies.
	ticket atomic.Pointer[Ticket]

	_      [cacheLines]byte
	places places
	// share is the weight relative to the mean of those that are available, and perHalf the load of
	// half a request. They are beside what picks read with them.
	share, perHalf atomicFloat
	latency        latency
	live           live
	// retried counts the attempts that followed one at this backend.
	retried atomic.Int64
	// passed counts the requests that went elsewhere after this backend.
	passed atomic.Uint64
	_      [cacheLines]byte
}

// watch is what probes a backend on a clock; the zero one while nothing does.
type watch struct {
	end context.CancelFunc
	// retimed is sent to when the interval has changed.
	retimed chan struct{}
}

// newBackend makes a backend about which nothing is known yet.
func newBackend(b BackendSettings, s Settings) *Backend {
	n := &Backend{settings: b, name: b.Name(), authority: b.Authorities()[0], prober: s.NewProber(b), measures: meter.NewEach[measures]()}
	n.bound(s)
	return n
}

// bound changes how many requests it may have. Once it is in a pool, the caller holds Pool.mu.
func (b *Backend) bound(s Settings) {
	most := s.MaxConnections
	if own := b.settings.MaxInFlight; own > 0 && (most == 0 || own < most) {
		most = own
	}
	b.places.bound(most, s.ClientShare)
}

// URL is the backend as the operator wrote it, maybe one of several addresses of it.
func (b *Backend) URL() string { return b.settings.URL }

// Name is what the backend goes by in logs.
func (b *Backend) Name() string { return cmp.Or(b.name, b.settings.URL) }

// Addr is where to connect to: "host:port", or the path of a unix socket.
func (b *Backend) Addr() string { return b.settings.Addr }

// Authority is the Host of requests where no other is configured.
func (b *Backend) Authority() string { return b.authority }

// Prober is what Settings.NewProber made for the backend.
func (b *Backend) Prober() Prober { return b.prober }

// Ticket is what a client needs to come back to the backend; nil where the strategy isn't Sticky.
func (b *Backend) Ticket() *Ticket { return b.ticket.Load() }

// begin takes a place for a holder's request. The error is ErrBusy or ErrClientShare.
func (b *Backend) begin(holder uint64) error { return b.places.take(holder) }

// end gives the place of a holder's request back, and takes its result.
func (b *Backend) end(holder uint64, r Result) {
	b.live.note(r)
	b.measures.Mine().note(r)
	b.latency.observe(r)
	b.places.giveBack(holder)
}

// load is how much the backend has to do for its share; 0 if it has nothing. The half is that of
// Sainte-Lague's method, which gives seats by votes without favouring the large or the small.
func (b *Backend) load() float64 {
	n := b.places.inFlight()
	return float64(int64(2*n+min(n, 1))) * b.perHalf.Load()
}

// rank is a number that is the less, the less the backend has to do. Its last two bits are a slot's
// number.
func (b *Backend) rank(slot uint64) uint64 { return math.Float64bits(b.load())&^3 | slot }

// weight is the backend's share of the requests. The caller holds Pool.mu.
func (b *Backend) weight() int { return cmp.Or(b.override.Weight, b.settings.Weight) }

// state is what the operator wants of the backend. The caller holds Pool.mu.
func (b *Backend) state() State { return cmp.Or(b.override.State, b.settings.State) }

// available reports whether the backend may get requests, as far as its operator and its probes
// say. The caller holds Pool.mu.
func (b *Backend) available() bool { return b.state() == Ready && b.health.up }

// pickable reports whether it is available and isn't ejected. The caller holds Pool.mu.
func (b *Backend) pickable() bool { return b.available() && !b.ejection.is() }

// noteSince notes since when the backend may get requests, if it may. The caller holds Pool.mu.
func (b *Backend) noteSince(may bool) {
	switch {
	case !may:
		b.since.Store(0)
	case b.since.Load() == 0:
		b.since.Store(int64(now()))
	}
}

// probed reports whether probes go to the backend. The caller holds Pool.mu.
func (b *Backend) probed() bool { return b.state() != Maint }

// undecided reports whether the backend may become available by its first probe. The caller holds
// Pool.mu.
func (b *Backend) undecided() bool { return b.state() == Ready && !b.health.known() }

// want changes what is wanted of the backend. In maintenance its health, its ejection and
// its advice are forgotten: what comes back must be probed first. The caller holds Pool.mu.
func (b *Backend) want(weight int, s State, o Override) {
	b.settings.Weight, b.settings.State, b.override = weight, s, o
	if !b.probed() {
		b.health, b.ejection, b.advice = health{}, ejection{count: b.ejection.count}, Advice{}
	}
}

// observe takes a probe's result, and reports whether it flipped the backend's health, and whether
// it ended its ejection. The caller holds Pool.mu.
func (b *Backend) observe(now time.Time, f finding, h HealthSettings) (flipped, returned bool) {
	result := ProbeResult{At: now.UTC(), Took: f.took, OK: f.err == nil, Found: f.what}
	if f.err != nil {
		result.Found = f.err.Error()
	}
	b.probes.add(result)
	flipped = !IsOurs(f.err) && b.health.observe(f.err == nil, h.Rise, h.Fall)
	//mutant:right a-failed-probe-ends-an-ejection
	returned = f.err == nil && b.ejection.passed(now)
	if flipped || returned {
		b.live.streak.Store(0) // What failed before tells nothing about what comes.
	}
	return flipped, returned
}
