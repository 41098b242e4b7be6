package netconn

import (
	"context"
	"sync/atomic"
	"time"
)

// The stages of a client.
const (
	// fresh: it has connected and sent nothing yet.
	fresh int32 = iota
	// kept: it waits between two requests.
	kept
	// leaving: it is to close instead of waiting longer.
	leaving
	// asking: it has sent a part of a request that isn't admitted yet.
	asking
	// admitted: its request was admitted or refused.
	admitted
	// lasting: its request was admitted, and what is relayed may go on for days.
	lasting
)

// stopping is how far Clients have come with stopping.
type stopping struct {
	// closing: connections end instead of waiting for a request. closed: no request begins any
	// more. cutting: what is lasting is cut.
	closing, closed, cutting atomic.Bool
	// changed tells Close to look again.
	changed chan struct{}
}

// Admitted notes that the request was admitted or refused. Close no longer waits for it.
func (c *Client) Admitted() {
	c.stage.Store(admitted)
	if c.all.closing.Load() {
		c.all.lookAgain()
	}
}

// Lasts notes that what is relayed may go on for days, as a tunnel or an event stream does.
// CutLasting ends it.
func (c *Client) Lasts() {
	c.stage.Store(lasting)
	if c.all.cutting.Load() {
		c.breakOff()
	}
}

// backToWait notes that what the client has sent is no request, after one that was served or not.
func (c *Client) backToWait(served bool) {
	if served {
		c.stage.Store(kept)
	} else {
		c.stage.Store(fresh)
	}
	c.makeRoom()
}

// Next reports whether another request may come on the connection. It is called after a response,
// before Idle.
func (c *Client) Next() bool {
	c.stage.Store(kept)
	if c.all.closed.Load() {
		c.Admitted()
		return false
	}
	c.makeRoom()
	return true
}

// Close ends the intake of requests. It closes the connections that wait for one, and returns once
// each request that has begun was admitted or refused. During the grace, heads may go on to arrive
// and clients that have just connected may send theirs; after it, reading a head fails with
// ErrTimeout. The grace is half of the time until ctx ends at most. If ctx ends first, Close
// returns the cause of that.
func (all *Clients) Close(ctx context.Context, grace time.Duration) error {
	if end, ok := ctx.Deadline(); ok {
		grace = min(grace, time.Until(end)/2)
	}
	all.CloseIdle()
	graceful, cancel := context.WithTimeout(ctx, grace)
	defer cancel()
	_ = all.awaitAdmitted(graceful) // What isn't admitted by then is awaited below.
	all.closed.Store(true)
	all.wakeAll()
	// A client whose request was admitted may have begun another one before closed was set.
	return all.awaitAdmitted(ctx)
}

// CloseIdle ends the connections that wait for a request, and the others when their request is
// over. A request whose first byte was read is served.
func (all *Clients) CloseIdle() {
	all.closing.Store(true)
	all.wakeAll()
}

func (all *Clients) wakeAll() {
	all.mu.Lock()
	defer all.mu.Unlock()
	for c := range all.conns {
		c.wakeRead()
	}
}

func (all *Clients) awaitAdmitted(ctx context.Context) error {
	for all.anyAsks() {
		select {
		case <-all.changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// anyAsks reports whether a client has, or may still send, a request that isn't admitted.
func (all *Clients) anyAsks() bool {
	all.mu.Lock()
	defer all.mu.Unlock()
	for c := range all.each() {
		if c.stage.Load() < admitted {
			return true
		}
	}
	return false
}

// CutLasting cuts the connections that are lasting, or become so later. It returns how many it has
// cut now.
func (all *Clients) CutLasting() (n int) {
	all.cutting.Store(true)
	all.mu.Lock()
	defer all.mu.Unlock()
	for c := range all.each() {
		switch {
		case c.several != nil:
			n += c.several.CutLasting()
		case c.stage.Load() == lasting:
			c.breakOff()
			n++
		}
	}
	return n
}

// lookAgain makes Close look whether it is done.
func (s *stopping) lookAgain() {
	select {
	case s.changed <- struct{}{}:
	default:
	}
}
