package h2

import (
	"sync"
	"sync/atomic"

	"gopher-equalizer/proxy/netconn"
)

// Server serves clients' connections.
type Server struct {
	settings   Settings
	newHandler func(*Turn) Handler
	limits     atomic.Pointer[Limits]
	runner     runner
	turns      sync.Pool
	counters   counters
}

// counters are what the connections count.
type counters struct {
	connections, streams, refused, reset, calmed, faulty atomic.Int64
	oddities                                             tally
}

// NewServer makes a server. newHandler makes what serves the requests of a Turn.
func NewServer(s Settings, newHandler func(*Turn) Handler) *Server {
	server := &Server{settings: s, newHandler: newHandler}
	server.runner.run, server.runner.wave = server.run, newWave()
	server.Use(s.Limits)
	return server
}

// Use has these limits bound the connections that begin from now on. MaxHeader and MaxRunning count
// at once for all; what runs beyond MaxRunning goes on.
func (s *Server) Use(l Limits) {
	s.limits.Store(&l)
	s.runner.bound(l.MaxRunning)
}

// Serve serves a connection, which is open, until one side has enough of it, and closes it. intake
// is for the handlers of its requests: what it came by.
func (s *Server) Serve(c *netconn.Client, intake any) { c.ServeSeveral(s.Handler(c, intake)) }

// Handler is what serves a connection, for netconn.Client.HandOver. It serves only that one, and
// must be had do so.
func (s *Server) Handler(client *netconn.Client, intake any) netconn.Several {
	s.counters.connections.Add(1)
	s.runner.join()
	c := newConnection(s, client, intake)
	c.greet()
	return c
}

// run serves the request of a stream.
func (s *Server) run(of *stream) {
	t, ok := s.turns.Get().(*Turn)
	if !ok {
		t = newTurn(&s.settings)
		t.handler = s.newHandler(t)
	}
	t.begin(of)
	t.handler.Begin()
	t.handler.Handle()
	t.end()
	s.turns.Put(t)
}

// Stats is what the server has done and is doing.
func (s *Server) Stats() Stats {
	running, most := s.runner.stats()
	n := &s.counters
	return Stats{
		Connections: n.connections.Load(),
		Streams:     n.streams.Load(),
		Running:     int64(running),
		MaxRunning:  int64(most),
		Refused:     n.refused.Load(),
		Reset:       n.reset.Load(),
		Oddities:    n.oddities.byName(),
		Calmed:      n.calmed.Load(),
		Faulty:      n.faulty.Load(),
	}
}

// ended notes the end of a connection, and why it ended if that was a fault of the client's.
func (s *Server) ended(c *connection, why *Fault) {
	s.counters.connections.Add(-1)
	s.runner.leave()
	if why == nil {
		return
	}
	if why.Code == EnhanceYourCalm {
		s.counters.calmed.Add(1)
	} else {
		s.counters.faulty.Add(1)
	}
	s.settings.Ended(c.client.Peer(), why)
}
