package table

import (
	"sync/atomic"

	"gopher-equalizer/limiter/gcra"
)

// overflowCount is how many buckets are shared by the clients that come when the table is full.
const overflowCount = 1024

// Options are the settings of a table.
type Options struct {
	// Defaults are the settings of buckets that no operator wrote.
	Defaults gcra.Settings
	// MaxBuckets is how many buckets takers may create. Past it, clients without a bucket share
	// overflow buckets, which are never dirty or listed.
	MaxBuckets int64
	// Volatile keeps spending from making buckets dirty.
	Volatile bool
}

// Table holds the buckets of one limit.
type Table struct {
	shards [Shards]shard // first, so that they begin with a cache line
	shared
	max int64
	// mark is dirtyBit, or 0 where spending leaves no bucket dirty.
	mark int64
	// emptyUntil is when a bucket is full that started empty because a crash may have lost its row.
	emptyUntil atomic.Int64

	count         atomic.Int64
	managed       atomic.Int64
	overflow      [overflowCount]Bucket
	overflowTakes atomic.Int64
}

// New makes an empty table.
func New(o Options) *Table {
	t := &Table{shared: newShared(gcra.NewRate(o.Defaults)), max: o.MaxBuckets}
	if !o.Volatile {
		t.mark = dirtyBit
	}
	for i := range t.shards {
		t.shards[i].init(&t.shared)
	}
	for i := range t.overflow {
		t.overflow[i].arrival.Store(dirtyBit) // so that it is never queued
	}
	return t
}

// Defaults is the rate of buckets that no operator wrote.
func (t *Table) Defaults() *gcra.Rate { return t.defaults }

// locate returns the client's hash and shard.
func (t *Table) locate(clientID string) (hash uint64, s *shard) {
	hash = t.hash(clientID)
	return hash, t.shard(hash)
}

func (t *Table) shard(hash uint64) *shard { return &t.shards[hash>>(64-shardBits)] }

// overflowOf uses bits of the hash between those of shards and those of pages.
func (t *Table) overflowOf(hash uint64) *Bucket { return &t.overflow[hash>>32%overflowCount] }

// reserve counts one bucket more, if there is room. In a full table it writes nothing that takers
// share.
func (t *Table) reserve() bool {
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

// drop uncounts a bucket that the caller killed without putting another one in its place.
func (t *Table) drop(s *shard, b *Bucket) {
	s.buckets.Add(-1)
	t.count.Add(-1)
	t.countManaged(b.Has(Managed), false)
}

func (t *Table) countManaged(was, is bool) {
	if was != is {
		if is {
			t.managed.Add(1)
		} else {
			t.managed.Add(-1)
		}
	}
}

// StartEmpty makes clients without a bucket begin with what a bucket holds that is full at until.
// It does so by emptying the overflow buckets, whose content new buckets begin with. Takers and the
// reaper may be at work meanwhile.
func (t *Table) StartEmpty(until int64) {
	t.emptyUntil.Store(until)
	for i := range t.overflow {
		t.overflow[i].delay(until)
	}
}

// EmptyUntil is what StartEmpty was last called with; 0 if it wasn't.
func (t *Table) EmptyUntil() int64 { return t.emptyUntil.Load() }

// Stats counts what is in a table.
type Stats struct {
	// Buckets counts all, Managed those that operators wrote.
	Buckets, Managed int64
	// OverflowTakes counts takes from shared buckets, ever.
	OverflowTakes int64
	// Dirty counts the dirty buckets.
	Dirty int64
	// DirtySince is when the oldest queued one became dirty; Never if none is queued.
	DirtySince int64
}

// Stats counts what is in the table.
func (t *Table) Stats() Stats {
	stats := Stats{
		Buckets: t.count.Load(), Managed: t.managed.Load(), OverflowTakes: t.overflowTakes.Load(),
		DirtySince: Never,
	}
	for i := range t.shards {
		l := &t.shards[i].dirty
		n := l.count.Load()
		stats.Dirty += n
		if n > 0 {
			stats.DirtySince = min(stats.DirtySince, l.since.Load())
		}
	}
	stats.Dirty = max(0, stats.Dirty) // A taker may be about to count a bucket that a flush has uncounted already.
	return stats
}
