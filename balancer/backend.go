package balancer

import (
	"sync/atomic"
	"time"
)

// cacheLines keeps what every request writes away from what requests only read. It is two lines,
// because processors fetch them in pairs.
const cacheLines = 128

// Backend is one address that requests are forwarded to. It lives as long as its Pool.
type Backend struct {
	settings  BackendSettings
	authority string
	prober    Prober

	// What probes found; Pool.mu guards it.
	health      health
	lastProbe   string
	lastProbeAt time.Time

	_      [cacheLines]byte
	places places
	failed atomic.Int64
	// passed counts the requests that went elsewhere after this backend.
	passed atomic.Uint64
	_      [cacheLines]byte
}

// newBackend makes a backend about which nothing is known yet.
func newBackend(b BackendSettings, s Settings) *Backend {
	n := &Backend{settings: b, authority: b.Authorities()[0], prober: s.NewProber(b)}
	n.places.most = uint64(s.MaxConnections)
	n.places.shares = newShares(n.places.most, s.ClientShare)
	return n
}

// URL is the backend as the operator wrote it.
func (b *Backend) URL() string { return b.settings.URL }

// Addr is where to connect to: "host:port", or the path of a unix socket.
func (b *Backend) Addr() string { return b.settings.Addr }

// Authority is the Host of requests where no other is configured.
func (b *Backend) Authority() string { return b.authority }

// Prober is what Settings.NewProber made for the backend.
func (b *Backend) Prober() Prober { return b.prober }

// begin takes a place for a client's request. The error is ErrBusy or ErrClientShare.
func (b *Backend) begin(client uint64) error { return b.places.take(client) }

// Result is what an attempt showed of its backend. What strategies and health are to learn from
// live traffic comes in here.
type Result struct {
	// Failed reports whether the backend broke the attempt.
	Failed bool
}

// end gives the place of a client's request back, and takes its result.
func (b *Backend) end(client uint64, r Result) {
	if r.Failed {
		b.failed.Add(1)
	}
	b.places.giveBack(client)
}

// available reports whether the backend may get requests. The caller holds Pool.mu.
func (b *Backend) available() bool { return b.settings.State == Ready && b.health.up }

// probed reports whether probes go to the backend.
func (b *Backend) probed() bool { return b.settings.State != Maint }

// undecided reports whether the backend may become available by its first probe. The caller holds
// Pool.mu.
func (b *Backend) undecided() bool { return b.settings.State == Ready && !b.health.known() }

// observe takes a probe's result, and reports whether it flipped the backend's health. The caller
// holds Pool.mu.
func (b *Backend) observe(found string, err error, h HealthSettings) (flipped bool) {
	b.lastProbe, b.lastProbeAt = found, time.Now().UTC()
	if err != nil {
		b.lastProbe = err.Error()
	}
	return !isOurs(err) && b.health.observe(err == nil, h.Rise, h.Fall)
}
