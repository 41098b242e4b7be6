package balancer

import (
	"sync/atomic"
	"time"
)

// cacheLines keeps what is written on every request away from what is only read: two
// lines, because processors fetch them in pairs.
const cacheLines = 128

// Backend is one address that requests are forwarded to. It lives as long as its Pool.
type Backend struct {
	settings  BackendSettings
	authority string
	prober    Prober

	// What was found; Pool.mu guards it.
	health      health
	lastProbe   string
	lastProbeAt time.Time

	_      [cacheLines]byte
	places places
	failed atomic.Int64
	// passed is the turn of the requests that went elsewhere after this backend.
	passed turn
	_      [cacheLines]byte
}

// newBackend makes a backend that nothing is known about yet.
func newBackend(b BackendSettings, s Settings) *Backend {
	n := &Backend{settings: b, authority: b.Authorities()[0], prober: s.NewProber(b)}
	n.places.most = uint64(s.MaxConnections)
	n.places.shares = newShares(n.places.most, s.ClientShare)
	return n
}

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
	// LastProbe is what the last probe found, in words for operators: "200 in 0.8ms",
	// "connect: connection refused"; "" before the first.
	LastProbe string
	// LastProbeAt is when that probe ended, UTC; the zero time before the first.
	LastProbeAt time.Time
	// InFlight counts the requests that run now.
	InFlight int64
	// Requests counts all that were sent to it, Failures those of them that broke.
	Requests, Failures int64
}

// URL is the backend as the operator wrote it.
func (b *Backend) URL() string { return b.settings.URL }

// Addr is where to connect to: "host:port", or the path of a unix socket.
func (b *Backend) Addr() string { return b.settings.Addr }

// Authority is the Host of requests for which nobody said another.
func (b *Backend) Authority() string { return b.authority }

// Prober is what Settings.NewProber made for the backend.
func (b *Backend) Prober() Prober { return b.prober }

// begin takes a place for a client's request. The error is ErrBusy or ErrClientShare.
func (b *Backend) begin(client uint64) error { return b.places.take(client) }

// end gives the place of a client's request back. It is the one place where live traffic tells of
// a backend.
func (b *Backend) end(client uint64, r Result) {
	if r.Failed {
		b.failed.Add(1)
	}
	b.places.giveBack(client)
}

// available reports whether the backend may get requests. The caller holds Pool.mu.
func (b *Backend) available() bool { return b.settings.State == Ready && b.health.up }

// undecided reports whether the backend may become available once it was probed. The caller holds
// Pool.mu.
func (b *Backend) undecided() bool { return b.settings.State == Ready && !b.health.known() }

// status is what operators see of the backend. The caller holds Pool.mu.
func (b *Backend) status(pool string) BackendStatus {
	// Failures are read first, so that what happens in between can't make them exceed the requests.
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
