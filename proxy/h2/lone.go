package h2

import (
	"time"

	"gopher-equalizer/proxy/netconn"
)

// This file has the reader of a connection serve requests itself that come one at a time. To wake
// another goroutine for each costs more than such a request does where a processor is idle: Go
// wakes a thread for each goroutine that becomes ready, in case there is more to do.
//
// Nobody reads the connection meanwhile. So the reader does this, it leads, only where nothing else
// is likely to come. If the request takes long, another goroutine reads on.

const (
	// leadAfter is how many requests in turn must have come alone, without a body, before the
	// reader serves one itself.
	leadAfter = 8
	// leadsAgain is how many more must have after one that took long.
	leadsAgain = 64
	// sweepEvery is the time between two sweeps. A request that two of them find takes long.
	sweepEvery = 5 * time.Millisecond
)

// isLone reports whether the reader may serve a stream that has just come itself, and notes if it
// isn't alone. The caller holds mu.
func (c *connection) isLone(s *stream) bool {
	if c.streams.n > 1 {
		c.loneliness = min(c.loneliness, 0)
		return false
	}
	return c.loneliness >= leadAfter && s.endedIn && s.broken == nil
}

// submitLone has a request that came alone run in another goroutine: more has come behind it.
func (c *connection) submitLone() {
	if s := c.lone; s != nil {
		c.lone = nil
		c.server.runner.submit(s)
	}
}

// lead serves a request in the reader's goroutine.
func (c *connection) lead(s *stream) netconn.Verdict {
	id, r := s.id, &c.server.runner
	c.mu.Lock()
	c.leads = id
	c.mu.Unlock()
	if r.lead(c) {
		c.server.run(s)
		r.led(c)
	} else {
		r.submit(s)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.leads != id {
		return netconn.WentOn
	}
	c.leads = 0
	return c.verdict()
}

// handOn has another goroutine read the connection, if its reader serves a request. The caller
// holds mu.
func (c *connection) handOn() {
	if c.leads != 0 {
		c.leads, c.loneliness = 0, -leadsAgain
		c.client.GoOn()
	}
}

// leaders are the connections whose readers serve requests themselves. The runner's mu guards them.
type leaders struct {
	all []*connection
	// sweeps counts the sweeps, timer is when the next one is due, if sweeping is true.
	sweeps   int
	timer    *time.Timer
	sweeping bool
}

// leader is what a connection has of that.
type leader struct {
	// at is its place among all, if leads is true, since the sweep before it became one.
	at, since int
	leads     bool
}

func (l *leaders) add(c *connection) {
	c.line.leader = leader{at: len(l.all), since: l.sweeps, leads: true}
	l.all = append(l.all, c)
}

func (l *leaders) remove(c *connection) {
	if !c.line.leads {
		return
	}
	c.line.leads = false
	last := len(l.all) - 1
	moved, at := l.all[last], c.line.at
	l.all[at], moved.line.at = moved, at
	l.all[last] = nil
	l.all = l.all[:last]
}

// lead notes that the reader of a connection serves a request, and reports whether it may. led
// notes its end.
func (r *runner) lead(c *connection) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if c.line.running > 0 || c.line.first != nil || r.full() {
		return false
	}
	r.running++
	c.line.running++
	r.leaders.add(c)
	if !r.leaders.sweeping {
		r.sweepSoon()
	}
	return true
}

func (r *runner) led(c *connection) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.leaders.remove(c)
	r.running--
	c.line.running--
	r.lineUp(c)
	if s := r.take(); s != nil {
		r.start(s)
	}
}

// sweepSoon has the next sweep be made. The caller holds mu.
func (r *runner) sweepSoon() {
	l := &r.leaders
	l.sweeping = true
	if l.timer == nil {
		l.timer = time.AfterFunc(sweepEvery, r.sweep)
	} else {
		l.timer.Reset(sweepEvery)
	}
}

// sweep has other goroutines read the connections whose readers serve requests that take long.
func (r *runner) sweep() {
	for _, c := range r.long() {
		c.mu.Lock()
		c.handOn()
		c.mu.Unlock()
	}
}

// long are the connections whose readers have served a request since the sweep before this one.
func (r *runner) long() (all []*connection) {
	r.mu.Lock()
	defer r.mu.Unlock()
	l := &r.leaders
	l.sweeps++
	for i := len(l.all) - 1; i >= 0; i-- { // What remove moves to i was looked at.
		if c := l.all[i]; l.sweeps-c.line.since > 1 {
			l.remove(c)
			all = append(all, c)
		}
	}
	if l.sweeping = len(l.all) > 0; l.sweeping {
		r.sweepSoon()
	}
	return all
}
