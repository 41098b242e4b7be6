package h2

import (
	"sync"
	"sync/atomic"
	"time"
)

// runner has streams run, each in a goroutine, and bounds how many do at a time. Those beyond the
// bound wait: the connections that have such take turns, and each has its most urgent one run
// first. So whoever sends many requests at once keeps nobody else waiting for all of them.
type runner struct {
	run func(*stream)

	mu sync.Mutex
	// most bounds those that run; 0 doesn't.
	most, running int
	// first and last are of the connections that have streams that may run.
	first, last *connection
	// idle are the goroutines that wait for a stream, the last one on top: its stack was used last.
	// leastIdle is the fewest that there were since trim looked.
	idle             *worker
	idles, leastIdle int
	connections      int
	leaders          leaders
	// trimmed is when trim looked.
	trimmed atomic.Int64
}

const (
	// mostIdle is how many goroutines wait for a stream at most. One costs as much as its stack.
	mostIdle = 4096
	// trimEvery is after how long without a stream to run they end. A new one costs more than to
	// wake one, since its stack has to grow again.
	trimEvery = int64(time.Second)
)

// worker is a goroutine that runs streams, one after the other.
type worker struct {
	// next is the stream that it runs next; nil ends it.
	next  chan *stream
	below *worker
}

// line is what a connection has in a runner, whose mu guards it.
type line struct {
	// running is how many of its streams run, most how many may.
	running, most int
	// first are the streams that wait, the most urgent ones first.
	first *stream
	// inTurn reports whether the connection is among those that take turns, next is the next one.
	inTurn bool
	next   *connection
	leader
}

// bound sets how many may run at a time.
func (r *runner) bound(most int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.most = most
	for {
		s := r.take()
		if s == nil {
			return
		}
		r.start(s)
	}
}

// join notes a connection, and leave that it is gone.
func (r *runner) join() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.connections++
}

func (r *runner) leave() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.connections--; r.connections > 0 {
		return
	}
	for w := r.idle; w != nil; w = w.below {
		w.next <- nil
	}
	r.idle, r.idles, r.leastIdle = nil, 0, 0
}

// trim ends the goroutines that there was no stream for since the last time, if that is long enough
// ago. now is the registry's clock.
func (r *runner) trim(now int64) {
	before := r.trimmed.Load()
	if now-before < trimEvery || !r.trimmed.CompareAndSwap(before, now) {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for range r.leastIdle {
		r.pop().next <- nil
	}
	r.leastIdle = r.idles
}

// pop takes the goroutine that has waited for the shortest time. The caller holds mu.
func (r *runner) pop() *worker {
	w := r.idle
	r.idle, w.below = w.below, nil
	r.idles--
	r.leastIdle = min(r.leastIdle, r.idles)
	return w
}

// submit has a stream run, now or when its turn comes.
func (r *runner) submit(s *stream) {
	r.mu.Lock()
	defer r.mu.Unlock()
	l := &s.conn.line
	if l.running >= l.most || r.full() {
		l.enqueue(s)
		r.lineUp(s.conn)
		return
	}
	r.running++
	l.running++
	r.start(s)
}

func (r *runner) full() bool { return r.most > 0 && r.running >= r.most }

// start has a goroutine run a stream. The caller holds mu.
func (r *runner) start(s *stream) {
	if r.idle == nil {
		go r.work(&worker{next: make(chan *stream, 1)}, s)
		return
	}
	r.pop().next <- s
}

// work runs a stream, and those that follow.
func (r *runner) work(w *worker, s *stream) {
	for s != nil {
		c := s.conn
		r.run(s)
		s = r.next(w, c)
	}
}

// next ends the run of a stream of a connection, and returns the next one to run, nil if the
// goroutine isn't needed any more.
func (r *runner) next(w *worker, c *connection) *stream {
	r.mu.Lock()
	r.running--
	c.line.running--
	r.lineUp(c)
	if s := r.take(); s != nil {
		r.mu.Unlock()
		return s
	}
	if r.connections == 0 || r.idles == mostIdle {
		r.mu.Unlock()
		return nil
	}
	r.idle, w.below = w, r.idle
	r.idles++
	r.mu.Unlock()
	return <-w.next
}

// take takes the next stream that may run; nil if there is none. The caller holds mu.
func (r *runner) take() *stream {
	if r.full() || r.first == nil {
		return nil
	}
	c := r.first
	if r.first = c.line.next; r.first == nil {
		r.last = nil
	}
	c.line.next, c.line.inTurn = nil, false
	s := c.line.dequeue()
	r.running++
	c.line.running++
	r.lineUp(c)
	return s
}

// lineUp has a connection take its turn, if it has streams that may run. The caller holds mu.
func (r *runner) lineUp(c *connection) {
	l := &c.line
	if l.inTurn || l.first == nil || l.running >= l.most {
		return
	}
	l.inTurn = true
	if r.last == nil {
		r.first = c
	} else {
		r.last.line.next = c
	}
	r.last = c
}

// enqueue puts a stream behind those that are as urgent.
func (l *line) enqueue(s *stream) {
	at := &l.first
	for *at != nil && (*at).urgency <= s.urgency {
		at = &(*at).queued
	}
	s.queued, *at = *at, s
}

func (l *line) dequeue() *stream {
	s := l.first
	l.first, s.queued = s.queued, nil
	return s
}

// stats returns how many streams run, and how many wait.
func (r *runner) stats() (running, most int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.running, r.most
}
