package netconn

import "sync/atomic"

const (
	// restTicks is after how many ticks a client's wait is long.
	restTicks = 8
	// restsPerTick is how many connections may change over to another goroutine in one tick.
	restsPerTick = 1024
)

// looked is what ticks did about a client's Reads.
type looked struct {
	// forEnd is when the Read was due for which a tick looked whether the client had ended, and
	// forRest the same of the Read that a tick ended so that the connection rests. The registry's
	// mu guards both.
	forEnd, forRest int64
	// rest has the connection rest.
	rest atomic.Bool
}

// stuck has two reasons to wake a client: an end that its Read may not have been told of, and a
// wait that has become long.
func (c *Client) stuck(due int64, ticks int) (wake bool) {
	return c.missedEnd(due) || c.restsNow(due, ticks)
}

// missedEnd reports whether the client has ended, which readEach may not know. It looks once a
// wait.
func (c *Client) missedEnd(due int64) bool {
	if due == c.looked.forEnd {
		return false
	}
	c.looked.forEnd = due
	return c.link.peer() != present
}

// restsNow reports whether the client has waited for long between two requests, for the first time
// in this wait.
func (c *Client) restsNow(due int64, ticks int) bool {
	if ticks < restTicks || c.stage.Load() != kept || due == c.looked.forRest || !c.all.rests.allow(c.all.now.Load()) {
		return false
	}
	c.looked.forRest = due
	c.looked.rest.Store(true)
	return true
}

// rests bounds how many connections rest in one tick. The registry's mu guards it.
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
