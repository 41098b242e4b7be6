package h1

import (
	"sync"
	"sync/atomic"

	"gopher-equalizer/proxy/netconn"
)

// Server serves clients' connections.
type Server struct {
	newHandler func(*Turn) Handler
	turns      atomic.Pointer[turns]
}

// turns are those that are made by the same settings and that nobody uses.
type turns struct {
	settings Settings
	idle     sync.Pool
}

// NewServer makes a server. newHandler makes what serves the requests of a Turn.
func NewServer(s Settings, newHandler func(*Turn) Handler) *Server {
	server := &Server{newHandler: newHandler}
	server.turns.Store(&turns{settings: s})
	return server
}

// BoundHeads has requests whose first bytes come from now on be bound by another MaxHeader.
func (s *Server) BoundHeads(maxHeader int) {
	settings := s.turns.Load().settings
	if settings.MaxHeader == maxHeader {
		return
	}
	settings.MaxHeader = maxHeader
	s.turns.Store(&turns{settings: settings}) // The buffers of the others have another size.
}

// Serve serves a connection, which is open, until one side has enough of it, and closes it. intake
// is for the handlers of its requests: what it came by.
func (s *Server) Serve(c *netconn.Client, intake any) {
	c.Serve(s.Handler(c, intake))
}

// Handler is what serves a connection, for netconn.Client.HandOver. It serves only that one.
func (s *Server) Handler(c *netconn.Client, intake any) netconn.Handler {
	return &connection{client: c, server: s, intake: intake}
}

// connection is a client's connection and the requests that come on it, one after the other. While
// none has come it holds no memory but its own. It is the connection's netconn.Handler.
type connection struct {
	client *netconn.Client
	server *Server
	intake any
	// turn is the request that is being read or served; nil while nothing of one has come.
	turn *Turn
}

// Arrived serves each request that needs no more of the client, which is most.
func (c *connection) Arrived(n int) netconn.Verdict {
	c.turn.in.end += n
	for c.turn.arrived() {
		if verdict := c.Attend(); verdict != netconn.Attend {
			return verdict
		}
	}
	if !c.turn.begun { // Old clients send empty lines behind a body.
		c.GiveBack()
		return netconn.Ignore
	}
	return netconn.Attend
}

// Attend serves a request, and readies the connection for the next one. A part of that may be here
// already.
func (c *connection) Attend() netconn.Verdict {
	if !c.turn.serve() {
		return netconn.End
	}
	c.client.Idle()
	in := &c.turn.in
	if in.skipEmptyLines(); in.size() == 0 {
		c.GiveBack()
		return netconn.Wait
	}
	in.shift()
	c.client.Begin()
	return netconn.Attend
}

// Lend lends the room that a request's first bytes are read into.
func (c *connection) Lend() []byte {
	if c.turn == nil {
		c.turn = c.server.turn()
		c.turn.client, c.turn.intake = c.client, c.intake
	}
	return c.turn.in.room()
}

// GiveBack takes it back.
func (c *connection) GiveBack() {
	t := c.turn
	if t == nil {
		return
	}
	c.turn, t.client, t.intake = nil, nil, nil
	t.in.clear()
	// Lighten gives up a turn's memory, and BoundHeads leaves turns behind.
	if t.in.buf != nil && t.among == c.server.turns.Load() {
		t.among.idle.Put(t)
	}
}

// turn takes a turn that nobody uses, or makes one.
func (s *Server) turn() *Turn {
	among := s.turns.Load()
	if t, ok := among.idle.Get().(*Turn); ok {
		return t
	}
	t := newTurn(&among.settings)
	t.among, t.handler = among, s.newHandler(t)
	return t
}
