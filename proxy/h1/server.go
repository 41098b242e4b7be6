package h1

import (
	"sync"

	"gopher-equalizer/proxy/netconn"
)

// Server serves clients' connections.
type Server struct {
	settings   Settings
	newHandler func(*Turn) Handler
	turns      sync.Pool
}

// NewServer makes a server. newHandler makes what serves the requests of a Turn.
func NewServer(s Settings, newHandler func(*Turn) Handler) *Server {
	return &Server{settings: s, newHandler: newHandler}
}

// Serve serves a connection until one side has enough of it, and closes it.
func (s *Server) Serve(c *netconn.Client) { c.Serve(&connection{client: c, server: s}) }

// connection is a client's connection and the requests that come on it, one after the other. While
// none has come it holds no memory but its own. It is the connection's netconn.Handler.
type connection struct {
	client *netconn.Client
	server *Server
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
		c.turn.client = c.client
	}
	return c.turn.in.room()
}

// GiveBack takes it back.
func (c *connection) GiveBack() {
	t := c.turn
	if t == nil {
		return
	}
	c.turn, t.client = nil, nil
	t.in.clear()
	if t.in.buf != nil { // Else Lighten has given its memory up.
		c.server.turns.Put(t)
	}
}

// turn takes a turn that nobody uses, or makes one.
func (s *Server) turn() *Turn {
	if t, ok := s.turns.Get().(*Turn); ok {
		return t
	}
	t := newTurn(&s.settings)
	t.handler = s.newHandler(t)
	return t
}
