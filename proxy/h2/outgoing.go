package h2

import (
	"slices"
	"time"

	"github.com/valyala/fasthttp"

	"gopher-equalizer/proxy/h1"
	"gopher-equalizer/proxy/http1"
	"gopher-equalizer/proxy/netconn"
	"gopher-equalizer/proxy/rewrite"
)

// outgoing is a response on its way to the client.
type outgoing struct {
	// text is the head that is sent next.
	text     []byte
	response *rewrite.Response
	// started reports that a part of the response left.
	started bool
	// sent is how many bytes of its body left.
	sent int64
	// writable has the turn go on when it may send more, and takes is the least rate at which the
	// client must have it do so.
	writable waiting
	takes    netconn.Pace
	// stalled is when the client has let nothing worth it pass for too long, and passed how much it
	// has since that was set.
	stalled int64
	passed  int
}

// mostText is how much memory for a head is kept.
const mostText = 32 << 10

func (t *Turn) resetOutgoing() {
	if cap(t.text) > mostText {
		t.text = nil
	}
	t.response, t.started, t.sent, t.stalled = nil, false, 0, 0
}

// Begun reports whether a part of the response has left. Nothing else may be sent in its place.
func (t *Turn) Begun() bool { return t.started }

// Sent is how many bytes of the response's body have left.
func (t *Turn) Sent() int64 { return t.sent }

// Passed means nothing: without a Link, no bytes pass the Turn by.
func (t *Turn) Passed(int64) {}

// Last means nothing: other requests are on streams of their own.
func (t *Turn) Last() {}

// Cut ends the response before its end, so that the client can tell.
func (t *Turn) Cut() { t.abort(InternalError) }

// Abort ends the stream: the client takes no more of it.
func (t *Turn) Abort() { t.abort(Cancel) }

func (t *Turn) abort(code Code) {
	c, s := t.conn, t.stream
	c.mu.Lock()
	defer c.mu.Unlock()
	if s.broken == nil && !s.endedOut {
		c.reset(s, code, errCut)
		c.flush()
	}
}

// Inform sends an interim response.
func (t *Turn) Inform(h *rewrite.Response) (sent bool, err error) {
	c, s := t.conn, t.stream
	t.text = h.AppendHead(t.text[:0])
	c.mu.Lock()
	defer c.mu.Unlock()
	if s.broken != nil {
		return false, s.broken
	}
	c.sendHead(s, t.text, false)
	if h.Received.Status == fasthttp.StatusContinue {
		t.owe()
	}
	c.flush()
	return true, nil
}

// Respond sends the head of a final response, and the first part of its body. The head must stay as
// it is until the response has ended.
func (t *Turn) Respond(h *rewrite.Response, first []byte, last bool, trailers []http1.Field) error {
	t.response = h
	t.text = h.AppendHead(t.text[:0])
	if t.head.HasBody() {
		t.forgive() // Maybe nobody waits for the rest of it.
	}
	return t.send(true, first, last, trailers)
}

// WriteBody sends another part of the body.
func (t *Turn) WriteBody(p h1.Piece) error { return t.send(false, p.Data(), p.Last, p.Trailers) }

// Reply sends a response of our own. The request's body, as far as it hasn't come, won't be read by
// anybody.
func (t *Turn) Reply(own *rewrite.Reply) error {
	t.Admitted()
	t.text = own.AppendHead(t.text[:0])
	data := own.Body
	if t.head.IsHead() {
		data = nil
	}
	return t.send(true, data, true, nil)
}

// send sends a response's head, which is in text, if that comes first, and a part of its body.
func (t *Turn) send(head bool, data []byte, last bool, trailers []http1.Field) error {
	c, s := t.conn, t.stream
	c.mu.Lock()
	defer c.mu.Unlock()
	if s.broken != nil {
		return s.broken
	}
	trailed := last && slices.ContainsFunc(trailers, t.passesTrailer)
	if head {
		t.started = true
		c.sendHead(s, t.text, last && len(data) == 0 && !trailed)
	}
	if len(data) > 0 || !head && last && !trailed {
		if err := t.sendData(data, last && !trailed); err != nil {
			return err
		}
	}
	if trailed {
		c.sendTrailers(s, trailers, t.passesTrailer)
	}
	if last {
		c.endOut(s)
	}
	c.flush()
	return nil
}

func (t *Turn) passesTrailer(f http1.Field) bool { return t.response.PassesTrailer(f) }

// sendData sends data, as fast as the client's windows allow. The caller holds mu, which it hasn't
// in between.
func (t *Turn) sendData(data []byte, last bool) error {
	c, s := t.conn, t.stream
	for {
		n := 0
		if len(data) > 0 { // The end alone needs no window.
			n = min(len(data), s.sendWindow, c.sendWindow, c.mostFrame, c.out.room())
			if n <= 0 || !t.isNext() {
				if err := t.awaitWindow(); err != nil {
					return err
				}
				continue
			}
		}
		c.sendFrame(s, data[:n], last && n == len(data))
		c.grant()
		t.progress(n)
		if data = data[n:]; len(data) == 0 {
			return nil
		}
	}
}

// isNext reports whether no other turn is to send before this one.
func (t *Turn) isNext() bool {
	o := &t.conn.out
	if o.granted == t {
		o.granted = nil
		return true
	}
	return o.granted == nil && len(o.waiting) == 0
}

// awaitWindow waits until more may be sent: for the stream's window, or else in the queue of those
// that wait for room and for the connection's. The caller holds mu, which it hasn't in between.
func (t *Turn) awaitWindow() (err error) {
	c, s := t.conn, t.stream
	c.forsake(t)
	queues := s.sendWindow > 0
	if queues {
		c.out.waiting = append(c.out.waiting, t)
		c.grant()
	}
	c.flush()
	for err == nil && !(queues && c.out.granted == t || !queues && s.sendWindow > 0) {
		if err = s.broken; err == nil {
			err = t.awaitGrant(!queues || c.sendWindow <= 0)
		}
	}
	if err != nil {
		c.forsake(t)
	}
	return err
}

// awaitGrant waits once. If it is the client that is waited for, not the writer, it fails once that
// takes too long.
func (t *Turn) awaitGrant(forClient bool) error {
	c := t.conn
	if !forClient {
		t.writable.wait(&c.mu, 0)
		return nil
	}
	c.handOn() // So that whoever opens the window is heard.
	begin := c.client.Now()
	t.writable.wait(&c.mu, t.takesDue())
	t.takes.Waited(time.Duration(c.client.Now()-begin), 0)
	switch now := c.client.Now(); {
	case t.stalled != 0 && t.stalled <= now:
		return netconn.ErrTimeout
	case t.takes.Holds() && t.takes.Left() <= 0:
		return netconn.ErrTooSlow
	}
	return nil
}

// leastProgress is how much a client must let pass for it to count: one that opens its window by a
// byte at a time has us wait for ever.
const leastProgress = 1 << 10

// takesDue is when a client that lets nothing pass is overdue.
func (t *Turn) takesDue() int64 {
	c := t.conn
	if t.stalled == 0 {
		t.stalled, t.passed = c.client.Due(c.client.Limits().Write), 0
	}
	due := t.stalled
	if t.takes.Holds() {
		due = soonest(due, c.client.Due(max(t.takes.Left(), 1)))
	}
	return due
}

// progress notes that n bytes of data were sent.
func (t *Turn) progress(n int) {
	t.sent += int64(n)
	t.takes.Passed(n)
	if t.passed += n; t.passed >= leastProgress {
		t.stalled = 0
	}
}

// soonest is the earlier of two moments, where 0 is never.
func soonest(a, b int64) int64 {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}
