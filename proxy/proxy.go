// Package proxy is the data path: it accepts connections, admits requests, and forwards each
// to a backend.
package proxy

import (
	"sync"
	"sync/atomic"

	"github.com/rs/zerolog"
	"github.com/valyala/fasthttp"

	"gopher-equalizer/proxy/netconn"
)

// Proxy takes the requests that come in on its listeners to the backends of a pool.
type Proxy struct {
	settings Settings
	pool     Pool
	limiter  Limiter
	limited  *limited
	log      zerolog.Logger

	server   *fasthttp.Server
	clients  *netconn.Clients
	buffers  netconn.Buffers
	requests sync.Pool
	counters counters

	// draining has every answer say Connection: close.
	draining atomic.Bool
	accepting
}

// New makes a proxy that doesn't listen yet. Nothing is limited if l is nil.
func New(s Settings, pool Pool, l Limiter, log zerolog.Logger) *Proxy {
	p := &Proxy{settings: s, pool: pool, limiter: l, limited: newLimited(s.Limit), log: log}
	p.requests.New = func() any { return newRequest(p) }
	p.clients = netconn.NewClients(netconn.ClientLimits{
		Header: s.HeaderTimeout,
		Idle:   s.IdleTimeout,
		Read:   s.ReadTimeout,
		Write:  s.WriteTimeout,
	}, &p.buffers)
	p.server = newServer(p)
	p.accepting.stop = make(chan struct{})
	return p
}

// handle takes a request all the way. Each step says whether the next one follows; one
// that says no has answered.
func (p *Proxy) handle(ctx *fasthttp.RequestCtx) {
	r := p.begin(ctx)
	defer r.end()
	if (r.admitted || r.admit()) && r.forward() {
		r.relay()
	}
}

// admit are the steps that need nothing of the body. A client that awaits a 100 before it sends the
// body gets it after these.
func (r *request) admit() bool {
	r.admitted = r.check() && r.identify() && r.take() && r.pick()
	return r.admitted
}

// check refuses what isn't clearly one request, and a body that says it is too large.
func (r *request) check() bool {
	if refusal := checkRequest(r.head.header); refusal != nil {
		return r.refuse(refusal)
	}
	if r.proxy.tooLarge(int64(r.head.header.ContentLength())) {
		return r.fail(bodyTooLarge, nil)
	}
	return true
}

// identify finds out who the client is.
func (r *request) identify() bool {
	s, h := &r.proxy.settings, &r.head
	h.trustedPeer = s.Trusted.Trusts(h.peer)
	h.client = s.Trusted.ClientIP(h.peer, h.header)
	h.requestID = appendRequestID(r.idBuffer[:0], h.header, h.trustedPeer)
	return true
}

// take spends a token of the client's.
func (r *request) take() bool {
	p := r.proxy
	if p.limiter == nil {
		return true
	}
	r.clientID = p.settings.Key.AppendClientID(r.clientID[:0], r.head.header, r.head.client)
	r.decision = p.limiter.Take(asString(r.clientID))
	if !r.decision.Allowed {
		p.limited.write(r.ctx, r.decision)
		r.sign()
		p.counters.limited.Add(1)
	}
	return r.decision.Allowed
}

// pick chooses the backend.
func (r *request) pick() bool {
	r.backend = r.proxy.pool.Pick()
	return r.backend != nil || r.fail(noBackend, nil)
}
