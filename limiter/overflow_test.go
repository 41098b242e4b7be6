package limiter

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"gopher-equalizer/limiter/gcra"
	"gopher-equalizer/limiter/table"
)

// Past the cap, no client is admitted more than capacity + refill * t in any window, not even by
// moving between overflow and a bucket of its own. A bucket that isn't full is never lost.
func TestOverflowKeepsTheBound(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		f := newFixture(t)
		o := f.options()
		o.Settings.Capacity, o.MaxBuckets = 3, 4
		f.reopen(o)
		admitted := map[string][]int64{}
		for range rapid.IntRange(1, 150).Draw(rt, "steps") {
			before := live(f)
			switch rapid.IntRange(0, 9).Draw(rt, "step") {
			case 0:
				f.clock.advance(time.Duration(rapid.IntRange(1, 200).Draw(rt, "seconds")) * time.Second)
				before = live(f)
			case 1:
				f.mustFlush()
			case 2:
				f.reapAll()
			default:
				id := fmt.Sprint("client-", rapid.IntRange(0, 11).Draw(rt, "client"))
				if f.Take(id).Allowed {
					admitted[id] = append(admitted[id], f.clock.Monotonic())
				}
			}
			for id := range before {
				require.Contains(rt, live(f), id, "a bucket that isn't full is there until it is")
			}
			require.LessOrEqual(rt, f.Stats().Buckets, o.MaxBuckets)
		}
		for id, times := range admitted {
			for i, from := range times {
				for j := i; j < len(times); j++ {
					require.LessOrEqual(rt, int64(j-i+1), 3+(times[j]-from)/int64(time.Minute), id)
				}
			}
		}
	})
}

// A Decision reports whether the client shares its bucket, by one limit and by several.
func TestDecisionsTellOfSharedBuckets(t *testing.T) {
	f := newFixture(t)
	o := f.options()
	o.MaxBuckets = 1
	f.reopen(o)
	assert.False(t, f.Take("known").Shared)
	assert.True(t, f.Take("unknown").Shared)
	assert.False(t, f.Take("known").Shared)
	for clientID, shared := range map[string]bool{"known": false, "unknown": true} {
		uses := []Use{{Limit: f.Limit, ClientID: clientID, Cost: 1}, {Limit: f.Limit, ClientID: "known", Cost: 1}}
		require.True(t, Take(uses))
		assert.Equal(t, []bool{shared, false}, []bool{uses[0].Decision.Shared, uses[1].Decision.Shared}, clientID)
	}
}

// Near is less than a fifth of the bucket, at any capacity, and only after a take that was allowed.
func TestNear(t *testing.T) {
	f := func(capacity, remaining int64, want bool) {
		t.Helper()
		settings := gcra.Settings{Capacity: capacity, Refill: gcra.Refill{Amount: 1_000_000, Per: time.Second}}
		b := bucketAt(settings, 0)
		taken := b.Take("client", capacity-remaining, 0)
		d := decisionOf(&taken, 1, 0)
		assert.Equal(t, remaining, d.Remaining)
		assert.Equal(t, want, d.Near)
		taken = b.Take("client", remaining+1, 0)
		d = decisionOf(&taken, remaining+1, 0)
		assert.False(t, d.Allowed)
		assert.Equal(t, remaining, d.Remaining)
		assert.False(t, d.Near)
	}
	f(10, 2, false)
	f(10, 1, true)
	f(4, 1, false)
	f(4, 0, true)
	f(2, 1, false)
	f(1, 0, true)
	f(11, 2, true)
	f(1_000_000_000_000, 200_000_000_000, false)
	f(1_000_000_000_000, 199_999_999_999, true)
}

// Overflow buckets are stored nowhere.
func TestAStartForgetsOverflow(t *testing.T) {
	f := func(strict, stop bool, want int) {
		t.Helper()
		f := newFixture(t)
		o := f.options()
		o.Strict, o.MaxBuckets = strict, 1
		f.reopen(o)
		f.Take("known")
		require.Equal(t, 10, f.admitted("in overflow", 11))
		if stop {
			require.NoError(t, f.Close(context.Background()))
		}
		f.reopen(o)
		assert.Equal(t, want, f.admitted("in overflow", 11))
	}
	f(false, false, 10)
	f(false, true, 10)
	f(true, false, 0)
	f(true, true, 10)
}

// live are the clients whose buckets aren't full.
func live(f *fixture) map[string]bool {
	ids := map[string]bool{}
	f.table.Each(f.clock.Monotonic(), func(b *table.Bucket) { ids[b.ClientID()] = true })
	return ids
}

func TestOverflowAllocatesAndMarksNothing(t *testing.T) {
	f := newFixture(t)
	o := f.options()
	o.MaxBuckets = 1
	f.reopen(o)
	f.Take("a")
	assert.Zero(t, testing.AllocsPerRun(100, func() {
		f.clock.advance(time.Minute)
		f.Take("b")
	}))
	assert.Equal(t, int64(1), f.Stats().Dirty)
	assert.Equal(t, int64(101), f.Stats().OverflowTakes)
}

// logged is a buffer that can be read while it is written to.
type logged struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logged) count(message string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.text.String(), message)
}

// An overflow is logged once, however long it lasts, and again only after there was room.
func TestOverflowIsLoggedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out logged
		s, err := openOne(context.Background(), oneOptions{
			Settings: gcra.Settings{Capacity: 10, Refill: gcra.Refill{Amount: 1, Per: time.Minute}}, MaxBuckets: 2,
			FlushInterval: time.Second, StoreTimeout: time.Second, Logger: zerolog.New(&out),
		}, newFakeStore())
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan struct{})
		go func() { s.Run(ctx); close(done) }()
		crowd := func() {
			for range 100 {
				for _, id := range []string{"a", "b", "c", "d"} {
					s.Take(id)
				}
				time.Sleep(10 * time.Second)
				synctest.Wait()
			}
		}
		const reached, room = "max_buckets are reached", "there is room"
		crowd()
		assert.Equal(t, 1, out.count(reached))
		assert.Zero(t, out.count(room))
		time.Sleep(20 * reapPass)
		synctest.Wait()
		assert.Equal(t, 1, out.count(room))
		crowd()
		assert.Equal(t, 2, out.count(reached))
		cancel()
		<-done
	})
}
