package table

import "sync/atomic"

// dirtyList is a lock-free stack of one shard's pages that have dirty buckets. It is linked through
// the pages, so it takes no memory of its own, however long the store is away. The queued mark
// keeps a page from being in it twice. Only the flusher takes from it, and takes all, so there is
// no ABA problem.
type dirtyList struct {
	head  atomic.Pointer[page]
	count atomic.Int64 // of dirty buckets; kept by all that set or clear the bit
	since atomic.Int64 // when the oldest entry became dirty; Never while the list is empty
}

func (l *dirtyList) init() { l.since.Store(Never) }

// enter counts a bucket that the caller made dirty, and queues its page.
func (l *dirtyList) enter(p *page, now int64) {
	l.count.Add(1)
	l.queue(p, now)
}

// mark makes a bucket dirty that has unstored spending since then. Its page is locked.
func (l *dirtyList) mark(p *page, b *Bucket, since int64) {
	if b.arrival.Or(dirtyBit)&dirtyBit == 0 {
		l.count.Add(1)
	}
	l.queue(p, since)
}

// clean clears a bucket's dirty bit, and returns what the word was at that moment.
func (l *dirtyList) clean(b *Bucket) (was int64) {
	//mutant:nonatomic the-dirty-bit-is-cleared-after-the-read
	was = b.arrival.And(^dirtyBit)
	l.count.Add(-(was & dirtyBit))
	return was
}

// queue puts a page with a bucket that has been dirty since then into the list, unless it is there.
func (l *dirtyList) queue(p *page, since int64) {
	if !p.queued.Load() && p.queued.CompareAndSwap(false, true) {
		l.push(p)
	}
	l.noteSince(since) // Last, so that takeAll can't forget it while the page is here.
}

func (l *dirtyList) push(p *page) {
	for {
		head := l.head.Load()
		p.link = head
		if l.head.CompareAndSwap(head, p) {
			return
		}
	}
}

func (l *dirtyList) noteSince(since int64) {
	for {
		oldest := l.since.Load()
		if oldest <= since || l.since.CompareAndSwap(oldest, since) {
			return
		}
	}
}

// takeAll empties the list. From the moment that f has a page, takers may queue it again.
func (l *dirtyList) takeAll(f func(*page)) {
	l.since.Store(Never)
	for p := l.head.Swap(nil); p != nil; {
		next := p.link
		p.link = nil
		p.queued.Store(false)
		f(p)
		p = next
	}
}
