package limiter

import (
	"sync/atomic"
	"time"

	"gopher-equalizer/limiter/gcra"
)

// overflowCount buckets are shared by the clients that come past the cap.
const overflowCount = 1024

// table holds the buckets. Taking from one that is there, dirty marks included, takes no lock.
type table struct {
	defaults *gcra.Rate
	// justDefaults are the rates of most pages.
	justDefaults *[]*gcra.Rate
	max          int64
	// mark is dirty, or 0 where spending leaves no bucket dirty.
	mark int64
	// emptyUntil is when a bucket that started empty, since a crash may have forgotten its client, would be full. A late load sets it while the
	// reaper reads it.
	emptyUntil atomic.Int64
	hasher     hasher
	shards     [shardCount]shard

	count         atomic.Int64
	managed       atomic.Int64
	overflow      [overflowCount]bucket
	overflowTakes atomic.Int64
}

func newTable(defaults *gcra.Rate, maxBuckets int64) *table {
	t := &table{defaults: defaults, justDefaults: &[]*gcra.Rate{defaults}, max: maxBuckets, mark: dirty, hasher: newHasher()}
	for i := range t.shards {
		t.shards[i].init(t)
	}
	for i := range t.overflow {
		t.overflow[i].arrival.Store(dirty) // never stored: what is marked already is not queued
	}
	return t
}

// shard goes by the hash's upper bits.
func (t *table) shard(hash uint64) *shard { return &t.shards[hash>>(64-shardBits)] }

// overflowOf goes by bits between those and the ones of pages.
func (t *table) overflowOf(hash uint64) *bucket { return &t.overflow[hash>>32%overflowCount] }

// take spends one of the client's tokens. clientID may alias a buffer: it is copied
// before it is kept.
func (t *table) take(clientID string, now int64) Decision {
	hash := t.hasher.hash(clientID)
	s := t.shard(hash)
	for {
		l := s.leaf(hash)
		b := l.find(hash, clientID)
		if b == nil {
			b, l = t.admit(clientID, now)
		}
		r := l.rateOf(b, t.defaults)
		tat, allowed, marked := b.take(r, t.mark, now)
		if tat < 0 {
			l.fetch(b, hash, clientID)
			continue
		}
		if marked != 0 {
			s.dirty.add(l.page, now)
		}
		return decision(r, allowed, tat, now)
	}
}

// admit finds the bucket of a client that seems to have none, makes it, or hands out a shared one past the cap.
// A client that comes out of overflow starts with what its overflow bucket holds.
func (t *table) admit(clientID string, now int64) (*bucket, leaf) {
	c := t.claim(clientID)
	defer c.release()
	if b := c.live(); b != nil {
		return b, c.leaf
	}
	shared := t.overflowOf(c.hash)
	if !t.reserve() {
		t.overflowTakes.Add(1)
		return shared, c.leaf
	}
	b := c.create(t.defaults, 0, max(now, shared.tat()))
	return b, c.leaf
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

// sight is a bucket as it was at a moment.
type sight struct {
	bucket *bucket
	rate   *gcra.Rate
	tat    int64
}

// find is the client's bucket if it exists at now.
func (t *table) find(clientID string, now int64) (seen sight, ok bool) {
	c := t.claim(clientID)
	defer c.release()
	b := c.live()
	if b == nil {
		return sight{}, false
	}
	seen = sight{b, c.rateOf(b), b.tat()}
	return seen, b.exists(seen.tat, now)
}

// snapshot is what was seen, at now; wall is the time of day then.
func (s sight) snapshot(now int64, wall time.Time) Snapshot {
	return Snapshot{
		ClientID: s.bucket.clientID(), Settings: s.rate.Settings, Managed: s.bucket.has(managed),
		Tokens: s.rate.Credit(s.tat, now) / s.rate.Interval, LastRefill: wall,
	}
}

// remove takes the client's bucket away, if there is one.
func (t *table) remove(clientID string, now int64) {
	c := t.claim(clientID)
	defer c.release()
	c.remove(now)
}

// drop counts a bucket that the caller killed, and puts none in its place.
func (t *table) drop(s *shard, b *bucket) {
	s.buckets.Add(-1)
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

// each calls f with every bucket that exists at now, once, in no order. Each page is locked meanwhile, and no bucket moves to another one, so
// f misses none that is there throughout.
func (t *table) each(now int64, f func(*bucket)) {
	for i := range t.shards {
		t.shards[i].each(now, f)
	}
}

func (s *shard) each(now int64, f func(*bucket)) {
	s.shape.Lock()
	defer s.shape.Unlock()
	for number := range s.pages.Load() {
		l := s.lockPage(number)
		for b := range l.live {
			if b.exists(b.tat(), now) {
				f(b)
			}
		}
		l.page.mu.Unlock()
	}
}
