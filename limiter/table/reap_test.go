package table

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"gopher-equalizer/limiter/gcra"
)

// A page whose buckets are mostly dead gives their memory back, however they died and whatever
// happened to other pages of the shard.
func TestReapRebuildsPagesThatAreMostlyDead(t *testing.T) {
	tab := newTable(one(10, time.Minute), 1000)
	s := &tab.shards[0]
	ids := tab.clientsOf(s, pageFill)
	for _, id := range ids {
		c := tab.Claim(id)
		c.Replace(tab.Defaults(), Managed|Stored, 0, func(*gcra.Rate, gcra.Holding) int64 { return 0 })
		c.Release()
	}
	require.Equal(t, uint32(1), s.pages.Load())
	for _, id := range ids[10:] {
		tab.Remove(id)
	}
	before := s.entry(0)
	tab.reapAll(0)
	after := s.entry(0)
	require.Less(t, after.groups, before.groups/2)
	tab.reapAll(0)
	require.Equal(t, after, s.entry(0), "there is nothing more to give back")
	for _, id := range ids[:10] {
		require.Equal(t, 10, tab.admitted(id, 11, 0))
	}
}

// A table that had many clients gives their memory back, and their pages.
func TestReapGivesPagesBack(t *testing.T) {
	tab := New(Options{Defaults: one(10, time.Minute), MaxBuckets: 1 << 20, Volatile: true})
	pages := func() (n uint32) {
		for i := range tab.shards {
			n += tab.shards[i].pages.Load()
		}
		return n
	}
	for n := range 20_000 {
		tab.Take(fmt.Sprint("client-", n), 1, 0)
	}
	require.InEpsilon(t, 20_000/pageFill, pages(), 0.1)
	now := int64(time.Hour)
	tab.reapAll(now)
	require.Zero(t, tab.Stats().Buckets)
	require.Equal(t, uint32(Shards), pages())
	require.Equal(t, 10, tab.admitted("client-7", 11, now))
}
