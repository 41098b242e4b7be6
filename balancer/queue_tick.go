package balancer

import "time"

const (
	// tick is how often a queue looks whether somebody has waited long enough, or has left.
	tick = 20 * time.Millisecond
	// looksPerTick is about how many clients it looks at each time, at a system call each.
	looksPerTick = 1000
)

// sight is a look at somebody who waits.
type sight struct {
	*waiter
	leaver Leaver
	// wait is which one of its waits it was.
	wait uint64
}

// tickOn has the timer run, as somebody waits. The caller holds mu.
func (q *queue) tickOn() {
	if q.ticking || q.isEmpty() {
		return
	}
	q.ticking = true
	if q.timer == nil {
		q.timer = time.AfterFunc(tick, q.tick)
	} else {
		q.timer.Reset(tick)
	}
}

// tick is called by the timer.
func (q *queue) tick() {
	q.lookAtAll()
	q.mu.Lock()
	defer q.mu.Unlock()
	q.ticking = false
	q.tickOn()
}

// lookAtAll dismisses those that have waited long enough, and those that have left. The longer the
// queue is, the more rarely it looks for the latter.
func (q *queue) lookAtAll() {
	q.mu.Lock()
	//mutant:drop nobody-has-waited-too-long
	q.expire()
	if q.ticks++; q.ticks%(1+int(q.length.Load())/looksPerTick) == 0 {
		q.see()
	}
	q.mu.Unlock()
	if len(q.looked) == 0 {
		return
	}
	left := q.looked[:0]
	for _, s := range q.looked { // without mu, as each look is a system call
		if s.leaver.Ended() {
			left = append(left, s)
		}
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, s := range left {
		//mutant:false who-has-left-keeps-the-place
		if s.waits && s.waiter.wait == s.wait {
			q.left++
			q.dismiss(s.waiter, ErrLeft)
		}
	}
	clear(q.looked)
	q.looked = q.looked[:0]
}

// expire dismisses those that have waited long enough: of each rank, who came first is due first.
// The caller holds mu.
func (q *queue) expire() {
	at := q.clock()
	for rank := range q.lines {
		for x := q.lines[rank].first; x != nil && x.due <= at; x = q.lines[rank].first {
			q.timedOut++
			q.dismiss(x, ErrQueueTimeout)
		}
	}
}

// see notes who is to be looked at. The caller holds mu.
func (q *queue) see() {
	for rank := range q.lines {
		for x := q.lines[rank].first; x != nil; x = x.next {
			if x.leaver != nil {
				q.looked = append(q.looked, sight{x, x.leaver, x.wait})
			}
		}
	}
}
