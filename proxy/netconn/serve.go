package netconn

import "time"

// Handler serves the requests of one client. It lends the memory that the first bytes of a request
// are read into, and has it back when no bytes came and when the connection rests or ends.
type Handler interface {
	Lender
	// Arrived is called when n bytes have come and no request had begun. It runs within the wait
	// for them, so it must neither Read nor Close. It may serve each request that is complete, and
	// returns what the connection needs next.
	Arrived(n int) Verdict
	// Attend is called outside of the wait, after a verdict of Attend. It serves a request and may
	// read the rest of it.
	Attend() Verdict
}

// Verdict is what a connection needs next.
type Verdict int

const (
	// Wait is the verdict when all that came was served: the next request is waited for.
	Wait Verdict = iota
	// Ignore is the verdict when what came is no request. The wait goes on, and its time too.
	Ignore
	// Attend is the verdict when a request has begun that is served outside of the wait.
	Attend
	// End is the verdict when no request may follow.
	End
	// rest has the connection wait on in another goroutine.
	rest
)

const (
	// firstRequestGrace is how long after its connect a client may send its first request although
	// the registry is closing: a client that has just connected is about to send one.
	firstRequestGrace = time.Second
	// nextRequestGrace is the same for the next request, for one that is on its way.
	nextRequestGrace = 5 * time.Millisecond
)

// wait is the state of the waits for requests.
type wait struct {
	handler Handler
	// verdict is what the connection needs next.
	verdict Verdict
	// used is Client.arrivedInWait, made once.
	used func(n int) (wait bool)
	// due is when the wait for a request will be overdue; 0 before it begins.
	due int64
	// endless counts the waits that are never overdue, to tell one from the other.
	endless int64
	// served reports that a request was served.
	served bool
}

// Serve waits for requests, has h serve them, and closes the connection when no more follow. It
// may return while the connection goes on in another goroutine.
func (c *Client) Serve(h Handler) {
	c.wait.handler = h
	if c.open() != nil {
		c.wait.verdict = End
	}
	c.serve()
}

// open makes the handshake of TLS in the time that the first request has.
func (c *Client) open() error {
	c.phase, c.headDue = inHead, c.waitDue()
	defer func() { c.phase = inWait }()
	return c.layer.open()
}

// serve is Serve, and goes on in another goroutine after a long wait: one that has served requests
// has a stack of 4 KB or more, and a new one 2 KB.
func (c *Client) serve() {
	w := &c.wait
	for w.verdict != End && w.verdict != rest {
		if w.verdict == Attend {
			w.verdict = w.handler.Attend()
		} else {
			w.verdict = c.await()
		}
	}
	w.handler.GiveBack()
	if w.verdict == rest {
		w.verdict = Wait
		go c.serve()
		return
	}
	_ = c.Close() // The client is gone, or has what it gets.
}

// await waits until bytes come that the handler wants out of the wait for, or until the wait is
// woken. A client that sends nothing gets no response, so a timeout is a plain end.
func (c *Client) await() Verdict {
	if c.mustLeave() {
		return c.lastAwait()
	}
	switch _, err := c.layer.readEach(c.wait.handler, c.wait.used); {
	case err == nil:
		return c.wait.verdict
	case err != errWoken:
		return End
	case c.looked.rest.Swap(false):
		return rest
	}
	return Wait
}

// mustLeave reports whether the connection is to end instead of waiting for a request.
func (c *Client) mustLeave() bool { return c.all.closing.Load() || c.stage.Load() == leaving }

// waitDue is when the wait for a request that begins now, or goes on, will be overdue.
func (c *Client) waitDue() int64 {
	w := &c.wait
	if w.due != 0 {
		return w.due
	}
	limit := c.all.limits.Header
	if w.served {
		limit = c.all.limits.Idle
	}
	if w.due = c.in(limit); w.due == 0 {
		w.endless++
		w.due = waits - w.endless
	}
	return w.due
}

// arrivedInWait is called from within a Read of the link, which goes on while it returns true.
func (c *Client) arrivedInWait(n int) (wait bool) {
	c.reading.due.Store(0)
	if c.arrived(n) != Wait || c.mustLeave() {
		return false
	}
	c.beginRead(c.waitDue())
	return true
}

// arrived has the handler see the n bytes that have come.
func (c *Client) arrived(n int) Verdict {
	c.Begin()
	v := c.wait.handler.Arrived(n)
	if v == Ignore {
		c.ignore()
	}
	c.wait.verdict = v
	return v
}

// ignore takes back that a request has begun.
func (c *Client) ignore() {
	c.phase = inWait
	if c.wait.served {
		c.stage.Store(kept)
	} else {
		c.stage.Store(fresh)
	}
	c.makeRoom()
}

// lastAwait gives a request that is under way the chance to arrive before the connection closes.
// Ticks are too coarse for that, so it sets a deadline.
func (c *Client) lastAwait() Verdict {
	end := time.Now().Add(nextRequestGrace)
	if first := c.connected.Add(firstRequestGrace); !c.wait.served && first.After(end) {
		end = first
	}
	// The deadline comes first: closed is followed by a wake-up, which it would undo.
	for time.Now().Before(end) && c.link.SetReadDeadline(end) == nil && !c.all.closed.Load() {
		n, err := c.layer.readLent(c.wait.handler)
		switch {
		case err == nil && c.link.SetReadDeadline(never) == nil:
			return c.arrived(n)
		case err != errWoken:
			return End
		}
	}
	return End
}
