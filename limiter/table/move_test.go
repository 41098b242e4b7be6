package table

import (
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/limiter/gcra"
)

// Nobody can lock the page that a split adds while its buckets move: a claim would find them full,
// or not at all.
func TestNobodyClaimsWhileAPageSplits(t *testing.T) {
	tab := newTable(one(1000, time.Second), 1<<20)
	s := &tab.shards[0]
	for range 3 {
		s.split()
	}
	// Page 0 is split next, and 4 is added, which is in another row of the directory.
	require.Equal(t, uint32(4), s.pages.Load())
	const tat = int64(900e9) // of a clock at 0: 100 of 1000 tokens are left
	var ids []string
	for _, id := range tab.clientsOf(s, 200) {
		if tab.hash(id)&7 == 4 {
			ids = append(ids, id)
			c := tab.Claim(id)
			c.Replace(tab.Defaults(), Stored|Managed, 0, func(*gcra.Rate, gcra.Holding) int64 { return tat })
			c.Release()
		}
	}
	require.NotEmpty(t, ids)
	var split sync.WaitGroup
	// The split is stopped between two steps of its publish.
	s.directory.Compute(0, func(e entry, _ bool) (entry, bool) {
		split.Go(s.split)
		for s.pages.Load() == 4 {
			runtime.Gosched()
		}
		high, _ := s.directory.Load(4)
		require.False(t, high.page.mu.TryLock())
		return e, false
	})
	split.Wait()
	for _, id := range ids {
		was, ok := tab.Find(id, 0)
		require.True(t, ok)
		require.Equal(t, tat, was.TAT)
	}
}

// moveAgain moves a client's page. Each time a bucket has been made ready, it calls during with how
// many are.
func moveAgain(tab *Table, clientID string, during func(n int)) {
	c := tab.Claim(clientID)
	defer c.Release()
	fresh, n := newEntry(c.entry.page, c.shard.needsOf(c.entry)), 0
	c.shard.move([]entry{c.entry}, func(uint64) entry {
		n++
		during(n)
		return fresh
	}, func() { c.shard.directory.Store(c.entry.page.number, fresh) })
}

// A flusher needs no claim to mark a bucket as Stored. The mark goes with a bucket that is moving,
// also if a taker moves it.
func TestBucketsAreStoredWhileAPageMoves(t *testing.T) {
	for name, id := range map[string]string{"short": "client-1", "long": "a client_id that has no room in its slot"} {
		t.Run(name, func(t *testing.T) {
			tab := newTable(one(10, time.Minute), 1000)
			tab.Take(id, 1, 1)
			b := tab.TakeDirty().Next(1)[0]
			seen, ok := tab.DirtyAsSeen(b)
			require.True(t, ok)
			require.False(t, b.Has(Stored))
			c := tab.Claim(id)
			fresh := newEntry(c.entry.page, c.shard.needsOf(c.entry))
			c.shard.move([]entry{c.entry}, func(uint64) entry { return fresh }, func() {
				c.shard.directory.Store(c.entry.page.number, fresh)
				require.True(t, tab.CleanAsSeen(seen), "nobody has frozen it yet")
				tab.Take(id, 1, 1) // which moves it before move does
			})
			c.Release()
			require.False(t, tab.CleanAsSeen(seen), "it has moved")
			tab.Update(id, func(_ *Claim, is *Bucket) {
				require.NotSame(t, b, is)
				require.True(t, is.Has(Stored))
				require.True(t, is.IsDirty(), "by the second take")
			})
			require.EqualValues(t, 1, tab.Stats().Dirty)
		})
	}
}

// A late taker holds the slab before the present one. It must not freeze a bucket that is about to
// move on.
func TestLateTakerWhileAPageMovesAgain(t *testing.T) {
	tab := newTable(one(10, time.Minute), 1000)
	s := &tab.shards[0]
	ids := tab.clientsOf(s, 5)
	for _, id := range ids {
		require.Equal(t, 10, tab.admitted(id, 11, 0))
	}
	late := ids[4]
	hash := tab.hash(late)
	e := s.entry(hash)
	b := e.find(hash, late)
	moveAgain(tab, ids[0], func(int) {})
	moveAgain(tab, ids[0], func(n int) {
		if n == 2 { // Meanwhile the taker goes on, as in Take.
			require.Negative(t, b.arrival.Load())
			e.fetch(b, hash, late)
		}
	})
	_, ok := tab.Find(late, 0)
	require.True(t, ok, "the bucket is lost")
	require.Equal(t, 0, tab.admitted(late, 11, 0), "of a client that has spent everything")
	require.Equal(t, int64(5), tab.Stats().Buckets)
}

// A move may be interrupted once the new slab is published. A taker then moves its client's bucket
// itself, and waits for nobody. A taker that found the bucket before finds it frozen.
func TestTakersMoveTheirBucketsThemselves(t *testing.T) {
	tab := newTable(one(10, time.Minute), 1000)
	tab.admitted("a", 2, 0)
	tab.admitted("b", 1, 0)
	left := func(taken Taken) int64 { return taken.Rate.Whole(taken.Rate.Credit(taken.TAT, 0)) }
	c := tab.Claim("a")
	before := c.Live()
	fresh := newEntry(c.entry.page, c.shard.needsOf(c.entry))
	c.shard.move([]entry{c.entry}, func(uint64) entry { return fresh }, func() {
		c.shard.directory.Store(c.entry.page.number, fresh)
		assert.Equal(t, int64(7), left(tab.Take("a", 1, 0)), "the page is locked, by nobody who goes on")
		assert.Equal(t, int64(6), left(tab.Take("a", 1, 0)))
		assert.Negative(t, before.arrival.Load())
	})
	c.entry.page.mu.Unlock()
	assert.Equal(t, int64(6), tab.tokens("a", 0))
	assert.Equal(t, int64(9), tab.tokens("b", 0))
	assert.Equal(t, []string{"a", "b"}, tab.clean(tab.TakeDirty().Rest()))
	assert.Zero(t, tab.Stats().Dirty)
}
