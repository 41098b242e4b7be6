package limiter

import (
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"gopher-equalizer/limiter/gcra"
)

// A store that comes late, after a crash of a strict run and a stop soon after that, has the time
// from which on buckets are full. The reaper and takers past the cap may be at work then.
func TestLateLoadWhileTheReaperReaps(t *testing.T) {
	f := newFixture(t)
	f.clock.advance(time.Hour)
	f.store.spaces[1] = Namespace{ID: 1, LimitName: "default", Stopped: f.clock.Wall().Add(5 * time.Minute)}
	o := f.options()
	o.LoadLater, o.MaxBuckets = true, 1
	f.reopen(o)
	c := f.table.Claim("full")
	c.Replace(f.table.Defaults(), 0, 0, func(*gcra.Rate, gcra.Holding) int64 { return 0 })
	c.Release()
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
	require.Equal(t, f.clock.Monotonic()+int64(5*time.Minute), f.table.EmptyUntil())
	require.GreaterOrEqual(t, f.table.Take("past the cap", 1, f.clock.Monotonic()).TAT, f.table.EmptyUntil())
	require.Zero(t, f.admitted("past the cap", 1))
}
