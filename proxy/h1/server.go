package h1

import (
	"sync"

	"gopher-equalizer/proxy/netconn"
)

// Settings are what a Server is made of.
type Settings struct {
	// MaxHeader bounds a request's head, in bytes. A longer one is refused with 431, or with 414 if
	// the request line alone is longer.
	MaxHeader int
	// NewHandler makes what serves the requests of a Turn, one after the other.
	NewHandler func(*Turn) Handler
	// Contain is deferred where a request's head is read before its Handler is called. It must
	// recover from a panic, and has err be the error that ReadHead returns.
	Contain func(err *error)
	// WantsClose reports whether connections should end with their request.
	WantsClose func() bool
}

// Handler serves the requests of one Turn.
type Handler interface {
	// Begin is called when the first bytes of a request are here.
	Begin()
	// Handle serves the request. It must respond, or have the connection end by Last.
	Handle()
}

// Server serves clients' connections.
type Server struct {
	Settings
	turns sync.Pool
}

// NewServer makes a server.
func NewServer(s Settings) *Server { return &Server{Settings: s} }

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
	if !c.turn.request.begun { // Old clients send empty lines behind a body.
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
		c.turn.Client = c.client
	}
	return c.turn.in.room()
}

// GiveBack takes it back.
func (c *connection) GiveBack() {
	t := c.turn
	if t == nil {
		return
	}
	c.turn, t.Client = nil, nil
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
	t := &Turn{server: s, in: inbox{buf: make([]byte, s.MaxHeader+inboxSpare)}}
	t.reply.init()
	t.body.reset()
	t.handler = s.NewHandler(t)
	return t
}
