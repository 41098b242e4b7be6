// Package proxy is the data path: it accepts connections, admits requests, and forwards each
// to a backend.
package proxy

import (
	"hash/maphash"

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
	log        zerolog.Logger
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
		log:        log,
	}
	p.http1 = h1.NewServer(h1.Settings{
		MaxHeader:  s.MaxHeader,
		NewHandler: func(t *h1.Turn) h1.Handler { return newRequest(&p.shared, t) },
		Contain:    p.record.Contain,
		WantsClose: p.wantsClose,
	})
	p.accepting.stop = make(chan struct{})
	p.Use(first)
	return p
}

// Use has the requests that begin from now on be served by a snapshot.
func (p *Proxy) Use(s *Snapshot) { p.snapshot.Store(s) }

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
