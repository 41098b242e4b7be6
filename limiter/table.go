package limiter

import (
	"math/bits"
	"runtime"
	"sync/atomic"

	"github.com/puzpuzpuz/xsync/v3"
)

// shardCapacity is how many buckets a shard holds at max_buckets. A map that grows makes its writers wait, new clients
// that is: many small maps make fewer of them wait, and for less long. Too many don't fit into the first cache. A map has a power of two of rows of 64 bytes,
// and doubles them at 3.75 buckets a row: 60,000 buckets are a little below that at 16,384 rows, so that
// the maps are at their densest when the table is full.
const shardCapacity, minShardCapacity = 60_000, 100

// A table has minShards, unless it is for very few buckets, and maxShards at most.
const minShards, maxShards = 64, 512

func shardsFor(maxBuckets int64) int64 {
	capacity := int64(shardCapacity)
	for maxBuckets/capacity < minShards && capacity/2 >= minShardCapacity {
		capacity /= 2
	}
	return min(maxShards, (maxBuckets+capacity-1)/capacity)
}

// overflowCount buckets are shared by the clients that come past the cap.
const overflowCount = 1024

// table holds the buckets. Looking up, taking and marking dirty take no lock.
type table struct {
	defaults *rate
	max      int64
	// volatile has spending leave no bucket dirty.
	volatile bool
	// emptyUntil is when a bucket that started empty, since a crash may have forgotten its client, would be full.
	emptyUntil int64
	hasher     hasher
	shards     []shard

	count         atomic.Int64
	managed       atomic.Int64
	overflow      [overflowCount]bucket
	overflowTakes atomic.Int64
}

// shard is small: what every take goes by fits into the first cache.
type shard struct {
	buckets *xsync.MapOf[string, *bucket]
	dirty   *dirtyList
}

func newTable(defaults *rate, maxBuckets int64) *table {
	t := &table{defaults: defaults, max: maxBuckets, hasher: newHasher(), shards: make([]shard, shardsFor(maxBuckets))}
	for i := range t.shards {
		t.shards[i].buckets = xsync.NewMapOfWithHasher[string, *bucket](t.hasher.ofMap)
		t.shards[i].dirty = newDirtyList()
	}
	for i := range t.overflow {
		t.overflow[i].rate = defaults
		t.overflow[i].set(dirty) // never stored: what is marked already is not queued
	}
	return t
}

// shard goes by the hash's upper bits; its map goes by the lower ones.
func (t *table) shard(hash uint64) *shard {
	i, _ := bits.Mul64(hash, uint64(len(t.shards)))
	return &t.shards[i]
}

func (t *table) shardOf(clientID string) *shard { return t.shard(t.hasher.hash(clientID)) }

// overflowOf goes by bits between those.
func (t *table) overflowOf(hash uint64) *bucket { return &t.overflow[hash>>32%overflowCount] }

// take spends one of the client's tokens. clientID may alias a buffer: it is copied
// before it is kept.
func (t *table) take(clientID string, now int64) Decision {
	hash := t.hasher.hash(clientID)
	s := t.shard(hash)
	for {
		b, ok := s.buckets.Load(clientID)
		if !ok {
			b = t.admit(s, hash, clientID, now)
		}
		tat, allowed := b.take(now)
		if tat == dead {
			runtime.Gosched() // whoever killed it is about to replace or remove it
			continue
		}
		if allowed && !t.volatile && !b.has(dirty) {
			s.dirty.add(b, now)
		}
		return b.rate.decision(allowed, tat, now)
	}
}

// admit makes the bucket of a client that has none, or hands out a shared one past the cap.
// A client that comes out of overflow starts with what its overflow bucket holds.
func (t *table) admit(s *shard, hash uint64, clientID string, now int64) *bucket {
	shared := t.overflowOf(hash)
	if !t.reserve() {
		t.overflowTakes.Add(1)
		return shared
	}
	fresh := newBucket(clientID, t.defaults, max(now, shared.arrival.Load()), false)
	b, loaded := s.buckets.LoadOrStore(fresh.clientID(), fresh)
	if loaded {
		t.count.Add(-1)
	}
	return b
}

