package h1

import "time"

// Turn is a request on a client's connection, and the way back. It is pooled: what it holds in
// memory serves the next request, of another connection.
type Turn struct {
	line
	incoming
	outgoing
	handler Handler
	// among are those that the turn goes back to.
	among *turns
	// begun reports that the first bytes of the request are here.
	begun bool
}

func newTurn(s *Settings) *Turn {
	t := &Turn{}
	t.incoming.init(&t.line, s)
	t.outgoing.init(&t.line, s, &t.incoming)
	return t
}

// arrived looks at what is here of a request, and reports whether it can be served without reading
// from the client.
func (t *Turn) arrived() bool {
	if t.in.skipEmptyLines(); t.in.size() == 0 {
		return false
	}
	t.begin()
	return t.look()
}

// begin begins a request, unless it has begun.
func (t *Turn) begin() {
	if !t.begun {
		t.begun = true
		t.handler.Begin()
	}
}

// serve has the request served whose first bytes are here. It reports whether another one may
// follow on the connection.
func (t *Turn) serve() (more bool) {
	t.begin()
	t.handler.Handle()
	more = !t.last && t.skip() && t.client.Next()
	if !more && t.leavesUnread() {
		t.client.LeaveUnread()
	}
	t.begun = false
	t.incoming.reset()
	t.outgoing.reset()
	return more
}

// Waited is 0: each request runs when it has come.
func (t *Turn) Waited() time.Duration { return 0 }

// Lighten gives up all large buffers: a tunnel may be open for days. What will be logged is copied.
// Nothing more can be read or sent over the turn.
func (t *Turn) Lighten() {
	t.incoming.lighten()
	t.outgoing.shrink()
}
