package table

import (
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"gopher-equalizer/limiter/gcra"
)

// overflowCount is how many buckets are shared by the clients that come when the table is full.
const overflowCount = 1024

// Options are the settings of a table.
type Options struct {
	// Defaults are the settings of buckets that no operator wrote.
	Defaults gcra.Settings
	// Tiers are the settings that managed buckets can follow, by name.
	Tiers map[string]gcra.Settings
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
	// mark is dirtyBit, or 0 where spending leaves no bucket dirty.
	mark int64
	// emptyUntil is when a bucket is full that started empty because a crash may have lost its row.
	emptyUntil atomic.Int64

	max           atomic.Int64
	count         atomic.Int64
	managed       atomic.Int64
	overflow      [overflowCount]Bucket
	overflowTakes atomic.Int64

	overflowing sync.Mutex // held while an overflow bucket follows other numbers

	renewing sync.Mutex   // held by Renew
	hurried  atomic.Int32 // how many want the one under way to make no pauses
}

// New makes an empty table.
func New(o Options) *Table {
	t := &Table{}
	t.shared.init(newNumbers(o.Defaults, o.Tiers))
	t.max.Store(o.MaxBuckets)
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

// Defaults is the present rate of buckets that no operator wrote.
func (t *Table) Defaults() *gcra.Rate { return &t.numbers.Load().defaults }

// Tier is the present rate of a tier's buckets: that of Defaults, with the tier's name, if there is
// no such tier.
func (t *Table) Tier(name string) *gcra.Rate { return t.numbers.Load().tier(name) }

// TierNames are those of the tiers that any bucket has been in, or that there are.
func (t *Table) TierNames() []string {
	return slices.Collect(maps.Keys(*t.numbers.Load().tiers.Load()))
}

// SetMax sets Options.MaxBuckets. Buckets that there are stay.
func (t *Table) SetMax(buckets int64) { t.max.Store(buckets) }

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
		if n >= t.max.Load() {
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
		t.delay(&t.overflow[i], until)
	}
}

// delay makes an overflow bucket full no earlier than at tat.
func (t *Table) delay(b *Bucket, tat int64) {
	for {
		t.renewOverflow(b)
		was := b.arrival.Load()
		era := t.numbers.Load().era
		if was&eraBit == era && (was>>tatShift >= tat || b.arrival.CompareAndSwap(was, tat<<tatShift|was&dirtyBit|era)) {
			return
		}
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
