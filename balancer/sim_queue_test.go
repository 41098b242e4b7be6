package balancer

import (
	"cmp"
	"slices"
	"time"
)

// This file has the simulation's requests: they hold places for a while, and wait for one.

// simQueue is what the oracle knows of those.
type simQueue struct {
	// running are the requests that have a place, in no order, waiting those that wait for one.
	running, waiting []*simRequest
	// came counts those that began to wait.
	came int
	// most is how many could wait before a reload, as long as so many do.
	most int
}

// simRequest is a request.
type simRequest struct {
	attempts Attempts
	priority Priority
	// attempt is the one that runs, at b.
	attempt Attempt
	b       *simBackend
	// waiter is what it waits by, since when, the how manieth, and whether it does for a retry.
	waiter *waiter
	since  time.Time
	order  int
	retry  bool
	// left reports whether its client has left.
	left bool
}

// Ended is Leaver's.
func (r *simRequest) Ended() bool { return r.left }

// before reports whether a request must be served before another one that waits, if neither is a
// retry.
func (r *simRequest) before(other *simRequest) bool {
	mine, its := r.priority.rank(), other.priority.rank()
	return mine < its || mine == its && r.order < other.order
}

// bound sets what bounds the requests, as a reload does.
func (w *simWorld) bound() {
	w.s.MaxConnections = 1 + w.dice.IntN(4)
	w.s.MaxInFlight = w.dice.IntN(2) * (1 + w.dice.IntN(10))
	w.s.Queue = QueueSettings{Length: w.dice.IntN(8), Timeout: 60 * time.Millisecond}
	w.p.mu.Lock()
	defer w.p.mu.Unlock()
	for _, b := range w.p.backends {
		b.bound(w.s)
	}
	w.p.places.bound(w.s.MaxInFlight, 0)
	w.p.queue.use(w.s.Queue, 1)
	w.p.publish()
}

// request begins a request.
func (w *simWorld) request() {
	r := &simRequest{priority: Priorities[w.dice.IntN(len(Priorities))]}
	r.attempts = w.p.Attempts(Client{}, Retry{Most: w.dice.IntN(3)})
	w.next(r)
}

// next has a request make its next attempt, or wait for it. Other requests may end while it has
// found no place and doesn't wait yet.
func (w *simWorld) next(r *simRequest) {
	r.retry = r.attempts.isRetry()
	if r.retry {
		w.retries++ // Others may follow before ask returns.
	}
	attempt, waiter, err := w.ask(r)
	switch {
	case !r.retry:
	case err != nil:
		w.retries--
	default:
		w.count["retry"]++
		if w.retries > w.granted {
			w.fail("there were %d retries in a second, and %d were granted", w.retries, w.granted)
		}
	}
	switch {
	case waiter != nil:
		w.count["wait"]++
		if r.retry {
			w.count["wait of a retry"]++
		}
		w.came++
		r.waiter, r.since, r.order = waiter, w.now, w.came
		w.waiting = append(w.waiting, r)
		w.collect()
	case err == nil:
		w.begin(r, attempt)
	case err == ErrBudget:
		w.count["no budget"]++
		if w.retries < w.granted {
			w.fail("there is no budget after %d retries of %d", w.retries, w.granted)
		}
	case err == ErrQueueFull:
		w.count["full queue"]++
		if len(w.waiting) < w.s.Queue.Length {
			w.fail("the queue is full with %d of %d", len(w.waiting), w.s.Queue.Length)
		}
		for _, other := range w.waiting {
			if !other.retry && (r.retry || other.priority.rank() > r.priority.rank()) {
				w.fail("a request of priority %s is refused, and one of %s waits", r.priority, other.priority)
			}
		}
	}
}

// ask is Attempts.ask. Often it is taken apart, and another request ends between its parts.
func (w *simWorld) ask(r *simRequest) (Attempt, *waiter, error) {
	how := Wait{Priority: r.priority, For: r}
	if !w.p.queue.isEmpty() || w.flip(0.5) {
		return r.attempts.ask(how)
	}
	if err := r.attempts.allow(); err != nil {
		return Attempt{}, nil, err
	}
	attempt, err := r.attempts.pick()
	if err == nil {
		r.attempts.count(attempt)
		return attempt, nil, nil
	}
	if err == ErrBusy {
		w.finish()
		var waiter *waiter
		if waiter, err = w.p.queue.enter(&r.attempts, how); err == nil {
			return Attempt{}, waiter, nil
		}
	}
	r.attempts.takeBack()
	w.p.queue.offer()
	return Attempt{}, nil, err
}

