package netconn

import (
	"cmp"
	"sync/atomic"
	"time"
)

// Handler serves the requests of one client. It lends the memory for the first bytes of a request.
// GiveBack is called when no bytes came after all, and when the connection rests or ends.
type Handler interface {
	Lender
	// Arrived is called when n bytes have come and no request had begun. It runs within the wait
	// for them, so it must neither Read nor Close. It serves the requests that are complete, and
	// returns what the connection needs next.
	Arrived(n int) Verdict
	// Attend is called outside of the wait, after a verdict of Attend. It serves a request and may
	// read the rest of it.
	Attend() Verdict
}

// Verdict is what a connection needs next.
type Verdict uint8

const (
	// Wait for the next request: all that came was served.
	Wait Verdict = iota
	// Ignore what came: it is no request. The wait goes on, and so does its timeout.
	Ignore
	// Attend to a request outside of the wait: more of it has to be read.
	Attend
	// End the connection: no request may follow.
	End
	// WentOn: another goroutine has the connection, after Client.GoOn.
	WentOn
	// rest: wait on in another goroutine.
	rest
)

// wait is the state of a client's waits for requests.
type wait struct {
	handler Handler
	// arrived is Client.arrivedInWait. It is made once, since a method value is an allocation.
	arrived func(n int) (wait bool)
	// due is when the wait for a request is overdue; 0 before it begins.
	due int64
	// endless counts the waits that are never overdue, so that each has a due of its own.
	endless int64
	// verdict is what the connection needs next.
	verdict Verdict
	// served reports whether a request was served.
	served bool
}

// Serve waits for requests, has h serve them, and closes the connection when no more may follow. It
// may return earlier, and the connection go on in another goroutine. Open comes before it.
func (c *Client) Serve(h Handler) {
	c.wait.handler = h
	if c.secured.isOver() {
		c.wait.verdict = End
	}
	c.serve()
}

// HandOver has another handler serve the connection from now on, beginning with what has come. A
// handler that has found out that the requests aren't for it calls it from Attend, and returns the
// verdict.
func (c *Client) HandOver(h Handler, came []byte) Verdict {
	if several, ok := h.(Several); ok {
		c.become(several)
	}
	c.wait.handler = h
	n := copy(h.Lend(), came)
	return c.arrived(n)
}

// Dismiss closes a connection that Open has failed on. If the client has sent something that isn't
// TLS, it may be told a farewell in clear. What else it sends isn't read.
func (c *Client) Dismiss(farewell []byte) {
	if len(farewell) > 0 {
		c.layer = cleartext{&c.Conn}
		_, _ = c.Write(farewell) // A client that is gone has no use for it.
		c.LeaveUnread()
	}
	_ = c.Close()
}

// Open reads the preface and makes the TLS handshake, within the time that the first request has.
// Serve comes next, or Dismiss after an error: a *PrefaceError, or that of the handshake. If the
// client has sent something that isn't TLS, it is in a tls.RecordHeaderError.
func (c *Client) Open() error {
	err := c.open()
	if err != nil {
		c.Admitted() // No request comes of it that a stop would have to wait for.
	}
	return err
}

func (c *Client) open() error {
	c.phase, c.headDue = inHead, c.waitDue()
	defer func() { c.phase = inWait }()
	if err := c.readPreface(); err != nil {
		return err
	}
	if s, ok := c.layer.(*secure); ok {
		return c.shake(s)
	}
	return nil
}

// shake makes the TLS handshake, when its turn has come.
func (c *Client) shake(s *secure) error {
	shaking := &shaking{due: c.headDue, evicted: make(chan struct{})}
	c.shaking.Store(shaking)
	defer c.shaking.Store(nil)
	if c.stage.Load() == leaving {
		return ErrTimeout // It was evicted before it could be woken.
	}
	done, err := c.all.shakes.begin(c.peer, shaking, c.headLeft())
	if err != nil {
		return err
	}
	defer done()
	turn := &computing{turns: &c.all.shakes.computing, left: c.headLeft, evicted: shaking.evicted}
	s.carrier.computing = turn
	// A handshake needs a large stack, and this goroutine will wait for requests with what it has.
	opened := make(chan error, 1)
	go func() { opened <- s.open() }()
	err = <-opened
	turn.rest()
	s.carrier.computing = nil
	switch {
	case err == nil:
		c.secured = s.agreed()
		s.slim()
		return nil
	case err == ErrTimeout:
	case s.carrier.records.none():
		return ErrNothingSent
	case s.carrier.told:
		// What the client sent behind its handshake, in TLS 1.3 perhaps a request, is never read. A
		// reset because of it would take away the alert that says why.
		c.LeaveUnread()
	}
	return cmp.Or(turn.reason, err)
}

// headLeft is how long the handshake may still take; 0 is for ever.
func (c *Client) headLeft() time.Duration {
	if c.limits.Load().Header == 0 {
		return 0
	}
	return time.Duration(max(1, c.headDue-c.now()))
}

// serve is the loop of Serve. After a long wait it goes on in a new goroutine: one that has served
// requests has a stack of 4 KB or more, which Go doesn't shrink, and a new one has 2 KB.
func (c *Client) serve() {
	w := &c.wait
	for w.verdict != End && w.verdict != rest {
		if w.verdict != Attend {
			w.verdict = c.await()
			continue
		}
		v := w.handler.Attend()
		if v == WentOn {
			return
		}
		w.verdict = v
	}
	w.handler.GiveBack()
	if w.verdict == rest {
		w.verdict = Wait
		if s, ok := c.layer.(*secure); ok {
			s.slim()
		}
		go c.serve()
		return
	}
	_ = c.Close() // The client is gone, or has its response.
}

