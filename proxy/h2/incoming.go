package h2

import (
	"time"

	"gopher-equalizer/proxy/http1"
	"gopher-equalizer/proxy/netconn"
)

// incoming is a request on its way in.
type incoming struct {
	head http1.Request
	// err is why the head is not acceptable.
	err error
	// taken is the part of the body that TakeBody has lent.
	taken *chunk
	// read is how many bytes of the body were read, complete reports whether that is all of it, and
	// trailers are the fields behind it.
	read     int64
	complete bool
	trailers []http1.Field
	// readable has the turn go on when more has come, and sends is the least rate at which that
	// must come.
	readable waiting
	sends    netconn.Pace
	owing    owing
	// interrupted makes the reading of the body fail.
	interrupted bool
}

// owing is whether the client owes bytes of the body.
type owing uint8

const (
	// notYet: it waits for a 100 before it sends them.
	notYet owing = iota
	owes
	// forgiven: the response has begun, and perhaps nobody waits for the rest of the body.
	forgiven
)

func (t *Turn) resetIncoming() {
	t.giveBackTaken()
	t.head.Reset()
	t.err = nil
	t.read, t.complete, t.trailers = 0, false, nil
	t.owing, t.interrupted = notYet, false
}

func (t *Turn) giveBackTaken() {
	if t.taken != nil {
		t.taken.giveBack()
		t.taken = nil
	}
}

// ReadHead reads the head. With an error it returns what could be read of it, nil if that is
// nothing. The error is a *http1.Refusal, what Settings.Contain has made of a panic, or why the
// stream has ended meanwhile.
func (t *Turn) ReadHead() (*http1.Request, error) {
	t.parse()
	c, s := t.conn, t.stream
	c.mu.Lock()
	defer c.mu.Unlock()
	if t.err == nil {
		t.err = s.broken
	}
	if !t.head.Expect {
		t.owing = owes
	}
	t.complete = s.endedIn && s.came == 0 && s.fields == nil
	if t.head.Method == nil && t.err != nil {
		return nil, t.err
	}
	return &t.head, t.err
}

func (t *Turn) parse() {
	defer t.settings.Contain(&t.err)
	if t.err = t.stream.headErr; t.err != nil {
		return
	}
	text := t.stream.text()
	if why := t.head.Parse(text); why != nil {
		why.See(text)
		t.err = why
	}
	t.head.Version = version
}

// version is HTTP/2's, in the form of HTTP/1's: for logs, and for Via.
var version = []byte("HTTP/2.0")

// Offset is how many bytes of the request were read, its head as text and its body.
func (t *Turn) Offset() int { return t.stream.textLen + int(t.read) }

// Complete reports whether all of the body was read. What comes doesn't change it: reading does.
func (t *Turn) Complete() bool { return t.complete }

// Trailers are the fields behind the body, once it is complete; nil if there are none.
func (t *Turn) Trailers() []http1.Field { return t.trailers }

// TakeBody takes some of what has come of the body. It stays good until more is read.
func (t *Turn) TakeBody() (data []byte, err error) {
	t.giveBackTaken()
	c, s := t.conn, t.stream
	c.mu.Lock()
	defer c.mu.Unlock()
	if s.broken != nil {
		return nil, s.broken
	}
	if t.taken = s.in.take(); t.taken != nil {
		data = t.taken.bytes()
	}
	t.consumed(len(data))
	return data, nil
}

// AwaitBody waits for more of the body, for TakeBody to take.
func (t *Turn) AwaitBody() error {
	_, err := t.await(0)
	return err
}

// AwaitBodyUntil is AwaitBody up to a moment, as Soon returns it, and reports whether any came.
func (t *Turn) AwaitBodyUntil(moment int64) (came bool, err error) { return t.await(moment) }

// Soon is the moment that is so far from now, for AwaitBodyUntil.
func (t *Turn) Soon(d time.Duration) int64 { return t.conn.client.Soon(d) }

func (t *Turn) await(moment int64) (came bool, err error) {
	t.conn.mu.Lock()
	defer t.conn.mu.Unlock()
	return t.awaitBody(moment)
}

// ReadBody waits for some of the body: n bytes of data in p. The body may be complete then.
func (t *Turn) ReadBody(p []byte) (n int, err error) {
	c, s := t.conn, t.stream
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, err := t.awaitBody(0); err != nil {
		return 0, err
	}
	n = s.in.read(p)
	t.consumed(n)
	return n, nil
}

// consumed notes that data were read, and lets the client send more. The caller holds mu, which it
// hasn't in between.
func (t *Turn) consumed(n int) {
	t.read += int64(n)
	if s := t.stream; s.endedIn && s.short == nil && s.in.size == 0 {
		t.complete, t.trailers = true, s.fields
	}
	if t.owing == owes {
		t.sends.Waited(0, n)
	}
	t.conn.unsay(t.stream, n)
	t.conn.flush()
}

// awaitBody waits for more of the body, or its end, up to a moment if that isn't 0. The caller
// holds mu, which it hasn't in between.
func (t *Turn) awaitBody(moment int64) (came bool, err error) {
	c, s := t.conn, t.stream
	idle := int64(0)
	for s.broken == nil && s.in.size == 0 && !s.endedIn {
		if t.interrupted {
			return false, netconn.ErrInterrupted
		}
		if idle == 0 {
			idle = c.client.Due(c.client.Limits().Read)
		}
		due, paced := soonest(idle, moment), moment == 0 && t.sends.Holds() && t.owing == owes
		if paced {
			due = soonest(idle, c.client.Due(max(t.sends.Left(), 1)))
		}
		begin := c.client.Now()
		t.readable.wait(&c.mu, due)
		now := c.client.Now()
		if paced {
			t.sends.Waited(time.Duration(now-begin), 0)
		}
		switch {
		case s.in.size > 0 || s.endedIn || s.broken != nil:
		case idle != 0 && idle <= now:
			return false, netconn.ErrTimeout
		case moment != 0 && moment <= now:
			return false, nil
		case paced && t.owing == owes && t.sends.Left() <= 0:
			return false, netconn.ErrTooSlow
		}
	}
	if t.owing == notYet && s.in.size > 0 {
		t.owing = owes // It doesn't wait for the 100.
	}
	if s.broken == nil && s.short != nil && s.in.size == 0 {
		return false, s.short
	}
	return s.broken == nil, s.broken
}

// Interrupt makes the reading of the body that runs now fail with netconn.ErrInterrupted, and all
// that begins later, until Resume.
func (t *Turn) Interrupt() { t.interrupt(true) }

// Resume ends Interrupt.
func (t *Turn) Resume() { t.interrupt(false) }

func (t *Turn) interrupt(is bool) {
	t.conn.mu.Lock()
	defer t.conn.mu.Unlock()
	t.interrupted = is
	t.readable.wake()
}

// owe notes that the client was told to send the body that it waits to send, and forgive that the
// response has begun, so that no least rate holds for the rest of the body.
func (t *Turn) owe() {
	if t.owing == notYet {
		t.owing = owes
		t.readable.wake()
	}
}

func (t *Turn) forgive() {
	t.conn.mu.Lock()
	defer t.conn.mu.Unlock()
	t.owing = forgiven
}
