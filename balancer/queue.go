package balancer

import (
	"sync"
	"sync/atomic"
	"time"

	"gopher-equalizer/proxy/meter"
)

// QueueSettings bound the requests that wait for a place.
type QueueSettings struct {
	// Length is how many may wait; 0: a request that finds no place is refused.
	Length int
	// Timeout is how long each of them may wait, above 0.
	Timeout time.Duration
}

// queue are the requests that wait for a place, while no backend of a pool has one. Those of higher
// priority come first, and among equals the one that came first. Retries come before all: their
// clients have waited before, and the place that they had went to somebody else.
//
// Where nobody waits, it costs a request two loads. Where somebody does, whoever gives a place back
// hands it on under mu, which is never held while something else is waited for. All deadlines and
// all looks at clients share one timer, which runs while somebody waits.
type queue struct {
	_ [cacheLines]byte
	// length is how many wait. Only who holds mu changes it.
	length atomic.Int64
	_      [cacheLines]byte

	mu       sync.Mutex
	settings QueueSettings
	// shares bounds how many requests of one client wait; nil is no bound.
	shares *shares
	lines  [ranks]line
	// idle are the waiters that nobody uses. No other queue has them: see lookAtAll.
	idle sync.Pool
	// ticks counts the ticks of the timer, which runs if ticking.
	timer   *time.Timer
	ticking bool
	ticks   int
	// looked is the memory for look.
	looked []sight
	clock  func() moment

	// How the waits ended, and what was refused, by the index of Priorities.
	waits          meter.Histogram
	refused        [len(Priorities)]int64
	timedOut, left int64
}

// use puts settings in force. Those that wait go on, by the deadlines that they have.
func (q *queue) use(s QueueSettings, clientShare float64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.settings = s
	q.shares = q.shares.resized(uint64(s.Length), clientShare)
	if q.clock == nil {
		q.clock = now
	}
}

// isEmpty reports whether nobody waits.
func (q *queue) isEmpty() bool { return q.length.Load() == 0 }

// enter has a request wait for its next attempt, and hands out what places there are. The error is
// ErrBusy if there is no queue, ErrQueueFull or ErrClientShare.
func (q *queue) enter(a *Attempts, w Wait) (*waiter, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	rank := w.Priority.rank()
	if a.isRetry() {
		rank = retryRank
	}
	if err := q.makeRoom(a.client.Holder, rank); err != nil {
		return nil, err
	}
	x := q.newWaiter(a, w, rank)
	q.lines[rank].append(x)
	//mutant:drop who-waits-is-not-counted
	q.length.Add(1)
	//mutant:drop a-place-that-came-free-meanwhile-is-missed
	q.serve()
	q.tickOn()
	return x, nil
}

// makeRoom has the holder's request be counted, if the queue has room for one of that rank. If it
// is full, the last one of the lowest rank gives way, unless that rank isn't lower.
func (q *queue) makeRoom(holder uint64, rank int) error {
	if q.settings.Length == 0 {
		return ErrBusy
	}
	if !q.shares.take(holder) {
		return ErrClientShare
	}
	//mutant:false the-queue-has-no-bound
	if q.length.Load() < int64(q.settings.Length) {
		return nil
	}
	last := q.last()
	//mutant:true the-important-are-refused
	if last == nil || last.rank <= rank {
		q.shares.giveBack(holder)
		q.noteRefused(rank)
		return ErrQueueFull
	}
	q.noteRefused(last.rank)
	q.dismiss(last, ErrQueueFull)
	return nil
}

// noteRefused counts what the full queue has refused. A retry isn't refused for it: its failure
// stands.
func (q *queue) noteRefused(rank int) {
	if rank != retryRank {
		q.refused[rank-1]++
	}
}

// last is the one that waits and matters least; nil if nobody waits.
func (q *queue) last() *waiter {
	for rank := ranks - 1; rank >= 0; rank-- {
		if x := q.lines[rank].last; x != nil {
			return x
		}
	}
	return nil
}

// offer hands out the places that there are. It is called when there may be more of them, or nobody
// may be healthy any more.
func (q *queue) offer() {
	if q.isEmpty() {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.serve()
}

// serve hands out the places that there are. A retry that can't have one, since it was there
// before, leaves it to the others. What a first attempt can't have, nobody behind it can. The
// caller holds mu.
func (q *queue) serve() {
	for rank := range q.lines {
		for x := q.lines[rank].first; x != nil; {
			next := x.next
			attempt, err := x.attempts.pick()
			if err == ErrBusy && rank != retryRank {
				return
			}
			if err != ErrBusy {
				q.remove(x)
				q.waits.Observe(x.waited)
				x.end(attempt, err)
			}
			x = next
		}
	}
}

// dismiss ends somebody's wait in vain. The caller holds mu.
func (q *queue) dismiss(x *waiter, why error) {
	q.remove(x)
	x.end(Attempt{}, why)
}

// remove takes one out that waits. The caller holds mu.
func (q *queue) remove(x *waiter) {
	q.lines[x.rank].remove(x)
	//mutant:drop who-is-gone-still-counts
	q.length.Add(-1)
	q.shares.giveBack(x.attempts.client.Holder)
	x.waited = time.Duration(q.clock() - x.since)
}

// QueueStatus is what operators see of a pool's queue.
type QueueStatus struct {
	// Waiting is how many requests wait now, and Length how many may.
	Waiting, Length int
	// Waits is how long those waited that got a place.
	Waits meter.Distribution
	// Refused are those for which the queue was full, by the index of Priorities. TimedOut are
	// those that waited too long, and Left those whose clients left.
	Refused        [len(Priorities)]int64
	TimedOut, Left int64
}

// status is what operators see of the queue.
func (q *queue) status() QueueStatus {
	q.mu.Lock()
	defer q.mu.Unlock()
	s := QueueStatus{
		Waiting: int(q.length.Load()), Length: q.settings.Length,
		Refused: q.refused, TimedOut: q.timedOut, Left: q.left,
	}
	q.waits.AddTo(&s.Waits)
	return s
}
