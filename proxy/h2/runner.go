package h2

import (
	"sync"
	"sync/atomic"
	"time"
)

// runner has streams run, each in a goroutine, and bounds how many do at a time, in all and of a
// wave. Those beyond a bound wait: the connections that have such take turns, and each has its most
// urgent ones run first. So whoever sends many requests at once keeps nobody else waiting for all
// of them.
type runner struct {
	run func(*stream)

	mu sync.Mutex
	// most bounds those that run; 0 doesn't.
	most, running int
	// first and last are of the connections that have streams that may run. started is how many
	// of the first one's have been started in its turn.
	first, last *connection
	started     int
	wave        wave
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
	// perTurn is how many streams of a connection run in its turn. Those that run together end
	// together, and one write has the responses of several.
	perTurn = 16
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
	r.startAll()
}

// startAll starts the streams that may run. The caller holds mu.
func (r *runner) startAll() {
	for s := r.take(); s != nil; s = r.take() {
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
	if l.running >= l.most || r.full() || r.wave.isFull() {
		s.waits = time.Now()
		l.enqueue(s)
		r.lineUp(s.conn)
		r.lookSoon()
		return
	}
	r.admit(s)
	r.start(s)
}

// admit counts a stream that is about to run. The caller holds mu.
func (r *runner) admit(s *stream) {
	r.running++
	s.conn.line.running++
	r.wave.add(s)
}

func (r *runner) full() bool { return r.most > 0 && r.running >= r.most }

// start runs a stream in a goroutine. The caller holds mu.
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
		c, number := s.conn, s.wave
		r.run(s)
		s = r.next(w, c, number)
	}
}

// next ends the run of a stream of a connection, in the wave of a number, and returns the next one
// to run, nil if the goroutine isn't needed any more.
func (r *runner) next(w *worker, c *connection, number uint64) *stream {
	r.mu.Lock()
	r.running--
	c.line.running--
	r.wave.remove(number)
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
	if r.full() || r.first == nil || r.wave.isFull() {
		r.lookSoon()
		return nil
	}
	c := r.first
	s := c.line.dequeue()
	r.admit(s)
	if r.started++; r.started == perTurn || !c.line.mayRun() {
		r.endTurn()
	}
	return s
}

// endTurn ends the turn of the first connection. The caller holds mu.
func (r *runner) endTurn() {
	c := r.first
	if r.first = c.line.next; r.first == nil {
		r.last = nil
	}
	c.line.next, c.line.inTurn, r.started = nil, false, 0
	r.lineUp(c)
}

// lineUp has a connection take its turn, if it has streams that may run. The caller holds mu.
func (r *runner) lineUp(c *connection) {
	l := &c.line
	if l.inTurn || !l.mayRun() {
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

// mayRun reports whether a stream of the line may run, as far as that is up to its connection.
func (l *line) mayRun() bool { return l.first != nil && l.running < l.most }

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
