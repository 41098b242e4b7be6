package limiter

import (
	"math"
	"sync/atomic"
)

// dirtyList is a lock-free stack of the pages of one shard that have buckets with spending to store.
// It is linked through the pages, so it takes no memory of its own however long the store
// is away; the queued mark keeps a page from being in it twice. Only the flusher takes
// from it, and takes all, so there is no ABA problem.
type dirtyList struct {
	head  atomic.Pointer[page]
	count atomic.Int64 // of buckets that are dirty, which whoever marks one, or takes the mark away, keeps
	since atomic.Int64 // when the oldest entry became dirty, Clock.Monotonic; never while empty
}

// never is later than every reading of the clock.
const never = math.MaxInt64

// add counts a bucket that the caller marked dirty, and queues its page.
func (l *dirtyList) add(p *page, now int64) {
	l.count.Add(1)
	l.queue(p, now)
}

// queue puts a page into the list that has had a dirty bucket since then, unless it is there.
func (l *dirtyList) queue(p *page, since int64) {
	if !p.queued.Load() && p.queued.CompareAndSwap(false, true) {
		l.push(p)
	}
	l.noteSince(since) // after it, so that take can't forget it while the page is here
}

func (l *dirtyList) push(p *page) {
	for {
		head := l.head.Load()
		p.next = head
		if l.head.CompareAndSwap(head, p) {
			return
		}
	}
}

func (l *dirtyList) noteSince(at int64) {
	for {
		oldest := l.since.Load()
		if oldest <= at || l.since.CompareAndSwap(oldest, at) {
			return
		}
	}
}

// soil marks a bucket dirty that has been so since then. Its page is locked.
func (s *shard) soil(p *page, b *bucket, since int64) {
	if b.arrival.Or(dirty)&dirty == 0 {
		s.dirty.count.Add(1)
	}
	s.dirty.queue(p, since)
}

// takeDirty empties the shard's list, and returns the buckets that are dirty. They stay marked. No bucket moves to another page meanwhile, so
// none is missed; a page that was merged into another one since it was queued has none.
func (s *shard) takeDirty() run {
	s.shape.Lock()
	defer s.shape.Unlock()
	s.dirty.since.Store(never)
	taken := run{places: make([]place, 0, max(0, s.dirty.count.Load()))}
	for p := s.dirty.head.Swap(nil); p != nil; {
		next := p.next
		p.next = nil
		p.queued.Store(false) // from here on a taker queues it again
		if l, ok := s.directory.Load(p.number); ok && l.page == p {
			taken.addPage(s.lockPage(p.number).version)
			p.mu.Unlock()
		}
		p = next
	}
	return taken
}

// redirty queues a client's bucket whose mark was taken away, and whose value then wasn't stored. It has been dirty
// since then.
func (t *table) redirty(clientID string, since int64) {
	c := t.claim(clientID)
	defer c.release()
	if b := c.live(); b != nil {
		c.soil(b, since)
	}
}

// putBack queues the pages of buckets that a backlog gave and that are still marked.
func (t *table) putBack(group []*bucket, since int64) {
	for _, b := range group {
		c := t.claim(b.clientID())
		if b := c.live(); b != nil && b.isDirty() {
			c.shard.dirty.queue(c.page, since)
		}
		c.release()
	}
}

// dirtyStats is how many buckets are dirty, and since when the oldest is that is queued.
func (t *table) dirtyStats() (count, since int64) {
	since = never
	for i := range t.shards {
		l := &t.shards[i].dirty
		n := l.count.Load()
		count += n
		if n > 0 {
			since = min(since, l.since.Load())
		}
	}
	return max(0, count), since // a taker may be about to count what a flush has counted off
}
