package h2

import (
	"net/netip"
	"sync"
	"time"

	"gopher-equalizer/proxy/h1"
	"gopher-equalizer/proxy/netconn"
)

// Turn is a request on a stream of a client's connection, and the way back. It is pooled: what it
// holds in memory serves the next request, of another stream. One goroutine may use it, and another
// one read the body.
type Turn struct {
	incoming
	outgoing
	handler  Handler
	settings *Settings
	// stream and conn are what it serves; nil between two requests.
	stream  *stream
	conn    *connection
	awaiter netconn.Awaiter
	// waited is for how long the stream waited to run.
	waited time.Duration
}

func newTurn(s *Settings) *Turn {
	t := &Turn{settings: s}
	t.readable.ready, t.writable.ready = make(chan struct{}, 1), make(chan struct{}, 1)
	return t
}

// begin has the turn serve a stream.
func (t *Turn) begin(s *stream) {
	t.stream, t.conn = s, s.conn
	limits := t.conn.client.Limits()
	t.sends, t.takes = limits.Pace(), limits.Pace()
	t.readable.reset()
	t.writable.reset()
	t.awaiter.Return()
	t.waited = 0
	if !s.waits.IsZero() {
		t.waited = time.Since(s.waits)
	}
	t.conn.mu.Lock()
	defer t.conn.mu.Unlock()
	s.turn = t
	if s.broken != nil {
		t.awaiter.Leave()
	}
}

// end ends the stream, and forgets the request.
func (t *Turn) end() {
	c, s := t.conn, t.stream
	idle := c.end(s)
	t.resetIncoming()
	t.resetOutgoing()
	t.stream, t.conn = nil, nil
	s.discard()
	if idle {
		c.client.MakeRoom()
	}
}

// Peer is the address of who connected, unmapped; the zero Addr if it isn't an IP address.
func (t *Turn) Peer() netip.Addr { return t.conn.client.Peer() }

// Waited is for how long the request has waited since its head had come, while others ran.
func (t *Turn) Waited() time.Duration { return t.waited }

// Intake is what Server.Serve was given with the connection.
func (t *Turn) Intake() any { return t.conn.intake }

// Secured is what TLS agreed on with the client; nil if it speaks in clear.
func (t *Turn) Secured() *netconn.Secured { return t.conn.client.Secured() }

// Awaiter is who waits for the response. It leaves with the stream.
func (t *Turn) Awaiter() *netconn.Awaiter { return &t.awaiter }

// Link is nil: no stream has the connection for itself.
func (t *Turn) Link() *h1.Link { return nil }

// Behind is nil: what comes behind the request is other streams'.
func (t *Turn) Behind() []byte { return nil }

// Lighten means nothing: without a Link there is no tunnel for which memory could be given up.
func (t *Turn) Lighten() {}

// Admitted notes that the request can spend no token any more.
func (t *Turn) Admitted() {
	c, s := t.conn, t.stream
	c.mu.Lock()
	defer c.mu.Unlock()
	if s.asks {
		s.asks = false
		c.asking--
		c.settle()
	}
}

// Lasts notes that the response may go on for days.
func (t *Turn) Lasts() {
	c, s := t.conn, t.stream
	c.mu.Lock()
	defer c.mu.Unlock()
	s.lasts = true
	if c.client.CutsLasting() {
		c.cut(s)
		c.flush()
	}
}

// WasCut reports whether we ended the stream, or its connection.
func (t *Turn) WasCut() bool {
	t.conn.mu.Lock()
	defer t.conn.mu.Unlock()
	return t.stream.wasCut || t.conn.client.WasCut()
}

// waiting is a goroutine that waits for something, until a moment. The connection's mu guards it.
type waiting struct {
	ready chan struct{}
	// due is when it has waited long enough; 0 is never.
	due int64
}

func (w *waiting) reset() {
	w.due = 0
	select {
	case <-w.ready:
	default:
	}
}

// wait waits until wake, or until due. It may return earlier. The caller holds mu, which it hasn't
// meanwhile.
func (w *waiting) wait(mu *sync.Mutex, due int64) {
	w.due = due
	mu.Unlock()
	<-w.ready
	mu.Lock()
	w.due = 0
}

func (w *waiting) wake() {
	select {
	case w.ready <- struct{}{}:
	default:
	}
}

// tick wakes what has waited long enough.
func (w *waiting) tick(now int64) {
	if w.due != 0 && w.due <= now {
		w.wake()
	}
}