// reserve counts one bucket more, if there may be one more. Past the cap it writes nothing that takers share.
func (t *table) reserve() bool {
	for {
		n := t.count.Load()
		if n >= t.max {
			return false
		}
		if t.count.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

// find is the client's bucket if it exists at now, with the arrival time at which it was seen.
func (t *table) find(clientID string, now int64) (b *bucket, tat int64, ok bool) {
	s := t.shardOf(clientID)
	for {
		b, ok := s.buckets.Load(clientID)
		if !ok {
			return nil, 0, false
		}
		if tat := b.arrival.Load(); tat != dead {
			return b, tat, b.exists(tat, now)
		}
		runtime.Gosched()
	}
}

// replace puts a bucket where the client's present one was, if any. arrival is given what that
// held at its end, and says what the arrival time of the new one is to be.
// Callers hold the write lock, so that only takers and the reaper are at work meanwhile.
func (t *table) replace(clientID string, r *rate, isManaged bool, now int64, arrival func(was holding) int64) *bucket {
	s := t.shardOf(clientID)
	for {
		old, ok := s.buckets.Load(clientID)
		if !ok {
			fresh := newBucket(clientID, r, arrival(holding{at: now}), isManaged)
			if _, loaded := s.buckets.LoadOrStore(fresh.clientID(), fresh); loaded {
				continue // a taker was faster: its bucket is the one to replace
			}
			t.count.Add(1)
			t.countManaged(false, isManaged)
			return fresh
		}
		was, ok := old.kill(now)
		if !ok {
			runtime.Gosched() // the reaper is removing it
			continue
		}
		fresh := newBucket(clientID, r, arrival(was), isManaged)
		s.buckets.Store(fresh.clientID(), fresh)
		t.countManaged(old.has(managed), isManaged)
		return fresh
	}
}

// remove kills the client's bucket, if any, and takes it out.
func (t *table) remove(clientID string, now int64) {
	s := t.shardOf(clientID)
	for {
		b, ok := s.buckets.Load(clientID)
		if !ok {
			return
		}
		if _, ok := b.kill(now); ok {
			t.drop(s, b)
			return
		}
		runtime.Gosched()
	}
}

// drop takes a bucket that the caller killed out of its map.
func (t *table) drop(s *shard, b *bucket) {
	s.buckets.Compute(b.clientID(), func(current *bucket, loaded bool) (*bucket, bool) {
		return current, !loaded || current == b
	})
	t.count.Add(-1)
	t.countManaged(b.has(managed), false)
}

func (t *table) countManaged(was, is bool) {
	if was != is {
		if is {
			t.managed.Add(1)
		} else {
			t.managed.Add(-1)
		}
	}
}

// reap drops the buckets of one shard that hold nothing. One that has a row in the store
// is queued for the flush instead, which deletes the row: a later reap drops it. One with
// a limit is queued too, since a full one needs none.
func (t *table) reap(s *shard, now int64) {
	s.buckets.Range(func(_ string, b *bucket) bool {
		switch {
		case b.has(dirty) || b.arrival.Load() > now:
		case b.has(limited):
			s.dirty.add(b, now)
		case b.has(managed):
		case now < t.emptyUntil: // its client would start over with less
		case b.has(stored):
			s.dirty.add(b, now)
		case b.killIfFull(now):
			t.drop(s, b)
		}
		return true
	})
}

// each calls f with every bucket that exists at now, in no order. One that is replaced at that
// moment is looked up again: f misses none that is there throughout.
func (t *table) each(now int64, f func(*bucket)) {
	for i := range t.shards {
		t.shards[i].buckets.Range(func(clientID string, b *bucket) bool {
			tat, ok := b.arrival.Load(), true
			if tat == dead {
				b, tat, ok = t.find(clientID, now)
			}
			if ok && b.exists(tat, now) {
				f(b)
			}
			return true
		})
	}
}
