package table

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"gopher-equalizer/limiter/gcra"
)

// inOneShard makes client_ids of shard 0, of all lengths. They are enough that some have the same
// control byte and begin their probe at the same group.
func inOneShard(t *rapid.T, tab *Table, n int) []string {
	ids := rapid.SliceOfNDistinct(rapid.StringN(1, 40, -1), 1, n, rapid.ID).Draw(t, "clients")
	for i, id := range ids {
		for n := 0; tab.shardOf(ids[i]) != &tab.shards[0]; n++ {
			ids[i] = fmt.Sprint(id, ".", n)
		}
	}
	return slices.Compact(slices.Sorted(slices.Values(ids)))
}

// held is what a bucket holds.
type held struct {
	rate  *gcra.Rate
	tat   int64
	marks Mark
	dirty bool
}

func heldBy(c *Claim, b *Bucket) held {
	return held{c.Observe(b).Rate, b.TAT(), Mark(b.marks.Load() &^ lengthMask), b.IsDirty()}
}

// A page that grows, splits and merges is a map of its clients, each with its own settings, tokens
// and marks, also if they share control bytes, groups and numbers of pages.
func TestPagesAreAMap(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		tab := newTable(one(10, time.Second), 100_000)
		s, crowd, want := &tab.shards[0], inOneShard(rt, tab, 120), map[string]held{}
		rates := []*gcra.Rate{tab.Defaults(), gcra.NewRate(one(20, time.Second)), gcra.NewRate(one(30, time.Second))}
		for range rapid.IntRange(1, 200).Draw(rt, "steps") {
			id := rapid.SampledFrom(crowd).Draw(rt, "client")
			c := tab.Claim(id)
			switch step := rapid.IntRange(0, 9).Draw(rt, "step"); step {
			case 0:
				c.Remove()
				delete(want, id)
			case 1, 2:
				if h, ok := want[id]; ok {
					c.MarkDirty(c.Live(), 0)
					h.dirty = true
					want[id] = h
				}
			case 3, 4: // below
			default:
				h := held{
					rate: rapid.SampledFrom(rates).Draw(rt, "rate"), tat: rapid.Int64Range(0, 1<<60).Draw(rt, "tat"),
					marks: rapid.SampledFrom([]Mark{0, Stored, Managed, Stored | Managed | Mark(limitMarks(1<<40, tab.numbers.Load()))}).Draw(rt, "marks"),
				}
				if h.marks&Managed == 0 {
					h.rate = rates[0]
				}
				c.Replace(h.rate, h.marks, 0, func(*gcra.Rate, gcra.Holding) int64 { return h.tat })
				want[id] = h
			}
			c.Release()
			if rapid.IntRange(0, 9).Draw(rt, "shape") == 0 {
				s.split()
			} else if s.pages.Load() > 1 && rapid.IntRange(0, 9).Draw(rt, "shape") == 0 {
				s.merge()
			}
		}
		holdsExactly(rt, tab, crowd, want)
	})
}

func holdsExactly(t *rapid.T, tab *Table, crowd []string, want map[string]held) {
	s, got, dirtyOnes := &tab.shards[0], map[string]held{}, 0
	for _, id := range crowd {
		c := tab.Claim(id)
		if b := c.Live(); b != nil {
			require.Equal(t, id, b.ClientID())
			got[id] = heldBy(&c, b)
			if got[id].dirty {
				dirtyOnes++
			}
		}
		c.Release()
	}
	require.Equal(t, want, got)
	require.Equal(t, int64(len(want)), s.buckets.Load())
	require.Equal(t, int64(dirtyOnes), s.dirty.count.Load())
	var queued []string
	for r := s.takeDirty(); len(r.refs) > 0; {
		id := r.pop().ClientID()
		queued = append(queued, id)
		require.True(t, want[id].dirty)
	}
	require.Len(t, queued, dirtyOnes, "each is queued, and once")
	listed := 0
	tab.Each(-1, func(*Bucket) { listed++ })
	require.Len(t, want, listed)
}
