package netconn

import (
	"errors"
	"os"
	"time"
)

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

// Serve waits for requests, has h serve them, and closes the connection when no more follow. It
// may return while the connection goes on in another goroutine: one that has served requests has a
// stack of 4 KB or more, and a new one 2 KB, so a connection changes over in a long wait.
func (c *Client) Serve(h Handler) {
	c.handler = h
	for c.verdict != End && c.verdict != rest {
		if c.verdict == Attend {
			c.verdict = h.Attend()
		} else {
			c.verdict = c.await()
		}
	}
	h.GiveBack()
	if c.verdict == rest {
		c.verdict = Wait
		go c.Serve(h)
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
	c.expect()
	n, err := c.link.readEach(c.handler, c.used)
	switch _, err = c.endRead(n, err, c.due); {
	case err == nil:
		return c.verdict
	case err != errWoken:
		return End
	case c.rested.Swap(false):
		return rest
	}
	return Wait
}

// mustLeave reports whether the connection is to end instead of waiting for a request.
func (c *Client) mustLeave() bool { return c.registry.closing.Load() || c.stage.Load() == leaving }

// expect notes that the wait for a request begins, or goes on.
func (c *Client) expect() {
	if c.due == 0 {
		c.due = c.patience()
	}
	c.beginRead(c.due)
}

// patience is when a wait for a request that begins now will be overdue.
func (c *Client) patience() (due int64) {
	limit := c.all.limits.Header
	if c.served {
		limit = c.all.limits.Idle
	}
	if due = c.in(limit); due == 0 {
		c.endless++
		due = waits - c.endless
	}
	return due
}

// arrivedInWait is called from within a Read of the link, which goes on while it returns true.
func (c *Client) arrivedInWait(n int) (wait bool) {
	c.readDue.Store(0)
	if c.arrived(n) != Wait || c.mustLeave() {
		return false
	}
	c.expect()
	return true
}

// arrived has the handler see the n bytes that have come.
func (c *Client) arrived(n int) Verdict {
	c.Begin()
	if c.verdict = c.handler.Arrived(n); c.verdict == Ignore {
		c.ignore()
	}
	return c.verdict
}

// ignore takes back that a request has begun.
func (c *Client) ignore() {
	c.phase = awaiting
	if c.served {
		c.stage.Store(kept)
	} else {
		c.stage.Store(fresh)
	}
	c.makeRoom()
}

// lastAwait gives a request that is under way the chance to arrive before the connection closes.
func (c *Client) lastAwait() Verdict {
	end := time.Now().Add(nextRequestGrace)
	if first := c.connected.Add(firstRequestGrace); !c.served && first.After(end) {
		end = first
	}
	for {
		if c.link.SetReadDeadline(end) != nil || c.registry.closed.Load() {
			return End
		}
		n, err := c.link.readLent(c.handler)
		switch {
		case err == nil && c.link.SetReadDeadline(never) == nil:
			return c.arrived(n)
		case errors.Is(err, os.ErrDeadlineExceeded) && time.Now().Before(end):
			continue // CloseIdle woke us, with a deadline before the end.
		}
		return End
	}
}
