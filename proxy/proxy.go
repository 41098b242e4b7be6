// Package proxy is the data path: it accepts connections, admits requests, and forwards each
// to a backend.
package proxy

import (
	"hash/maphash"
	"sync"
	"sync/atomic"

	"github.com/rs/zerolog"

	"gopher-equalizer/proxy/http1"
	"gopher-equalizer/proxy/identity"
	"gopher-equalizer/proxy/netconn"
	"gopher-equalizer/proxy/rewrite"
)

// Proxy takes the requests that come in on its listeners to the backends of a pool.
type Proxy struct {
	settings Settings
	via      string
	pool     Pool
	limiter  Limiter
	limited  *limited
	log      zerolog.Logger

	clients  *netconn.Clients
	buffers  netconn.Buffers
	requests sync.Pool
	lender   lender
	counters counters
	refusals refusals
	mended   toldMended

	// seed is what clients are hashed with for their share of a backend's connections.
	seed maphash.Seed

	// draining has every answer say Connection: close.
	draining atomic.Bool
	accepting
}

// New makes a proxy that doesn't listen yet. Nothing is limited if l is nil.
func New(s Settings, pool Pool, l Limiter, log zerolog.Logger) *Proxy {
	p := &Proxy{settings: s, via: rewrite.ViaName(s.Via), pool: pool, limiter: l, limited: newLimited(s.Limit), log: log, seed: maphash.MakeSeed()}
	p.requests.New = func() any { return newRequest(p) }
	p.clients = netconn.NewClients(netconn.ClientLimits{
		Header: s.HeaderTimeout,
		Idle:   s.IdleTimeout,
		Read:   s.ReadTimeout,
		Write:  s.WriteTimeout,

		MinRate:   s.MinRate,
		RateGrace: s.RateGrace,

		Connections: s.MaxConnections,
		Pipes:       s.MaxPipes,
	})
	p.accepting.stop = make(chan struct{})
	return p
}

// handle takes a request all the way. Each step reports whether the next one follows; one
// that says no has answered.
func (r *request) handle() {
	if r.read() && r.identify() && r.available() && r.take() && r.mayForward() && r.forward() {
		r.relay()
	}
}

// read reads the request's head, and refuses what isn't clearly one, or has a body that says it is
// too large.
func (r *request) read() bool {
	if r.status != 0 {
		return false // A panic was answered.
	}
	if r.raw == nil {
		head, err := r.readHead()
		if err != nil {
			return r.fail(r.unreadable(err), r.session.Err())
		}
		r.parse(head)
	}
	if r.refusal != nil {
		return r.refuse(r.refusal)
	}
	r.session.Body(r.header.Expect)
	r.upload.begin(r.header.Size)
	r.last = !r.header.KeepAlive
	if r.proxy.tooLarge(r.header.Size) {
		r.refusal = r.header.RefuseLength(bodyTooLarge.status, bodyTooLarge.reason)
		return r.fail(bodyTooLarge, nil)
	}
	return true
}

// identify finds out who the client is.
func (r *request) identify() bool {
	s, h := &r.proxy.settings, &r.head
	h.TrustedPeer = s.Trusted.Contains(h.Peer)
	h.Client = s.Trusted.ClientAddr(h.Peer, &r.header)
	h.RequestID = identity.AppendRequestID(r.idBuffer[:0], &r.header, h.TrustedPeer)
	h.Upgrade = rewrite.PassesUpgrade(&r.header)
	return !h.Loops() || r.fail(looping, nil)
}

// available reports whether any backend is healthy, if one is needed. It is asked before a token is
// spent.
func (r *request) available() bool {
	return r.endsHere() || r.proxy.pool.Healthy() || r.fail(noBackend, nil)
}

// take spends a token of the client's.
func (r *request) take() bool {
	p := r.proxy
	if p.limiter == nil {
		r.session.Admitted()
		return true
	}
	r.clientID = p.settings.Key.AppendClientID(r.clientID[:0], &r.header, r.head.Client)
	r.decision = p.limiter.Take(http1.Text(r.clientID))
	r.session.Admitted()
	if !r.decision.Allowed {
		p.counters.limited.Add(1)
		r.sendLimited()
	}
	return r.decision.Allowed
}
