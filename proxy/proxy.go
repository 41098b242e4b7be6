package proxy

import (
	"context"
	"fmt"
	"hash/maphash"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"gopher-equalizer/proxy/h1"
	"gopher-equalizer/proxy/h2"
	"gopher-equalizer/proxy/netconn"
	"gopher-equalizer/proxy/outcome"
)

// Proxy takes the requests that come in on its listeners to backends.
type Proxy struct {
	shared
	clients *netconn.Clients
	http1   *h1.Server
	http2   *h2.Server
	// draining has all responses say Connection: close.
	draining atomic.Bool
	accepting
}

// New makes a proxy that doesn't listen yet, and serves by a first snapshot.
func New(first *Snapshot, log zerolog.Logger) *Proxy {
	p := &Proxy{
		shared:  shared{record: outcome.NewRecorder(log), seed: maphash.MakeSeed()},
		clients: netconn.NewClients(first.Clients),
	}
	p.http1 = h1.NewServer(
		h1.Settings{MaxHeader: first.MaxHeader, Contain: p.record.Contain, WantsClose: p.wantsClose},
		func(t *h1.Turn) h1.Handler { return newRequest(&p.shared, t) },
	)
	p.http2 = h2.NewServer(
		h2.Settings{
			Limits: first.HTTP2, Contain: p.record.Contain, WantsClose: p.wantsHTTP2Close, Drains: p.draining.Load,
			Ended: p.faulty,
		},
		func(t *h2.Turn) h2.Handler { return newRequest(&p.shared, t) },
	)
	p.accepting.init(p.clients, p.serve, log)
	p.name(first)
	p.snapshot.Store(first)
	return p
}

// Use has the requests that begin from now on be served by a snapshot. Those that run, tunnels too,
// go on by the one that they began with, and no connection is closed.
func (p *Proxy) Use(s *Snapshot) {
	p.clients.Use(s.Clients)
	p.http1.BoundHeads(s.MaxHeader)
	p.http2.Use(s.HTTP2)
	p.name(s)
	p.snapshot.Store(s)
}

// wantsClose reports whether connections had better end with their request: we stop, or others wait
// for a place.
func (p *Proxy) wantsClose() bool { return p.draining.Load() || p.clients.Crowded() }

// wantsHTTP2Close is wantsClose for a connection of HTTP/2, which also ends if its listener doesn't
// offer that any more.
func (p *Proxy) wantsHTTP2Close(intake any) bool {
	return p.wantsClose() || !intake.(*arrival).now().HTTP2
}

// Stats is what the proxy has done and is doing.
type Stats struct {
	outcome.Stats
	// HTTP2 is that of the clients that speak it.
	HTTP2 h2.Stats
	// Connections are the clients' that are open.
	Connections int64
	// MaxConnections bounds them, 0 doesn't. AcceptPauses counts how often one had to wait for a
	// place.
	MaxConnections, AcceptPauses int64
}

// Stats is what the proxy has done and is doing.
func (p *Proxy) Stats() Stats {
	return Stats{
		Stats:          p.record.Stats(),
		HTTP2:          p.http2.Stats(),
		Connections:    int64(p.clients.Len()),
		MaxConnections: int64(p.clients.Most()),
		AcceptPauses:   p.clients.Waits(),
	}
}

// Counts is what the proxy has counted by routes, pools and reasons.
type Counts struct {
	// Traffic has the requests of each route, by the pool that they went to.
	Traffic []outcome.TrafficStats
	// Failures are why requests failed, and Refused why messages were refused, as the log has it.
	Failures, Refused []outcome.ReasonCount
}

// Counts is what the proxy has counted by routes, pools and reasons, in the order of their names.
func (p *Proxy) Counts() Counts {
	return Counts{p.record.Traffic(), p.record.Failures(), p.record.RefusedFor()}
}

// Takes is what each limit has said, in the order of their names.
func (p *Proxy) Takes() []outcome.TakesStats { return p.record.Takes() }

// Refused are the last messages that were refused, of clients and of backends, newest first.
func (p *Proxy) Refused() []outcome.Refused { return p.record.Refused() }

// Denied is the last request of an id that got an error of our own. ok is false if there is none,
// it is older than 10 minutes, or it wasn't kept.
func (p *Proxy) Denied(id string) (d outcome.Denial, ok bool) { return p.record.Denied(id) }

// DeniedMost are the clients that each limit refused most, at most so many of each.
func (p *Proxy) DeniedMost(most int) []outcome.DeniedClient { return p.record.DeniedMost(most) }

// Tail tells of requests as they end, those that a filter wants. The caller must close it.
func (p *Proxy) Tail(f outcome.Filter) *outcome.Tail { return p.record.Tail(f) }

const (
	// headGrace is for how long heads may go on to arrive once the listeners are closed. A
	// successor waits for that.
	headGrace = 500 * time.Millisecond
	// cutGrace is for how long requests that were cut may take to end, and write their lines to the
	// log.
	cutGrace = time.Second
)

// Drain has every response say Connection: close from now on, and tells the clients that speak
// HTTP/2 that no more requests shall be sent. Connections are accepted and requests served as
// before.
func (p *Proxy) Drain() {
	p.draining.Store(true)
	p.clients.WakeSeveral()
}

// Close ends the intake: it accepts what waits to be accepted, closes the listeners, and closes the
// connections that wait for a request. It returns when no request can spend a token any more:
// each was taken or refused, a head that isn't whole within headGrace with a 408. What is being
// relayed goes on: see Wait. The error is the cause of ctx's end, if that comes first.
func (p *Proxy) Close(ctx context.Context) error {
	p.Drain()
	p.accepting.finish()
	return p.clients.Close(ctx, headGrace)
}

// Wait waits for what is relayed after Close. When ctx ends, it cuts what still is and says in an
// error how much that was.
func (p *Proxy) Wait(ctx context.Context) error {
	err := p.clients.Wait(ctx)
	if err == nil {
		return nil
	}
	n := p.clients.Cut()
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), cutGrace)
	defer cancel()
	_ = p.clients.Wait(ending) // What hasn't ended by then has no line.
	return fmt.Errorf("%d connections were cut: %w", n, err)
}

// CutLasting cuts the tunnels and event streams, those that begin later too, and returns how many
// there were. Their clients are used to coming back.
func (p *Proxy) CutLasting() int { return p.clients.CutLasting() }
