package limiter

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"gopher-equalizer/limiter/gcra"
)

// inOneShard makes client_ids of a shard that all are in, of all lengths: so many that there are among them some whose tags and
// places are the same.
func inOneShard(t *rapid.T, table *table, n int) []string {
	ids := rapid.SliceOfNDistinct(rapid.StringN(1, 40, -1), 1, n, rapid.ID).Draw(t, "clients")
	for i, id := range ids {
		for n := 0; table.shardOf(ids[i]) != &table.shards[0]; n++ {
			ids[i] = fmt.Sprint(id, ".", n)
		}
	}
	return slices.Compact(slices.Sorted(slices.Values(ids)))
}

// held is what a bucket holds.
type held struct {
	rate  *gcra.Rate
	tat   int64
	marks uint64
	dirty bool
}

func heldBy(c *claim, b *bucket) held {
	return held{c.rateOf(b), b.tat(), b.marks.Load() &^ lengthMask, b.isDirty()}
}

// A page, however it grows, splits and merges, holds the clients that were put into it, as a map does, each with its own
// settings, tokens and marks; whatever tags, homes and numbers of pages they have in common.
func TestPagesAreAMap(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		table := newTable(gcra.NewRate(gcra.Settings{Capacity: 10, Refill: gcra.Refill{Amount: 1, Per: 1e9}}), 100_000)
		s, crowd, want := &table.shards[0], inOneShard(rt, table, 120), map[string]held{}
		rates := []*gcra.Rate{table.defaults, gcra.NewRate(gcra.Settings{Capacity: 20, Refill: gcra.Refill{Amount: 1, Per: 1e9}}), gcra.NewRate(gcra.Settings{Capacity: 30, Refill: gcra.Refill{Amount: 1, Per: 1e9}})}
		for range rapid.IntRange(1, 200).Draw(rt, "steps") {
			id := rapid.SampledFrom(crowd).Draw(rt, "client")
			c := table.claim(id)
			switch step := rapid.IntRange(0, 9).Draw(rt, "step"); step {
			case 0:
				c.remove(0)
				delete(want, id)
			case 1, 2:
				if h, ok := want[id]; ok {
					c.soil(c.live(), 0)
					h.dirty = true
					want[id] = h
				}
			case 3, 4: // below
			default:
				h := held{
					rate: rapid.SampledFrom(rates).Draw(rt, "rate"), tat: rapid.Int64Range(0, 1<<61).Draw(rt, "tat"),
					marks: rapid.SampledFrom([]uint64{0, stored, managed, stored | managed | limitMarks(1<<40)}).Draw(rt, "marks"),
				}
				c.replace(h.rate, h.marks, 0, func(gcra.Holding) int64 { return h.tat })
				want[id] = h
			}
			c.release()
			if rapid.IntRange(0, 9).Draw(rt, "shape") == 0 {
				table.split(s)
			} else if s.pages.Load() > 1 && rapid.IntRange(0, 9).Draw(rt, "shape") == 0 {
				table.merge(s)
			}
		}
		holdsExactly(rt, table, crowd, want)
	})
}

func holdsExactly(t *rapid.T, table *table, crowd []string, want map[string]held) {
	s, got, dirtyOnes := &table.shards[0], map[string]held{}, 0
	for _, id := range crowd {
		c := table.claim(id)
		if b := c.live(); b != nil {
			require.Equal(t, id, b.clientID())
			got[id] = heldBy(&c, b)
			if got[id].dirty {
				dirtyOnes++
			}
		}
		c.release()
	}
	require.Equal(t, want, got)
	require.Equal(t, int64(len(want)), s.buckets.Load())
	require.Equal(t, int64(dirtyOnes), s.dirty.count.Load())
	var queued []string
	for r := s.takeDirty(); len(r.places) > 0; {
		id := r.next().clientID()
		queued = append(queued, id)
		require.True(t, want[id].dirty)
	}
	require.Len(t, queued, dirtyOnes, "each is queued, and once")
	listed := 0
	table.each(-1, func(*bucket) { listed++ })
	require.Len(t, want, listed)
}

