package balancer

import "time"

// Wait is how a request waits for a place.
type Wait struct {
	Priority Priority
	// For is whom it waits for; nil is somebody who never leaves.
	For Leaver
}

// Leaver is a client that may leave while its request waits.
type Leaver interface {
	// Ended reports whether it has left. It may be called by any goroutine, also for a while after
	// the wait is over, and doesn't wait for anything.
	Ended() bool
}

// waiter is a request that waits. Its queue's mu guards it until done is sent to, and then it
// belongs to the request.
type waiter struct {
	// attempts are the request's, as they were when it began to wait.
	attempts   Attempts
	leaver     Leaver
	rank       int
	since, due moment
	next, prev *waiter
	// waits reports whether it is in a queue, and wait counts how often it has been in one.
	waits bool
	wait  uint64

	// The outcome.
	done    chan struct{}
	attempt Attempt
	err     error
	waited  time.Duration
}

// newWaiter makes a waiter, or takes one that nobody uses. The caller holds mu.
func (q *queue) newWaiter(a *Attempts, w Wait, rank int) *waiter {
	x, ok := q.idle.Get().(*waiter)
	if !ok {
		x = &waiter{done: make(chan struct{}, 1)}
	}
	x.attempts, x.leaver, x.rank, x.since = *a, w.For, rank, q.clock()
	x.due = x.since + moment(q.settings.Timeout)
	x.wait++
	return x
}

// end ends the wait.
func (x *waiter) end(a Attempt, err error) {
	x.attempt, x.err = a, err
	x.done <- struct{}{}
}

// release returns the outcome of a wait that is over. The waiter must not be used any more.
func (q *queue) release(x *waiter) (a Attempt, waited time.Duration, err error) {
	a, waited, err = x.attempt, x.waited, x.err
	x.attempts, x.attempt, x.leaver, x.err = Attempts{}, Attempt{}, nil, nil
	q.idle.Put(x)
	return a, waited, err
}

// line are those that wait and have the same rank.
type line struct{ first, last *waiter }

func (l *line) append(x *waiter) {
	x.waits, x.prev = true, l.last
	if l.last == nil {
		l.first = x
	} else {
		l.last.next = x
	}
	l.last = x
}

func (l *line) remove(x *waiter) {
	if x.prev == nil {
		l.first = x.next
	} else {
		x.prev.next = x.next
	}
	if x.next == nil {
		l.last = x.prev
	} else {
		x.next.prev = x.prev
	}
	x.waits, x.next, x.prev = false, nil, nil
}
