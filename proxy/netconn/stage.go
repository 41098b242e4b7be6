package netconn

import (
	"context"
	"sync/atomic"
	"time"
)

// How far a client is with a request.
const (
	fresh     int32 = iota // it connected and has sent nothing yet
	kept                   // it waits between two requests
	leaving                // it is told to close instead of waiting longer
	asking                 // it has sent a part of a request that isn't admitted yet
	admitted               // its request was admitted or refused
	lastingly              // and is relayed until one of the two sides has enough
)

// stopping is how far Clients are with their end.
type stopping struct {
	// closing has connections end instead of waiting for a request, closed has none begin any
	// more, and cutting has what lasts be cut.
	closing, closed, cutting atomic.Bool
	// changed has Close look again.
	changed chan struct{}
}

// Admitted notes that the request was admitted or refused: Close doesn't wait for it any longer.
func (c *Client) Admitted() {
	c.stage.Store(admitted)
	if c.all.closing.Load() {
		c.all.lookAgain()
	}
}

// Lasts notes that what is relayed may go on for days, as a tunnel or an event stream does, so
// that CutLasting ends it.
func (c *Client) Lasts() {
	c.stage.Store(lastingly)
	if c.all.cutting.Load() {
		c.breakOff()
	}
}

// Next reports whether another request may come on the connection. It is asked when one was
// answered, before Idle.
func (c *Client) Next() bool {
	c.stage.Store(kept)
	if c.all.closed.Load() {
		c.Admitted()
		return false
	}
	c.makeRoom()
	return true
}

// Close has no more requests come. It closes the connections that wait for one, and returns once
// each request that began was admitted or refused. For so long as grace, heads may arrive and
// clients that have just connected may send theirs; what isn't whole by then fails with
// ErrTimeout. The error is the cause of ctx's end, if that comes first; the grace is half of the
// time that ctx has at most.
func (all *Clients) Close(ctx context.Context, grace time.Duration) error {
	if end, ok := ctx.Deadline(); ok {
		grace = min(grace, time.Until(end)/2)
	}
	all.CloseIdle()
	graceful, cancel := context.WithTimeout(ctx, grace)
	defer cancel()
	_ = all.awaitAdmitted(graceful) // If it isn't so by then, it will be below.
	all.closed.Store(true)
	all.wakeAll()
	// Who was admitted may have come to wait for another request before closed was set.
	return all.awaitAdmitted(ctx)
}

// CloseIdle ends the connections that wait for a request, and from now on each other one when its
// request is over. A request whose first byte was read is served.
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

// CutLasting breaks what lasts, now and from now on, and returns how many connections that were.
func (all *Clients) CutLasting() (n int) {
	all.cutting.Store(true)
	all.mu.Lock()
	defer all.mu.Unlock()
	for c := range all.each() {
		if c.stage.Load() == lastingly {
			c.breakOff()
			n++
		}
	}
	return n
}

// lookAgain has Close look whether it is done.
func (s *stopping) lookAgain() {
	select {
	case s.changed <- struct{}{}:
	default:
	}
}