// While pages grow, split and merge around them, takers of known clients spend exactly what there is, and all of it is
// dirty.
func TestTakesWhilePagesMove(t *testing.T) {
	f := newFixture(t)
	o := f.options()
	o.Settings, o.MaxBuckets = gcra.Settings{Capacity: 600_000, Refill: gcra.Refill{Amount: 1, Per: time.Hour}}, 1<<20
	f.reopen(o)
	const known, each, crowd = 50, 20_000, 30_000
	var takers, crowds sync.WaitGroup
	done := make(chan struct{})
	for taker := range 2 {
		takers.Go(func() {
			for n := range each {
				assert.True(t, f.Take(fmt.Sprint("known-", (n+taker)%known)).Allowed)
			}
		})
	}
	crowds.Go(func() {
		for round := 0; ; round++ {
			for n := range crowd {
				select {
				case <-done:
					return
				default:
				}
				f.Take(fmt.Sprint("crowd-", n))
			}
			for n := range crowd {
				f.table.remove(fmt.Sprint("crowd-", n), f.clock.Monotonic())
			}
			f.reapAll() // merges pages
		}
	})
	crowds.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
				assert.NoError(t, f.flush(context.Background(), 0))
			}
		}
	})
	takers.Wait()
	close(done)
	crowds.Wait()
	f.mustFlush()
	rows, spent := f.store.all(), int64(0)
	for n := range known {
		id := fmt.Sprint("known-", n)
		spent += 600_000 - f.tokens(id)
		require.Equal(t, float64(f.tokens(id)), rows[id].Tokens, "no spending stays behind")
	}
	require.Equal(t, int64(2*each), spent)
}

// A table that had many clients gives their memory back, and their pages.
func TestReapGivesPagesBack(t *testing.T) {
	f := newFixture(t)
	o := f.options()
	o.MaxBuckets, o.Volatile = 1<<20, true
	f.reopen(o)
	pages := func() (n uint32) {
		for i := range f.table.shards {
			n += f.table.shards[i].pages.Load()
		}
		return n
	}
	for n := range 100_000 {
		f.Take(fmt.Sprint("client-", n))
	}
	require.InEpsilon(t, 100_000/pageFill, pages(), 0.1)
	f.clock.advance(time.Hour)
	f.reapAll()
	require.Zero(t, f.Stats().Buckets)
	require.Equal(t, uint32(shardCount), pages())
	require.Equal(t, 10, f.admitted("client-7", 11))
}

// Whoever moves a page may be interrupted once the new one is published: a taker then moves its client's bucket itself, and
// waits for nobody. Who found the bucket before finds it frozen.
func TestTakersMoveTheirBucketsThemselves(t *testing.T) {
	f := newFixture(t)
	f.admitted("a", 2)
	f.Take("b")
	c := f.table.claim("a")
	before := c.live()
	counted := census{rates: c.justDefaults}
	for b := range c.version.live {
		counted.count(b.clientID(), c.rateOf(b))
	}
	fresh := newLeaf(c.page, counted)
	f.table.move(c.shard, []leaf{c.leaf}, func(uint64) leaf { return fresh }, func() {
		c.shard.directory.Store(c.page.number, fresh)
		assert.Equal(t, int64(7), f.Take("a").Remaining, "the page is locked, by nobody who goes on")
		assert.Equal(t, int64(6), f.Take("a").Remaining)
		tat, allowed, _ := before.take(c.defaults, dirty, 0)
		assert.Negative(t, tat)
		assert.False(t, allowed)
	})
	c.page.mu.Unlock()
	assert.Equal(t, int64(6), f.tokens("a"))
	assert.Equal(t, int64(9), f.tokens("b"))
	f.mustFlush()
	assert.Equal(t, 6.0, f.store.all()["a"].Tokens)
	assert.Zero(t, f.Stats().Dirty)
}
