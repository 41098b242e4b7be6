package proxy

import (
	"context"
	"fmt"
	"hash/maphash"
	"net"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"gopher-equalizer/proxy/h1"
	"gopher-equalizer/proxy/netconn"
	"gopher-equalizer/proxy/outcome"
)

// Proxy takes the requests that come in on its listeners to backends.
type Proxy struct {
	shared
	clients *netconn.Clients
	// maxClients bounds the clients' connections, 0 doesn't.
	maxClients int
	http1      *h1.Server
	// draining has all responses say Connection: close.
	draining atomic.Bool
	accepting
}

// Settings are what a Proxy keeps for its whole life. Defaults and the checks of what an operator
// wrote are config's: a Proxy takes the values as they are.
type Settings struct {
	// Clients are how many clients there may be, and how long they may keep us waiting.
	Clients netconn.ClientLimits
	// MaxHeader bounds a request's header, in bytes. A longer one is refused with 431, or with 414
	// if the request line alone is longer.
	MaxHeader int
}

// New makes a proxy that doesn't listen yet, and serves by a first snapshot.
func New(s Settings, first *Snapshot, log zerolog.Logger) *Proxy {
	p := &Proxy{
		shared:     shared{record: outcome.NewRecorder(log), seed: maphash.MakeSeed()},
		clients:    netconn.NewClients(s.Clients),
		maxClients: s.Clients.Connections,
	}
	p.http1 = h1.NewServer(
		h1.Settings{MaxHeader: s.MaxHeader, Contain: p.record.Contain, WantsClose: p.wantsClose},
		func(t *h1.Turn) h1.Handler { return newRequest(&p.shared, t) },
	)
	p.accepting.init(p.clients, p.serve, log)
	p.Use(first)
	return p
}

// Use has the requests that begin from now on be served by a snapshot.
func (p *Proxy) Use(s *Snapshot) { p.snapshot.Store(s) }

// serve serves a connection in a goroutine of its own, which ends with the connection.
func (p *Proxy) serve(conn net.Conn) { go p.http1.Serve(p.clients.Add(conn, nil)) }

// wantsClose reports whether connections had better end with their request: we stop, or others wait
// for a place.
func (p *Proxy) wantsClose() bool { return p.draining.Load() || p.clients.Crowded() }

// Stats is what the proxy has done and is doing.
type Stats struct {
	outcome.Stats
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
		Connections:    int64(p.clients.Len()),
		MaxConnections: int64(p.maxClients),
		AcceptPauses:   p.clients.Waits(),
	}
}

// Refused are the last messages that were refused, of clients and of backends, newest first.
func (p *Proxy) Refused() []outcome.Refused { return p.record.Refused() }

const (
	// headGrace is for how long heads may go on to arrive once the listeners are closed. A
	// successor waits for that.
	headGrace = 500 * time.Millisecond
	// cutGrace is for how long requests that were cut may take to end, and write their lines to the
	// log.
	cutGrace = time.Second
)

// Drain has every response say Connection: close from now on. Connections are accepted and requests
// served as before.
func (p *Proxy) Drain() { p.draining.Store(true) }

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
