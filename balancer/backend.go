package balancer

import (
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"
)

// cacheLines keeps what is written on every request away from what is only read: two
// lines, because processors fetch them in pairs.
const cacheLines = 128

// Backend is one address that requests are forwarded to. It lives as long as its Pool.
type Backend struct {
	settings  BackendSettings
	authority string
	client    *fasthttp.HostClient
	probe     probe

	// What was found; Pool.mu guards it.
	health      health
	lastProbe   string
	lastProbeAt time.Time

	_ [cacheLines]byte
	// In flight is begun less ended: two counters to change for each request and not three.
	begun, ended, failed atomic.Int64
	// resends counts the requests that went elsewhere after this backend.
	resends atomic.Uint64
	_       [cacheLines]byte
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

// Client is what requests to this backend go through, as Settings.NewClient made it.
func (b *Backend) Client() *fasthttp.HostClient { return b.client }

// Begin counts a request that is about to be sent. The caller must call End once for it.
func (b *Backend) Begin() { b.begun.Add(1) }

// End counts a request that is over; failed says that the backend broke it.
func (b *Backend) End(failed bool) {
	if failed {
		b.failed.Add(1)
	}
	b.ended.Add(1)
}

// fit says whether the backend may get requests. The caller holds Pool.mu.
func (b *Backend) fit() bool { return b.settings.State == Ready && b.health.up }

// undecided says whether the backend may turn out to be fit once it was probed. The caller
// holds Pool.mu.
func (b *Backend) undecided() bool { return b.settings.State == Ready && !b.health.known() }

// status is what operators see of the backend. The caller holds Pool.mu.
func (b *Backend) status(pool string) BackendStatus {
	// Ends are read before begins, so that what happens in between can't make
	// failures exceed requests, or the requests in flight negative.
	failed, ended := b.failed.Load(), b.ended.Load()
	begun := b.begun.Load()
	return BackendStatus{
		Pool:        pool,
		URL:         b.settings.URL,
		Weight:      b.settings.Weight,
		State:       b.settings.State,
		Healthy:     b.health.up,
		LastProbe:   b.lastProbe,
		LastProbeAt: b.lastProbeAt,
		InFlight:    begun - ended,
		Requests:    begun,
		Failures:    failed,
	}
}
