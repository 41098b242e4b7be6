package api

import (
	"context"
	"crypto/tls"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
	"github.com/valyala/fasthttp"

	"gopher-equalizer/api/live"
	"gopher-equalizer/balancer"
)

// Settings are those of the admin API.
type Settings struct {
	// Token is the bearer token that callers need. With "" whoever reaches a loopback address or a
	// unix socket of this machine gets in.
	Token string
	// ReadToken is another one, with which callers may only GET, and POST /explain. If it is the
	// only one, nobody may do more.
	ReadToken string
	// TLS is what connections are served by, except those of unix sockets; nil stands for none. It
	// counts for connections that are accepted from then on.
	TLS *tls.Config
	// Insecure has callers from other machines come in clear, with the token readable on the way.
	Insecure bool
	// Version is the process's, for GET /status.
	Version string
	// WriteTimeout is the deadline of an admin write, store.timeout. It must be above 0.
	WriteTimeout time.Duration
}

// Sources are what the API serves. Any number of goroutines may call them at the same time. A call
// that began before [Server.Configure] goes on with the former ones.
type Sources struct {
	// Standby has only /healthz and /readyz respond. Other calls are 503. Then Ready and Status
	// suffice.
	Standby bool
	// Reader and Writer are the limiter. If nothing is limited both are nil interfaces, and calls
	// about buckets are 409.
	Reader BucketReader
	Writer BucketWriter
	// Limits are those that the Reader and the Writer know, by name; none if nothing is limited.
	Limits []Limit
	// Replicas are the processes that share the buckets; nil if this one shares them with nobody.
	Replicas Replicas
	// Backends returns those of all pools.
	Backends func() []balancer.BackendStatus
	// Probes returns the last results of a backend's probes, the last one first. nil stands for
	// none.
	Probes func(id string) []balancer.ProbeResult
	// Pools returns them, in the order of their names. nil stands for none.
	Pools func() []balancer.PoolStatus
	// BackendWriter changes backends. While it is nil, calls that do are 503.
	BackendWriter BackendWriter
	// Routes returns the proxy's, in their order. nil stands for none.
	Routes func() []Route
	// Listeners returns the proxy's, in their order. nil stands for none.
	Listeners func() []Listener
	// Certificates returns those that clients are shown, in their order. nil stands for none.
	Certificates func() []Certificate
	// Explain tells what would become of a request, except what the Server fills in: the tiers of
	// buckets, and the backends of the pools. While it is nil, the call is 503.
	Explain func(Question) Explanation
	// Refusal returns the last request of an id that was refused, if it was kept. RefusedMost
	// returns the clients that each limit refused most in the last 10 minutes, at most so many of
	// each, by the limits' names. nil stands for none.
	Refusal     func(requestID string) (r RefusedRequest, ok bool)
	RefusedMost func(most int) []RefusedClient
	// Errors returns the last messages that were refused, newest first. nil stands for none.
	Errors func() []RefusedMessage
	// Tail begins to tell of requests. While it is nil, GET /tail is 503.
	Tail func(TailFilter) Tail
	// Config returns the configuration in force, secrets starred, as it is to be encoded in JSON.
	// nil stands for none.
	Config func() any
	// Pending returns what a reload would change now, without doing it. The error is [Mistakes] if
	// the configuration can't be used. While it is nil, GET /config/changes is 503.
	Pending func() (Reloaded, error)
	// Reloader reads the configuration again. While it is nil, POST /reload is 503.
	Reloader Reloader
	// Status returns the state of the process, except what the Server fills in.
	Status func() Status
	// Counts returns what was counted by names. nil stands for nothing.
	Counts func() Counts
	// Ready reports whether the process wants traffic.
	Ready func() Readiness
}

// snapshot is what requests are served by: immutable, and swapped whole. A request keeps the one
// that it began with.
type snapshot struct {
	settings Settings
	sources  Sources
	log      zerolog.Logger
	guard    guard
	started  time.Time
	// feed has the samples of GET /events. ended ends when the snapshot is not the current one any
	// more.
	feed *live.Feed
	// tails is how many streams of GET /tail are open.
	tails *atomic.Int64
	ended context.Context
	route fasthttp.RequestHandler
	// pageSize is how long the last page of metrics was.
	pageSize atomic.Int64
}

// newSnapshot makes a snapshot of a server's, which is current until ended ends.
func newSnapshot(ended context.Context, of *Server, settings Settings, sources Sources) *snapshot {
	s := &snapshot{
		settings: settings, sources: sources, log: of.log, guard: newGuard(settings), started: of.started,
		feed: &of.sampler.feed, tails: &of.tails, ended: ended,
	}
	s.route = s.newRouter().Handler
	return s
}

// handle serves one request.
func (s *snapshot) handle(ctx *fasthttp.RequestCtx) {
	defer protect(ctx)
	defer s.recoverPanic(ctx)
	if err := s.guard.admit(ctx); err != nil {
		s.fail(ctx, err)
		return
	}
	s.route(ctx)
}
