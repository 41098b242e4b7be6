package limiter

import (
	"math"
	"slices"
	"strings"
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

// takeAll empties the list into dst. The buckets stay marked.
func (l *dirtyList) takeAll(dst []*bucket) []*bucket {
	l.since.Store(never)
	n := len(dst)
	for b := l.head.Swap(nil); b != nil; {
		next := b.next
		b.next = nil // keeps no dead bucket alive
		dst = append(dst, b)
		b = next
	}
	l.count.Add(int64(n - len(dst)))
	return dst
}

// takeDirty empties every shard's list; the buckets are in the order of their client_ids,
// which is the order that stores write fastest.
func (t *table) takeDirty() []*bucket {
	var all []*bucket
	for i := range t.shards {
		all = t.shards[i].dirty.takeAll(all)
	}
	slices.SortFunc(all, func(a, b *bucket) int { return strings.Compare(a.clientID(), b.clientID()) })
	return all
}

// redirty queues a bucket whose mark was cleared, and whose value then wasn't stored. A taker may have
// queued it meanwhile; it has been dirty for longer than that.
func (t *table) redirty(b *bucket, since int64) {
	l := t.shardOf(b.clientID()).dirty
	l.add(b, since)
	l.noteSince(since)
}

// putBack queues buckets that takeDirty gave and that are still marked.
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
