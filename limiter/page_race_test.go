package limiter

import (
	"fmt"
	"runtime"
	"sync"
	"testing"
	"weak"

	"github.com/stretchr/testify/require"

	"gopher-equalizer/limiter/gcra"
)

// Nobody can lock the page that a split adds while its buckets are on their way: a claim would find them full, or not at all.
func TestNobodyClaimsWhileAPageSplits(t *testing.T) {
	table := newTable(gcra.NewRate(gcra.Settings{Capacity: 1000, Refill: gcra.Refill{Amount: 1, Per: 1e9}}), 1<<20)
	s := &table.shards[0]
	for range 3 {
		table.split(s)
	}
	require.Equal(t, uint32(4), s.pages.Load()) // page 0 is split next, and 4 is added, which is in another row of the directory
	const tat = int64(900e9)                    // of a clock at 0: 100 of 1000 tokens are left
	var ids []string
	for n := 0; len(ids) < 20; n++ {
		id := fmt.Sprint("client-", n)
		if hash := table.hasher.hash(id); table.shard(hash) == s && hash&7 == 4 {
			ids = append(ids, id)
			c := table.claim(id)
			c.replace(table.defaults, stored|managed, 0, func(gcra.Holding) int64 { return tat })
			c.release()
		}
	}
	var split sync.WaitGroup
	s.directory.Compute(0, func(l leaf, _ bool) (leaf, bool) { // has split stand still between two steps of its publish
		split.Go(func() { table.split(s) })
		for s.pages.Load() == 4 {
			runtime.Gosched()
		}
		high, _ := s.directory.Load(4)
		require.False(t, high.page.mu.TryLock())
		return l, false
	})
	split.Wait()
	for _, id := range ids {
		was, ok := table.find(id, 0)
		require.True(t, ok)
		require.Equal(t, tat, was.tat)
	}
}

// What a flush leaves behind keeps no version from being collected.
func TestAFlushKeepsNoVersion(t *testing.T) {
	f := newFixture(t)
	f.Take("a")
	f.mustFlush()
	c := f.table.claim("a")
	old := weak.Make(c.version)
	counted := census{rates: c.justDefaults}
	counted.count("a", c.defaults)
	f.table.rebuild(c.shard, c.leaf, counted)
	c.release()
	c = claim{}
	clear(f.store.rows)
	runtime.GC()
	require.Nil(t, old.Value())
	require.Equal(t, int64(9), f.tokens("a"))
}

// A taker that is late holds the version before the present one, and must not freeze what is about to move on.
func TestLateTakerWhileAPageMovesAgain(t *testing.T) {
	f := newFixture(t)
	var ids []string
	s := &f.table.shards[0]
	for n := 0; len(ids) < 5; n++ {
		if id := fmt.Sprint("client-", n); f.table.shardOf(id) == s {
			ids = append(ids, id)
			require.Equal(t, 10, f.admitted(id, 11))
		}
	}
	rebuild := func(into func(n int)) {
		c := f.table.claim(ids[0])
		defer c.release()
		counted := census{rates: c.justDefaults}
		for b := range c.version.live {
			counted.count(b.clientID(), c.rateOf(b))
		}
		fresh, n := newLeaf(c.page, counted), 0
		f.table.move(c.shard, []leaf{c.leaf}, func(uint64) leaf {
			n++
			into(n)
			return fresh
		}, func() { c.shard.directory.Store(c.page.number, fresh) })
	}
	late := ids[4]
	hash := f.table.hasher.hash(late)
	l := s.leaf(hash)
	b := l.find(hash, late)
	rebuild(func(int) {})
	rebuild(func(n int) {
		if n == 2 { // meanwhile the taker goes on, as in table.take
			tat, _, _ := b.take(f.table.defaults, dirty, 0)
			require.Negative(t, tat)
			l.fetch(b, hash, late)
		}
	})
	c := f.table.claim(late)
	require.NotNil(t, c.live(), "the bucket is lost")
	c.release()
	require.Equal(t, 0, f.admitted(late, 11), "of a client that has spent everything")
	require.Equal(t, int64(5), f.Stats().Buckets)
}
