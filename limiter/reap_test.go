package limiter

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A page of which most buckets are dead gives their memory back, however they died, and whatever came to other pages of the shard.
func TestReapRebuildsPagesThatAreMostlyDead(t *testing.T) {
	f := newFixture(t)
	s := &f.table.shards[0]
	var ids []string
	for n := 0; len(ids) < pageFill; n++ {
		if id := fmt.Sprint("client-", n); f.table.shardOf(id) == s {
			ids = append(ids, id)
			_, err := f.Create(context.Background(), id, Change{})
			require.NoError(t, err)
		}
	}
	f.mustFlush()
	require.Equal(t, uint32(1), s.pages.Load())
	for _, id := range ids[10:] {
		require.NoError(t, errorOf(f.Delete(context.Background(), id)))
	}
	before := s.leaf(0)
	f.reapAll()
	after := s.leaf(0)
	require.Less(t, after.words, before.words/2)
	f.reapAll()
	require.Equal(t, after, s.leaf(0), "there is nothing more to give back")
	for _, id := range ids[:10] {
		require.Equal(t, 10, f.admitted(id, 11))
	}
}

// A store that comes late, after a crash of a strict run and a stop soon after that, says from when on buckets are full. The reaper may be at
// it, and takers past the cap.
func TestLateLoadWhileTheReaperReaps(t *testing.T) {
	f := newFixture(t)
	f.clock.advance(time.Hour)
	f.store.stopped = f.clock.Wall().Add(5 * time.Minute)
	o := f.options()
	o.LoadLater, o.MaxBuckets = true, 1
	f.reopen(o)
	f.table.reserve()
	c := f.table.claim("full")
	c.create(f.table.defaults, 0, 0)
	c.release()
	const takes = 1000
	var others sync.WaitGroup
	others.Go(f.reapAll)
	admitted := 0
	others.Go(func() {
		for range takes {
			admitted += f.admitted("past the cap", 1)
		}
	})
	f.mustFlush()
	others.Wait()
	require.GreaterOrEqual(t, admitted, 5)
	require.LessOrEqual(t, admitted, 10)
	require.Equal(t, f.clock.Monotonic()+int64(5*time.Minute), f.table.emptyUntil.Load())
	shared := f.table.overflowOf(f.table.hasher.hash("past the cap"))
	require.GreaterOrEqual(t, shared.tat(), f.table.emptyUntil.Load())
	require.Zero(t, f.admitted("past the cap", 1))
}
