package netconn

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// The bounds of a registry's tick: how late a timeout may be, against the work of looking.
const (
	minTick = 10 * time.Millisecond
	// maxTick also bounds for how long a client that left keeps a backend at work: up to two ticks.
	maxTick = 250 * time.Millisecond
	// ticksPerTimeout is how often the shortest timeout is looked at while it runs.
	ticksPerTimeout = 8
	// restTicks is after how many ticks a client's wait counts as long, and restsPerTick how many
	// of them are told so in one.
	restTicks    = 8
	restsPerTick = 1024
)

// Registry keeps the connections of one side of a proxy. Its methods may be called at the same
// time. It runs one goroutine while it has connections, and none without.
type Registry struct {
	tick  time.Duration
	epoch time.Time
	// now is the coarse clock: nanoseconds since epoch, as of the last tick.
	now atomic.Int64
	// closing says that connections end instead of waiting for a request, closed that none begins
	// any more, and cutting that what lasts is cut: see stage.go.
	closing, closed, cutting atomic.Bool
	// changed says that Close should look again.
	changed chan struct{}

	mu    sync.Mutex
	conns map[*timed]struct{}
	// empty is closed when the last connection leaves; nil while there is none.
	empty chan struct{}
}

// newRegistry makes a registry for connections with these timeouts; 0 stands for none. A
// timeout is never early, and late by a quarter of the shortest one at most, or by 20 ms if that is
// more; that of a Write by twice as much.
func newRegistry(timeouts ...time.Duration) *Registry {
	tick := maxTick
	for _, t := range timeouts {
		if t > 0 {
			tick = min(tick, max(t/ticksPerTimeout, minTick))
		}
	}
	return &Registry{tick: tick, epoch: time.Now(), changed: make(chan struct{}, 1), conns: make(map[*timed]struct{})}
}

// Len is how many connections there are.
func (r *Registry) Len() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.conns)
}

// CloseIdle ends the connections that wait for a request, and from now on each other one when its
// request is over. A request whose first byte was read is served.
func (r *Registry) CloseIdle() {
	r.closing.Store(true)
	r.wakeAll()
}

func (r *Registry) wakeAll() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for t := range r.conns {
		t.wakeRead()
	}
}

// Wait returns when no connection is left, or with the cause of ctx's end when that comes first.
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
	for t := range r.conns {
		t.breakOff()
	}
	return len(r.conns)
}

// add puts a connection under the registry's care, until remove.
func (r *Registry) add(t *timed) {
	t.registry = r
	r.mu.Lock()
	defer r.mu.Unlock()
	r.conns[t] = struct{}{}
	if r.empty == nil {
		r.empty = make(chan struct{})
		r.now.Store(int64(time.Since(r.epoch)))
		go r.sweep(r.empty)
	}
}

// replace has a connection go on over conn, and closes what it went over before.
func (r *Registry) replace(t *timed, conn net.Conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	_ = t.link.Close()
	t.link = newLink(conn)
}

// remove lets a connection go, and does nothing if it is gone already.
func (r *Registry) remove(t *timed) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.conns, t)
	if len(r.conns) == 0 && r.empty != nil {
		close(r.empty)
		r.empty = nil
	}
}

// sweep moves the clock and wakes what is overdue, until the registry is empty.
func (r *Registry) sweep(empty <-chan struct{}) {
	ticker := time.NewTicker(r.tick)
	defer ticker.Stop()
	for {
		select {
		case <-empty:
			return
		case <-ticker.C:
			r.now.Store(int64(time.Since(r.epoch)))
			r.wakeOverdue()
		}
	}
}

func (r *Registry) wakeOverdue() {
	now := r.now.Load()
	rests := restsPerTick
	r.mu.Lock()
	defer r.mu.Unlock()
	for t := range r.conns {
		due := t.readDue.Load()
		switch again := t.seen(due); {
		case overdue(due, now), again && (t.abandoned() || t.ended(due)):
			t.wakeRead()
		case rests > 0 && t.rests():
			rests--
			t.restedDue = due
			t.rested.Store(true)
			t.wakeRead()
		}
		if overdue(t.writeDue.Load(), now) {
			t.wakeWrite()
		}
	}
}

// seen notes that a tick sees a Read that will be overdue at due, and reports whether an earlier
// one did.
func (t *timed) seen(due int64) bool {
	again := due != 0 && due == t.seenDue
	if t.seenDue = due; again {
		t.ticks++
	} else {
		t.ticks = 0
	}
	return again
}

// rests reports whether a client has waited for long between two requests, and wasn't told so.
func (t *timed) rests() bool {
	return t.ticks >= restTicks && t.stage.Load() == kept && t.restedDue != t.seenDue
}

// ended reports whether the other side of a connection has ended, whose Read may not have been
// told: see readEach. It looks once a wait.
func (t *timed) ended(due int64) bool {
	if !t.untold || due == t.lookedDue {
		return false
	}
	t.lookedDue = due
	return t.link.peer() != present
}

// abandoned reports whether the client that waits for what t reads has reset its connection. It is
// asked of Reads that have waited for more than a tick.
func (t *timed) abandoned() bool {
	c := t.client.Load()
	return c != nil && c.hasLeft()
}
