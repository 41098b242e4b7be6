package h1

import (
	"cmp"
	"slices"

	"gopher-equalizer/proxy/http1"
	"gopher-equalizer/proxy/netconn"
	"gopher-equalizer/proxy/rewrite"
)

// Turn is a request on a client's connection, and the way back. It is pooled: what it holds in
// memory serves the next request, of another connection.
type Turn struct {
	*netconn.Client
	server  *Server
	handler Handler
	in      inbox
	request request
	body    body
	reply   reply
}

// request is the head of a request.
type request struct {
	// begun reports that its first bytes are here, complete that all of the request is, and that it
	// can be served without reading from the client.
	begun, complete bool
	// raw is the head as it came; nil before it has. err is why it is not acceptable.
	raw  []byte
	err  error
	head http1.Request
}

// arrived looks at what is here of a request, and reports whether it can be served without reading
// from the client.
func (t *Turn) arrived() bool {
	if t.in.skipEmptyLines(); t.in.size() == 0 {
		return false
	}
	t.begin()
	t.look()
	return t.request.complete
}

// begin begins a request, unless it has begun.
func (t *Turn) begin() {
	if !t.request.begun {
		t.request.begun = true
		t.handler.Begin()
	}
}

// look parses the head if it is here.
func (t *Turn) look() {
	defer t.server.Contain(&t.request.err)
	if raw := t.in.takeHead(t.server.MaxHeader); raw != nil {
		t.request.parse(raw)
		h := &t.request.head
		t.request.complete = t.request.err == nil && h.Size == http1.SizeNone && !h.Expect && !rewrite.PassesUpgrade(h)
	}
}

func (r *request) parse(raw []byte) {
	r.raw = raw
	if why := r.head.Parse(raw); why != nil {
		why.See(raw)
		r.err = why
	}
}

// serve has the request served whose first bytes are here. It reports whether another one may
// follow on the connection.
func (t *Turn) serve() (more bool) {
	t.begin()
	t.handler.Handle()
	more = !t.reply.last && t.skipBody() && t.Next()
	if !more && t.leavesUnread() {
		t.LeaveUnread()
	}
	t.reset()
	return more
}

// leavesUnread reports whether the client sends more than will be read: the rest of its body, or
// requests behind the last one.
func (t *Turn) leavesUnread() bool {
	return !t.body.Complete() || t.in.size() > 0 || t.HasMore()
}

// ReadHead reads the head. With an error it returns what could be read of it, nil if that is
// nothing. The error is a *http1.Refusal, what Settings.Contain has made of a panic, or what
// reading failed with.
func (t *Turn) ReadHead() (*http1.Request, error) {
	r := &t.request
	if r.raw == nil && r.err == nil {
		raw, err := t.in.readHead(t.Client, t.server.MaxHeader)
		if err != nil {
			return nil, cmp.Or(t.Err(), err)
		}
		r.parse(raw)
	}
	switch {
	case r.err == nil:
		t.Body(r.head.Expect)
		t.body.begin(&r.head)
		if !r.head.KeepAlive {
			t.Last()
		}
	case r.head.Version == nil:
		return nil, r.err
	}
	return &r.head, r.err
}

// Offset is how many bytes of the request were read, its head and the data of its body.
func (t *Turn) Offset() int { return len(t.request.raw) + int(t.body.read) }

// Link is the client's connection.
func (t *Turn) Link() *netconn.Client { return t.Client }

// reset forgets the request, but keeps what came behind it.
func (t *Turn) reset() {
	t.request.begun, t.request.complete = false, false
	t.request.raw, t.request.err = nil, nil
	t.request.head.Reset()
	t.body.reset()
	t.reply.reset()
}

// Lighten gives up all large buffers: a tunnel may be open for days. What will be logged is copied.
// Nothing more can be read or sent by way of the turn.
func (t *Turn) Lighten() {
	t.request.raw = slices.Clone(t.request.raw)
	_ = t.request.head.Parse(t.request.raw)
	t.reply.shrink()
	t.in.buf = nil
}
