package proxy

import (
	"fmt"
	"runtime/debug"
	"time"

	"github.com/valyala/fasthttp"

	"gopher-equalizer/balancer"
	"gopher-equalizer/limiter"
	"gopher-equalizer/proxy/netconn"
)

// client is a client's connection as the server sees it.
type client struct {
	*netconn.Client
	// waiting is the request that was admitted, and whose body was asked for by a 100.
	waiting *request
}

// request is a request on its way, from its header to its line in the access log. It is pooled: what it
// holds in memory serves the next request.
type request struct {
	proxy  *Proxy
	client *client
	ctx    *fasthttp.RequestCtx

	// What admit found out.
	admitted bool
	head     requestHead
	clientID []byte
	decision limiter.Decision
	backend  *balancer.Backend

	upload   upload
	exchange exchange
	body     answerBody
	// answered says that the answer is a backend's.
	answered bool
	// relayed says that the answer's body is on its way, and that the request ends with it.
	relayed bool

	// What is logged besides. unread says that there was no header to be read.
	unread  bool
	started time.Time
	waited  time.Duration
	retries int
	failure *failure
	cause   error

	idBuffer [maxRequestID]byte
}

func newRequest(p *Proxy) *request {
	r := &request{proxy: p, clientID: make([]byte, 0, maxClientID)}
	r.exchange.init()
	return r
}

// begin starts a request, or goes on with one that was admitted.
func (p *Proxy) begin(ctx *fasthttp.RequestCtx) *request {
	c := ctx.Conn().(*client)
	if r := c.waiting; r != nil {
		c.waiting = nil
		return r
	}
	p.counters.begun.Add(1)
	r := p.requests.Get().(*request)
	r.client, r.ctx = c, ctx
	r.head = requestHead{
		header: &ctx.Request.Header,
		peer:   c.Peer(),
		client: c.Peer(),
		key:    p.settings.Key,
		scheme: "http",
		host:   p.settings.Host,
	}
	r.started = r.clock()
	return r
}

// clock is the time if it is going to be logged: reading it isn't free.
func (r *request) clock() (now time.Time) {
	if r.proxy.settings.AccessLog {
		now = time.Now()
	}
	return now
}

// since is the time since clock said begin.
func (r *request) since(begin time.Time) time.Duration {
	if begin.IsZero() {
		return 0
	}
	return time.Since(begin)
}

// end is deferred by handle.
func (r *request) end() {
	r.contain(recover())
	r.conclude()
}

// conclude finishes the request, unless its answer's body is yet to be relayed.
func (r *request) conclude() {
	if r.proxy.draining.Load() {
		r.ctx.SetConnectionClose()
	}
	if !r.received() {
		r.client.LeaveUnread()
	}
	// The server would keep the answer back if a part of the next request has come. That may take long to answer, or its
	// client may send the rest only after this answer. See netconn.Client.SetWriteDeadline.
	_ = r.ctx.SetWriteDeadline(time.Time{})
	if !r.relayed {
		r.finish()
	}
}

// contain answers 500 after a panic with v, whatever the request was doing; nil is no panic.
func (r *request) contain(v any) {
	if v == nil {
		return
	}
	r.proxy.logPanic(v)
	r.answered, r.relayed = false, false
	r.body.detach()
	r.exchange.close(dropped)
	r.fail(panicked, fmt.Errorf("panic: %v", v))
}

func (p *Proxy) logPanic(v any) {
	p.counters.panics.Add(1)
	p.log.Error().Str("panic", fmt.Sprint(v)).Bytes("stack", debug.Stack()).Msg("a request panicked")
}

// finish counts and logs the request, and gives it back to the pool.
func (r *request) finish() {
	p, status := r.proxy, r.status()
	p.counters.finished(status, r.failure)
	if p.settings.AccessLog || r.failure.ours() {
		r.log(status)
	}
	r.reset()
	p.requests.Put(r)
}

// status is what is logged and counted.
func (r *request) status() int {
	if r.failure != nil && !r.answered {
		return r.failure.status
	}
	return r.ctx.Response.StatusCode()
}

// reset forgets the request, but keeps what it grew.
func (r *request) reset() {
	r.client, r.ctx = nil, nil
	r.admitted, r.answered, r.relayed = false, false, false
	r.head = requestHead{}
	r.clientID = r.clientID[:0]
	r.decision = limiter.Decision{}
	r.backend = nil
	r.upload.reset()
	r.body.reset()
	r.unread, r.started, r.waited = false, time.Time{}, 0
	r.retries, r.failure, r.cause = 0, nil, nil
}
