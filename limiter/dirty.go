package limiter

import (
	"math"
	"sync/atomic"
)

// dirtyList is a lock-free stack of the buckets of one shard that have spending to store.
// It is linked through the buckets, so it takes no memory of its own however long the store
// is away; the dirty mark keeps a bucket from being in it twice. Only the flusher takes
// from it, and takes all, so there is no ABA problem.
type dirtyList struct {
	head  atomic.Pointer[bucket]
	count atomic.Int64
	since atomic.Int64 // when the oldest entry became dirty, Clock.Monotonic; never while empty
	_     [40]byte     // makes it a cache line, which it shares with no other list
}

func newDirtyList() *dirtyList {
	l := &dirtyList{}
	l.since.Store(never)
	return l
}

// never is later than every reading of the clock.
const never = math.MaxInt64

// add marks the bucket dirty and queues it, unless it was dirty before.
func (l *dirtyList) add(b *bucket, now int64) {
	if b.set(dirty) {
		l.push(b, now)
	}
}

// push queues a bucket that the caller marked dirty, or took out of a list, and that has
// been dirty since then.
func (l *dirtyList) push(b *bucket, since int64) {
	l.count.Add(1)
	for {
		head := l.head.Load()
		b.next = head
		if l.head.CompareAndSwap(head, b) {
			break
		}
	}
	l.noteSince(since) // after it, so that takeAll can't forget it while the bucket is here
}

func (l *dirtyList) noteSince(at int64) {
	for {
		oldest := l.since.Load()
		if oldest <= at || l.since.CompareAndSwap(oldest, at) {
			return
		}
	}
}

// takeAll empties the lists, each into a slice. The buckets stay marked. They lie all over the memory, so it goes along
// all lists at once, a step each: then the processor waits for many of them together, and not for one after the other.
func takeAll(lists []*dirtyList) [][]*bucket {
	taken, at := make([][]*bucket, len(lists)), make([]*bucket, len(lists))
	for i, l := range lists {
		l.since.Store(never)
		taken[i] = make([]*bucket, 0, l.count.Load())
		at[i] = l.head.Swap(nil)
	}
	for more := true; more; {
		more = false
		for i, b := range at {
			if b != nil {
				taken[i] = append(taken[i], b)
				at[i], b.next = b.next, nil // keeps no dead bucket alive
				more = true
			}
		}
	}
	for i, l := range lists {
		l.count.Add(-int64(len(taken[i])))
	}
	return taken
}

// redirty queues a bucket whose mark was cleared, and whose value then wasn't stored. A taker may have
// queued it meanwhile; it has been dirty for longer than that.
func (t *table) redirty(b *bucket, since int64) {
	l := t.shardOf(b.clientID()).dirty
	l.add(b, since)
	l.noteSince(since)
}

// putBack queues buckets that a backlog gave and that are still marked.
func (t *table) putBack(group []*bucket, since int64) {
	for _, b := range group {
		t.shardOf(b.clientID()).dirty.push(b, since)
	}
}

// dirtyStats is how many buckets are queued, and since when the oldest is.
func (t *table) dirtyStats() (count, since int64) {
	since = never
	for i := range t.shards {
		l := t.shards[i].dirty
		n := l.count.Load()
		count += n
		if n > 0 {
			since = min(since, l.since.Load())
		}
	}
	return count, since
}