// await waits for a request. It returns the handler's verdict, or Wait if the wait was woken. A
// client that sends nothing in time gets no response, so a timeout is just an end.
func (c *Client) await() Verdict {
	switch {
	case c.several != nil:
		return c.awaitSeveral()
	case c.mustLeave():
		return c.lastAwait()
	}
	_, err := c.readEach(c.wait.handler, c.wait.arrived)
	switch {
	case err == nil:
		return c.wait.verdict
	case err != errWoken:
		return End
	case c.looked.rest.Swap(false):
		return rest
	}
	return Wait
}

// mustLeave reports whether the connection should end instead of waiting for a request.
func (c *Client) mustLeave() bool { return c.all.closing.Load() || c.stage.Load() == leaving }

// waitDue is when the current wait for a request is overdue. A wait begins if there is none.
func (c *Client) waitDue() int64 {
	w := &c.wait
	switch {
	case c.several != nil:
		w.endless++
		return unlimited - w.endless
	case w.due != 0:
		return w.due
	}
	limits := c.limits.Load()
	limit := limits.Header
	if w.served {
		limit = limits.Idle
	}
	if w.due = c.in(limit); w.due == 0 {
		w.endless++
		w.due = unlimited - w.endless
	}
	return w.due
}

// arrivedInWait is called from within a Read of the link. It reports whether that Read should wait
// for more.
func (c *Client) arrivedInWait(n int) (wait bool) {
	c.reading.due.Store(0)
	if c.arrived(n) != Wait || c.several == nil && c.mustLeave() {
		return false
	}
	c.beginRead(c.waitDue())
	return true
}

// arrived hands n bytes to the handler.
func (c *Client) arrived(n int) Verdict {
	if c.several == nil {
		c.Begin()
	}
	v := c.wait.handler.Arrived(n)
	if v == Ignore {
		c.ignore()
	}
	c.wait.verdict = v
	return v
}

// ignore undoes Begin.
func (c *Client) ignore() {
	c.phase = inWait
	c.backToWait(c.wait.served)
}

const (
	// firstRequestGrace is how long after its connect a client may send its first request although
	// the registry is closing: a client that has just connected is about to send one.
	firstRequestGrace = time.Second
	// nextRequestGrace is how long a client may take to send a later one, which may be on its way.
	nextRequestGrace = 5 * time.Millisecond
)

// lastAwait waits for a request that may be on its way before the connection closes. It sets a real
// deadline, since ticks are too coarse for it.
func (c *Client) lastAwait() Verdict {
	end := time.Now().Add(nextRequestGrace)
	if first := c.connected.Add(firstRequestGrace); !c.wait.served && first.After(end) {
		end = first
	}
	// The deadline is set before closed is read: a wake-up follows closed, and the deadline would
	// undo it.
	for time.Now().Before(end) && c.link.SetReadDeadline(end) == nil && !c.all.closed.Load() {
		n, err := c.readLent(c.wait.handler)
		switch {
		case err == nil && c.link.SetReadDeadline(never) == nil:
			return c.arrived(n)
		case err != errWoken:
			return End
		}
	}
	return c.lastLook()
}

// lastLook serves what came before lastAwait's time was over. On a busy machine this goroutine may
// not have run in all that time.
func (c *Client) lastLook() Verdict {
	if c.all.closed.Load() || !c.HasMore() || c.link.SetReadDeadline(never) != nil {
		return End
	}
	n, err := c.readLent(c.wait.handler)
	if err != nil {
		return End
	}
	return c.arrived(n)
}

// looked is what ticks found out about a client's Reads.
type looked struct {
	// forEnd is the due of the last Read for which a tick looked whether the client had ended, and
	// forRest that of the last one that a tick ended to let the connection rest. The registry's mu
	// guards both.
	forEnd, forRest int64
	// rest tells the connection to rest.
	rest atomic.Bool
}

// stuck wakes a client's Read for two reasons: an end that it may have missed, and a wait that has
// become long.
func (c *Client) stuck(due int64, ticks int) (wake bool) {
	return c.missedEnd(due) || c.restsNow(due, ticks)
}

// missedEnd reports whether the client has ended its side: see readEach. It looks once for each
// wait.
func (c *Client) missedEnd(due int64) bool {
	if due == c.looked.forEnd {
		return false
	}
	c.looked.forEnd = due
	return c.Ended()
}

const (
	// restTicks is how many ticks a wait takes to count as long.
	restTicks = 8
	// restsPerTick is how many connections may rest in one tick.
	restsPerTick = 1024
)

// restsNow reports whether the client has waited long for its next request, once for each wait.
func (c *Client) restsNow(due int64, ticks int) bool {
	if ticks < restTicks || c.stage.Load() != kept || due == c.looked.forRest || !c.all.rests.allow(c.now()) {
		return false
	}
	c.looked.forRest = due
	c.looked.rest.Store(true)
	return true
}

// rests counts the connections that rest in one tick. The registry's mu guards it.
type rests struct {
	tick int64
	n    int
}

// allow reports whether another connection may rest in the tick of that time.
func (r *rests) allow(tick int64) bool {
	if tick != r.tick {
		r.tick, r.n = tick, 0
	}
	r.n++
	return r.n <= restsPerTick
}
