package limiter

import (
	"context"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/limiter/table"
)

func TestTake(t *testing.T) {
	f := newFixture(t)
	d := f.Take("a")
	assert.Equal(t, Decision{Allowed: true, Remaining: 9, Settings: ptr(f.Defaults())}, d, "the first request pays one token")
	assert.Equal(t, 9, f.admitted("a", 20))
	assert.Equal(t, Decision{RetryAfter: time.Minute, Settings: ptr(f.Defaults())}, f.Take("a"))
	f.clock.advance(time.Minute - 1)
	assert.Equal(t, time.Duration(1), f.Take("a").RetryAfter)
	f.clock.advance(1)
	assert.True(t, f.Take("a").Allowed)
	assert.Equal(t, 10, f.admitted("b", 20), "clients don't share")
}

func TestTakeCopiesTheKey(t *testing.T) {
	f := newFixture(t)
	buffer := []byte("client-1")
	f.Take(string(buffer))
	alias := aliasing(buffer)
	f.Take(alias)
	copy(buffer, "CLIENT-2")
	_, err := f.Get("client-1")
	require.NoError(t, err)
	fresh := aliasing(buffer)
	f.Take(fresh)
	copy(buffer, "xxxxxxxx")
	_, err = f.Get("CLIENT-2")
	require.NoError(t, err, "the key outlives the buffer that it came in")
}

func TestTakeAllocatesNothingForAKnownClient(t *testing.T) {
	f := newFixture(t)
	f.Take("allowed")
	f.admitted("refused", 11)
	assert.Zero(t, testing.AllocsPerRun(1000, func() {
		f.clock.advance(time.Minute)
		f.Take("allowed")
	}))
	f.admitted("refused", 11)
	assert.Zero(t, testing.AllocsPerRun(1000, func() { f.Take("refused") }))
}

// 64 goroutines on one bucket get exactly what there is, while the clock advances.
func TestTakeIsExactUnderContention(t *testing.T) {
	f := newFixture(t)
	var allowed atomic.Int64
	var workers sync.WaitGroup
	for range 64 {
		workers.Go(func() {
			for range 500 {
				if f.Take("hot").Allowed {
					allowed.Add(1)
				}
				f.clock.advance(10 * time.Millisecond)
			}
		})
	}
	workers.Wait()
	elapsed := time.Duration(f.clock.Monotonic()) // 64 * 500 * 10 ms = 320 s: 5 tokens
	assert.Equal(t, int64(10+elapsed/time.Minute), allowed.Load())
}

func TestOverflow(t *testing.T) {
	const capacity, spent = 10_000, 9_000
	f := newFixture(t)
	o := f.options()
	o.MaxBuckets, o.Settings.Capacity = 2, capacity
	f.reopen(o)
	f.Take("a")
	f.Take("b")
	stats := f.Stats()
	require.Equal(t, int64(2), stats.Buckets)

	// Past the cap, two clients with one overflow bucket share its tokens.
	c := "c"
	assert.Equal(t, spent, f.admitted(c, spent))
	other, tried := sameOverflow(f, capacity-spent)
	assert.Equal(t, capacity-spent-1, f.admitted(other, capacity))
	stats = f.Stats()
	assert.Equal(t, int64(2), stats.Buckets)
	assert.Equal(t, int64(spent+tried+capacity), stats.OverflowTakes)
	assert.Equal(t, int64(2), stats.Dirty, "overflow buckets are not stored")
	_, err := f.Get(c)
	require.ErrorIs(t, err, ErrNotFound, "and not listed")

	_, err = f.Create(context.Background(), "managed", Change{})
	require.ErrorIs(t, err, ErrFull)

	// With room again, the client starts with what its overflow bucket holds: nothing.
	require.NoError(t, errorOf(f.Delete(context.Background(), "a")))
	assert.False(t, f.Take(c).Allowed)
	assert.Equal(t, int64(2), f.Stats().Buckets)
}

// sameOverflow tries clients, each once, until it finds one whose overflow bucket holds at most
// left tokens. The others spend only a few tokens from any other bucket.
func sameOverflow(f *fixture, left int64) (clientID string, tried int) {
	for {
		clientID = "other-" + strconv.Itoa(tried)
		tried++
		if f.Take(clientID).Remaining < left {
			return clientID, tried
		}
	}
}

func (f *fixture) reapAll() {
	for i := range table.Shards {
		f.table.Reap(i, f.clock.Monotonic())
	}
}

func TestReapDropsWhatHoldsNothing(t *testing.T) {
	f := newFixture(t)
	f.Take("idle")
	_, err := f.Create(context.Background(), "managed", Change{})
	require.NoError(t, err)
	f.mustFlush()
	require.Contains(t, f.store.all(), "idle")

	f.reapAll()
	assert.Equal(t, int64(2), f.Stats().Buckets, "not full yet")
	f.clock.advance(time.Minute)
	_, err = f.Get("idle")
	require.ErrorIs(t, err, ErrNotFound, "an unmanaged bucket that is full is none, reaped or not")
	require.ErrorIs(t, errorOf(f.Delete(context.Background(), "idle")), ErrNotFound)

	f.reapAll()
	assert.Equal(t, int64(2), f.Stats().Buckets, "its row goes first")
	f.mustFlush()
	assert.NotContains(t, f.store.all(), "idle")
	f.reapAll()
	assert.Equal(t, int64(1), f.Stats().Buckets)
	assert.Contains(t, f.store.all(), "managed")
	assert.Equal(t, int64(10), f.tokens("managed"))
}

// Takers, the reaper, deletions and admin writes run at once. Nobody spends from a bucket that is
// gone, so no more requests are admitted than tokens were handed out.
func TestTakersAmongReapersAndAdmins(t *testing.T) {
	f := newFixture(t)
	ctx := context.Background()
	var handedOut, allowed atomic.Int64
	handedOut.Add(10) // the first bucket
	stop := make(chan struct{})
	var takers, others sync.WaitGroup
	for range 4 {
		takers.Go(func() {
			for range 20_000 {
				if f.Take("x").Allowed {
					allowed.Add(1)
				}
			}
		})
	}
	others.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			switch i % 4 {
			case 0:
				if errorOf(f.Delete(ctx, "x")) == nil {
					handedOut.Add(10)
				}
			case 1:
				handedOut.Add(3)
				_, err := f.Put(ctx, "x", Change{Capacity: ptr(int64(3)), Tokens: ptr(int64(3))})
				assert.NoError(t, err)
			case 2:
				_, err := f.Patch(ctx, "x", Change{Capacity: ptr(int64(5))}) // hands out nothing
				assert.NoError(t, err)
			case 3:
				f.reapAll()
				assert.NoError(t, f.flush(ctx, 0))
			}
			runtime.Gosched()
		}
	})
	takers.Wait()
	close(stop)
	others.Wait()
	assert.LessOrEqual(t, allowed.Load(), handedOut.Load())
	assert.Positive(t, allowed.Load())
	assert.LessOrEqual(t, f.Stats().Buckets, int64(1))
}
