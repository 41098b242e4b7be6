package netconn

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// The bounds of a registry's tick. A longer tick is less work, and makes timeouts later.
const (
	minTick = 10 * time.Millisecond
	// maxTick also bounds how long a backend works for a client that has left: up to two ticks.
	maxTick = 250 * time.Millisecond
	// ticksPerTimeout is how many ticks the shortest timeout takes.
	ticksPerTimeout = 8
)

// Registry keeps the connections of one side of a proxy, and wakes those that are overdue. Its
// methods may be called concurrently. It runs one goroutine while it has connections, else none.
type Registry struct {
	epoch time.Time
	// now is the coarse clock: nanoseconds since epoch at the last tick. tick is the time between
	// two ticks, in nanoseconds.
	now, tick atomic.Int64

	mu    sync.Mutex
	conns map[*Conn]struct{}
	// ticker ticks while there are connections; else it is nil.
	ticker *time.Ticker
	// empty is closed when the last connection leaves; nil while there are no connections.
	empty chan struct{}
}

// newRegistry makes a registry for connections with these timeouts; 0 is none. A timeout is never
// early. It is late by a quarter of the shortest one at most, or by 20 ms if that is more, and that
// of a Write by twice as much.
func newRegistry(timeouts ...time.Duration) *Registry {
	r := &Registry{epoch: time.Now(), conns: make(map[*Conn]struct{})}
	r.retime(timeouts)
	return r
}

// tickFor is the time between two ticks that these timeouts want.
func tickFor(timeouts []time.Duration) time.Duration {
	tick := maxTick
	for _, t := range timeouts {
		if t > 0 {
			tick = min(tick, max(t/ticksPerTimeout, minTick))
		}
	}
	return tick
}

// retime has the registry tick for connections with these timeouts from now on.
func (r *Registry) retime(timeouts []time.Duration) {
	tick := tickFor(timeouts)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.moveClock() // Before the tick changes: see Conn.in.
	r.tick.Store(int64(tick))
	if r.ticker != nil {
		r.ticker.Reset(tick)
	}
}

// moveClock sets the clock. The caller holds mu.
func (r *Registry) moveClock() { r.now.Store(int64(time.Since(r.epoch))) }

// Len is how many connections there are.
func (r *Registry) Len() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.conns)
}

// Wait returns when no connection is left. If ctx ends first, it returns the cause of that.
func (r *Registry) Wait(ctx context.Context) error {
	for {
		r.mu.Lock()
		empty := r.empty
		r.mu.Unlock()
		if empty == nil {
			return nil
		}
		select {
		case <-empty:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// Cut breaks all connections, whatever they are doing, and returns how many there were.
func (r *Registry) Cut() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	for c := range r.conns {
		c.breakOff()
	}
	return len(r.conns)
}

// add puts a connection under the registry's care, until remove.
func (r *Registry) add(c *Conn) {
	c.registry = r
	r.mu.Lock()
	defer r.mu.Unlock()
	r.conns[c] = struct{}{}
	if r.empty == nil {
		r.empty = make(chan struct{})
		r.ticker = time.NewTicker(time.Duration(r.tick.Load()))
		r.moveClock()
		go r.sweep(r.ticker, r.empty)
	}
}

// remove ends the care of a connection. It may be called again.
func (r *Registry) remove(c *Conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.conns, c)
	if len(r.conns) == 0 && r.empty != nil {
		close(r.empty)
		r.empty, r.ticker = nil, nil
	}
}

// sweep moves the clock and wakes what is overdue at each tick, until the registry is empty.
func (r *Registry) sweep(ticker *time.Ticker, empty <-chan struct{}) {
	defer ticker.Stop()
	for {
		select {
		case <-empty:
			return
		case <-ticker.C:
			r.wakeOverdue()
		}
	}
}

// wakeOverdue moves the clock and wakes what is overdue by it.
func (r *Registry) wakeOverdue() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.moveClock()
	now := r.now.Load()
	for c := range r.conns {
		c.owner.tick()
		due := c.reading.due.Load()
		ticks := c.seen.by(due)
		if overdue(due, now) || ticks > 0 && c.owner.stuck(due, ticks) {
			c.wakeRead()
		}
		if overdue(c.writing.due.Load(), now) {
			c.wakeWrite()
		}
	}
}

// seen is what the last tick saw of a connection's Read. The registry's mu guards it.
type seen struct {
	// due is when the Read is overdue, ticks how many ticks before that one saw the same Read.
	due   int64
	ticks int
}

// by notes that a tick sees a Read that is overdue at due, and returns how many saw it before.
func (s *seen) by(due int64) (ticks int) {
	if due != 0 && due == s.due {
		s.ticks++
	} else {
		s.ticks = 0
	}
	s.due = due
	return s.ticks
}