// begin notes an attempt that has a place.
func (w *simWorld) begin(r *simRequest, a Attempt) {
	w.begun++
	w.count["request"]++
	r.attempt = a
	r.b = w.backends[slices.IndexFunc(w.backends, func(b *simBackend) bool { return b.Backend == a.Backend })]
	w.running = append(w.running, r)
	if r.b.ejection.is() && !w.p.judging.panics && !a.Fresh {
		w.fail("%s got a request, and is ejected", r.b.URL())
	}
	if n, most := w.runningAt(a.Backend), w.s.MaxConnections; n > most {
		w.fail("%s has %d requests, and may have %d", r.b.URL(), n, most)
	}
	bounded := 0
	for _, other := range w.running {
		if other.attempt.bounded {
			bounded++
		}
	}
	if most := w.s.MaxInFlight; most > 0 && bounded > most {
		w.fail("the pool has %d requests, and may have %d", bounded, most)
	}
}

func (w *simWorld) runningAt(b *Backend) (n int) {
	for _, r := range w.running {
		if r.attempt.Backend == b {
			n++
		}
	}
	return n
}

// finish ends the attempt of a request. If it failed, the next one follows.
func (w *simWorld) finish() {
	if len(w.running) == 0 {
		return
	}
	i := w.dice.IntN(len(w.running))
	r := w.running[i]
	w.running = slices.Delete(w.running, i, i+1)
	b, result := r.b, w.result(r.b)
	r.attempt.End(result)
	if result.Fault == NoFault && result.Status == 200 {
		b.streak = 0
		w.collect()
		return
	}
	w.count["failed request"]++
	b.streak++
	b.failed = w.now
	w.alarms = w.alarms || b.streak == w.s.Ejection.Consecutive
	w.collect()
	w.next(r)
}

// leave has clients leave.
func (w *simWorld) leave() {
	for _, r := range w.waiting {
		r.left = r.left || w.flip(0.02)
	}
}

// tickQueue is the tick of the queue's timer.
func (w *simWorld) tickQueue() {
	w.p.queue.lookAtAll()
	w.collect()
	for _, r := range w.waiting {
		if r.left {
			w.fail("a client has left, and its request waits")
		}
		if waited := w.now.Sub(r.since); waited >= w.s.Queue.Timeout {
			w.fail("a request waits for %v", waited)
		}
	}
}

// collect takes the outcome of each wait that has ended, and looks whether the others have to wait.
func (w *simWorld) collect() {
	var served []*simRequest
	w.waiting = slices.DeleteFunc(w.waiting, func(r *simRequest) bool {
		select {
		case <-r.waiter.done:
			served = append(served, r)
			return true
		default:
			return false
		}
	})
	slices.SortFunc(served, func(r, s *simRequest) int { return cmp.Compare(r.order, s.order) })
	for _, r := range served {
		attempt, err := r.attempts.taken(r.waiter)
		if err == nil {
			w.count["place after a wait"]++
			w.begin(r, attempt)
		}
		w.judgeWait(r, err)
	}
	w.lookAtQueue()
}

// judgeWait looks at how a wait ended.
func (w *simWorld) judgeWait(r *simRequest, err error) {
	waited := w.now.Sub(r.since)
	switch err {
	case nil:
		for _, other := range w.waiting {
			if !r.retry && !other.retry && other.before(r) {
				w.fail("a request of priority %s is served, and one of %s waits for %v longer",
					r.priority, other.priority, r.since.Sub(other.since))
			}
		}
	case ErrQueueFull:
		w.count["wait that ended for another"]++
		for _, other := range w.waiting {
			if !other.retry && (r.retry || r.before(other)) {
				w.fail("a request of priority %s gives way, and one of %s that came later doesn't", r.priority, other.priority)
			}
		}
	case ErrQueueTimeout:
		w.count["wait that took too long"]++
		if waited < w.s.Queue.Timeout {
			w.fail("a request has waited too long after %v", waited)
		}
	case ErrLeft:
		w.count["client that left"]++
		if !r.left {
			w.fail("a client has left that has not")
		}
	case ErrNoneHealthy:
		w.count["wait that ended as nobody was healthy"]++
	default:
		w.fail("a wait ended: %v", err)
	}
}

// lookAtQueue looks at those that wait.
func (w *simWorld) lookAtQueue() {
	if n := w.p.queue.status().Waiting; n != len(w.waiting) {
		w.fail("%d requests wait, and the queue has %d", len(w.waiting), n)
	}
	if n := len(w.waiting); n > w.longest() {
		w.fail("%d requests wait, and %d may", n, w.longest())
	}
	picker := w.p.picker.Load()
	if len(w.waiting) == 0 || w.s.MaxInFlight > 0 && int(w.p.places.inFlight()) >= w.s.MaxInFlight {
		return
	}
	if picker == nil {
		if slices.ContainsFunc(w.waiting, func(r *simRequest) bool { return !r.retry }) {
			w.fail("requests wait, and nobody is healthy")
		}
		return
	}
	for _, b := range picker.backends {
		if w.runningAt(b) >= w.s.MaxConnections {
			continue
		}
		for _, r := range w.waiting {
			if !r.attempts.tried.has(b) {
				w.fail("a request of priority %s waits, and %s has room", r.priority, b.URL())
			}
		}
	}
}

// longest is how many may wait: before a reload it may have been more.
func (w *simWorld) longest() int {
	w.most = max(w.s.Queue.Length, min(w.most, len(w.waiting)))
	return w.most
}
