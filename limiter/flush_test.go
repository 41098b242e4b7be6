package limiter

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"testing"
	"testing/synctest"
	"time"
	"weak"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/limiter/gcra"
	"gopher-equalizer/limiter/table"
)

func TestFlushWritesWhatIsDirtyInOrder(t *testing.T) {
	f := newFixture(t)
	var batches []Batch
	f.store.hook(func(b Batch) error {
		b.Puts = slices.Clone(b.Puts)
		batches = append(batches, b)
		return nil
	})
	for _, id := range []string{"c", "a", "b"} {
		f.Take(id)
		f.Take(id)
	}
	assert.Equal(t, int64(3), f.Stats().Dirty)
	f.clock.advance(time.Second)
	assert.Equal(t, time.Second, f.Stats().Lag)
	f.mustFlush()
	require.Len(t, batches, 1)
	var ids []string
	for _, r := range batches[0].Puts {
		ids = append(ids, r.ClientID)
		assert.Equal(t, f.Defaults(), r.Settings)
		assert.InDelta(t, 8+1.0/60, r.Tokens, 1e-9)
		assert.Equal(t, dawn.Add(time.Second), r.At)
	}
	assert.Equal(t, []string{"a", "b", "c"}, ids)
	stats := f.Stats()
	assert.Zero(t, stats.Dirty)
	assert.Zero(t, stats.Lag)
	assert.Equal(t, int64(1), stats.Flushes)
	assert.Equal(t, dawn.Add(time.Second), stats.LastFlush)

	f.mustFlush()
	assert.Len(t, batches, 1, "what is clean is not written")
	f.admitted("a", 100)
	f.Take("a")
	f.mustFlush()
	require.Len(t, batches, 2)
	assert.Len(t, batches[1].Puts, 1)
	f.Take("a") // refused
	f.mustFlush()
	assert.Len(t, batches, 2, "a refusal makes nothing dirty")
}

// Nothing is flushed to a store that ends with the process.
func TestVolatileStoresAreSpared(t *testing.T) {
	f := newFixture(t)
	o := f.options()
	o.Volatile = true
	f.reopen(o)
	f.Take("a")
	_, err := f.Create(t.Context(), "b", Change{Capacity: ptr(int64(5))})
	require.NoError(t, err)
	f.Take("b")
	assert.Zero(t, f.Stats().Dirty)
	f.mustFlush()
	require.NoError(t, f.Close(t.Context()))
	assert.NotContains(t, f.store.all(), "a")
	assert.InDelta(t, 5, f.store.all()["b"].Tokens, 1e-9, "what an operator wrote is there")
}

func TestFlushMissesNothingThatIsSpentMeanwhile(t *testing.T) {
	f := newFixture(t)
	f.Take("a")
	f.store.hook(func(Batch) error { f.Take("a"); return nil })
	f.mustFlush()
	assert.Equal(t, 9.0, f.store.all()["a"].Tokens)
	assert.Equal(t, int64(1), f.Stats().Dirty)
	f.store.hook(nil)
	f.mustFlush()
	assert.Equal(t, 8.0, f.store.all()["a"].Tokens)
}

func TestFlushInBatches(t *testing.T) {
	f := newFixture(t)
	o := f.options()
	o.MaxBuckets = 1 << 20
	f.reopen(o)
	const clients = 2*flushBatch + 1
	for i := range clients {
		f.Take(fmt.Sprintf("client-%06d", i))
	}
	var sizes []int
	f.store.hook(func(b Batch) error {
		require.True(t, slices.IsSortedFunc(b.Puts, func(a, b Record) int { return compareIDs(a, b) }))
		if sizes = append(sizes, len(b.Puts)); len(sizes) == 2 {
			return errors.New("gone")
		}
		return nil
	})
	require.Error(t, f.flush(context.Background(), 0))
	assert.Equal(t, []int{flushBatch, flushBatch}, sizes)
	assert.Equal(t, int64(clients-flushBatch), f.Stats().Dirty)
	assert.Equal(t, int64(1), f.Stats().FlushErrors)
	f.mustFlush()
	assert.Equal(t, []int{flushBatch, flushBatch, flushBatch, 1}, sizes)
	assert.Len(t, f.store.all(), clients)
}

// The last flush writes the buckets that a stopped flush didn't reach.
func TestAStopBetweenTwoBatchesLosesNothing(t *testing.T) {
	f := newFixture(t)
	const clients = 200
	for n := range clients {
		f.Take(fmt.Sprint("client-", n))
	}
	ctx, cancel := context.WithCancel(context.Background())
	f.rounds.batch = 3
	f.store.hook(func(Batch) error { cancel(); return nil })
	require.ErrorIs(t, f.flush(ctx, 0), context.Canceled)
	require.Len(t, f.store.all(), 3)
	require.NoError(t, f.Close(context.Background()))
	assert.Len(t, f.store.all(), clients)
}

func compareIDs(a, b Record) int {
	if a.ClientID < b.ClientID {
		return -1
	}
	return 1
}

func TestFlushThatFailsLosesNothing(t *testing.T) {
	for name, applied := range map[string]bool{"applied": true, "not applied": false} {
		t.Run("in doubt, "+name, func(t *testing.T) {
			f := newFixture(t)
			f.store.doubtKeep = applied
			f.store.hook(func(Batch) error { return ErrInDoubt })
			f.Take("a")
			f.Take("b")
			for range 3 {
				require.Error(t, f.flush(context.Background(), 0))
				assert.Equal(t, int64(2), f.Stats().Dirty)
			}
			f.Take("a")
			f.store.hook(nil)
			f.mustFlush()
			assert.Equal(t, 8.0, f.store.all()["a"].Tokens)
			assert.Equal(t, 9.0, f.store.all()["b"].Tokens)
			assert.Zero(t, f.Stats().Dirty)
		})
	}
}

// A delete that comes after a flush has read the value, and before its commit, waits and wins.
func TestDeleteWhileAFlushIsUnderWay(t *testing.T) {
	f := newFixture(t)
	f.Take("a")
	deleted := make(chan error)
	started := make(chan struct{})
	f.store.hook(func(Batch) error {
		f.store.hook(nil)
		go func() {
			close(started)
			deleted <- errorOf(f.Delete(context.Background(), "a"))
		}()
		<-started
		return nil
	})
	f.mustFlush()
	require.NoError(t, <-deleted)
	assert.Empty(t, f.store.all())
	f.mustFlush()
	assert.Empty(t, f.store.all(), "no flush revives it")
}

// The delete comes between two batches of one flush. The bucket is in the second batch.
func TestDeleteBetweenTwoBatches(t *testing.T) {
	f := newFixture(t)
	f.Take("a")
	f.Take("z")
	group := f.allDirty()
	require.NoError(t, f.flushGroup(context.Background(), f.groupOf(group[:1]), 1, 0))
	require.NoError(t, errorOf(f.Delete(context.Background(), "z")))
	require.NoError(t, f.flushGroup(context.Background(), f.groupOf(group[1:]), 1, 0))
	assert.Len(t, f.store.all(), 1)
	assert.Contains(t, f.store.all(), "a")
}

// A managed bucket that was deleted while it was dirty is not put again.
func TestFlushRevivesNoManagedBucket(t *testing.T) {
	f := newFixture(t)
	ctx := context.Background()
	_, err := f.Create(ctx, "a", Change{})
	require.NoError(t, err)
	f.Take("a")
	group := f.allDirty()
	require.Len(t, group, 1)
	require.NoError(t, errorOf(f.Delete(ctx, "a")))
	require.NoError(t, f.flushGroup(ctx, f.groupOf(group), 1, 0))
	assert.Empty(t, f.store.all())
}

// The next flush writes what a flush couldn't, whether it had no lock, no response, or was stopped.
func TestFlushThatIsHeldUpLosesNothing(t *testing.T) {
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	for name, hold := range map[string]func(*fixture) error{
		"stopped": func(f *fixture) error { return f.flush(ended, 0) },
		"no lock": func(f *fixture) error {
			require.NoError(t, f.writing.lock(context.Background()))
			defer f.writing.unlock()
			f.setStoreTimeout(time.Nanosecond)
			defer f.setStoreTimeout(time.Minute)
			return f.flush(context.Background(), 0)
		},
		"a doubt that isn't settled": func(f *fixture) error {
			f.store.onGet = func() error { return errors.New("away") }
			defer func() { f.store.onGet = nil }()
			f.doubt.Store(&doubtedWrite{f.table, keysOf("other"), func(Record, bool) {}})
			return f.flush(context.Background(), 0)
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.Take("a")
			require.Error(t, hold(f))
			assert.Equal(t, int64(1), f.Stats().Dirty)
			f.mustFlush()
			assert.Contains(t, f.store.all(), "a")
		})
	}
}

// A store that can't write so many buckets in its timeout is given fewer, until it can.
func TestFlushOfASlowStoreGetsAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newFakeStore()
		s, stop := real(t, store)
		for i := range 10 * 500 {
			s.Take(fmt.Sprintf("client-%03d", i%500))
		}
		store.hook(func(b Batch) error {
			if took := time.Duration(len(b.Puts)) * 8 * time.Millisecond; took < time.Second {
				time.Sleep(took)
				return nil
			}
			time.Sleep(time.Second + 1) // store.timeout, and a bit
			return context.DeadlineExceeded
		})
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		assert.Len(t, store.all(), 500)
		assert.Zero(t, s.Stats().Dirty)
		stop()
	})
}

// A write has a deadline. A stop doesn't interrupt it.
func TestFlushWritesUnderADeadlineOfItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &patient{fakeStore: newFakeStore(), release: make(chan struct{})}
		s, err := openOne(context.Background(), oneOptions{
			Settings: gcra.Settings{Capacity: 10, Refill: gcra.Refill{Amount: 1, Per: time.Minute}}, MaxBuckets: 10, FlushInterval: time.Second, StoreTimeout: time.Second, Logger: zerolog.Nop(),
		}, store)
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan struct{})
		go func() { s.Run(ctx); close(done) }()
		s.Take("a")
		time.Sleep(1500 * time.Millisecond) // the flush has begun
		cancel()
		synctest.Wait()
		require.NoError(t, store.ctx.Err(), "the write goes on")
		deadline, ok := store.ctx.Deadline()
		require.True(t, ok)
		assert.LessOrEqual(t, time.Until(deadline), time.Second)
		close(store.release)
		<-done
		assert.Contains(t, store.all(), "a")
	})
}

// patient waits in Write until it is released.
type patient struct {
	*fakeStore
	ctx     context.Context
	release chan struct{}
}

func (s *patient) Write(ctx context.Context, b Batch) error {
	s.ctx = ctx
	<-s.release
	return s.fakeStore.Write(ctx, b)
}

// A bucket that is full again before the next flush isn't written, and its row is deleted. A stop
// writes it.
func TestWhatIsFullSoonIsNotWritten(t *testing.T) {
	f := newFixture(t)
	o := f.options()
	o.Settings.Refill = gcra.Refill{Amount: 10, Per: time.Second}
	f.reopen(o)
	ctx := context.Background()
	f.admitted("soon", 5) // full in 500 ms
	_, err := f.Create(ctx, "managed", Change{})
	require.NoError(t, err)
	f.Take("managed")
	require.NoError(t, f.flush(ctx, time.Second))
	assert.NotContains(t, f.store.all(), "soon")
	assert.Equal(t, 9.0, f.store.all()["managed"].Tokens)
	require.NoError(t, f.flush(ctx, 0))
	assert.Equal(t, 5.0, f.store.all()["soon"].Tokens, "it stayed dirty")

	f.Take("soon")
	require.NoError(t, f.flush(ctx, time.Second))
	assert.NotContains(t, f.store.all(), "soon", "its row is no longer needed")
	f.clock.advance(time.Second)
	require.NoError(t, f.flush(ctx, time.Second))
	assert.Zero(t, f.Stats().Dirty)
	f.reapAll()
	assert.Equal(t, int64(1), f.Stats().Buckets)
}

// The reaper may come while the row of a full bucket is being deleted, and the deletion may fail.
func TestReaperDuringADeletionThatFails(t *testing.T) {
	f := newFixture(t)
	f.Take("a")
	f.mustFlush()
	f.clock.advance(time.Minute)
	f.reapAll()
	f.store.hook(func(Batch) error { f.reapAll(); return errors.New("gone") })
	require.Error(t, f.flush(context.Background(), 0))
	f.store.hook(nil)
	f.mustFlush()
	assert.Empty(t, f.store.all())
}

func TestFlushDeletesTheRowOfAFullBucket(t *testing.T) {
	f := newFixture(t)
	f.Take("a")
	f.mustFlush()
	f.clock.advance(time.Minute)
	f.reapAll()
	f.store.hook(func(b Batch) error {
		assert.Equal(t, keysOf("a"), b.Deletes)
		assert.Empty(t, b.Puts)
		return errors.New("gone")
	})
	require.Error(t, f.flush(context.Background(), 0))
	f.store.hook(nil)
	f.mustFlush()
	assert.Empty(t, f.store.all())
}

// Memory that a flush keeps doesn't keep slabs from being collected.
func TestAFlushKeepsNoSlab(t *testing.T) {
	f := newFixture(t)
	o := f.options()
	o.MaxBuckets = 1 << 20
	f.reopen(o)
	f.Take("a")
	f.mustFlush()
	seen, ok := f.table.Find("a", f.clock.Monotonic())
	require.True(t, ok)
	old := weak.Make(seen.Bucket)
	seen = table.Observation{}
	for n := range 10_000 { // All pages grow into other slabs.
		f.Take(fmt.Sprint("client-", n))
	}
	clear(f.store.rows)
	runtime.GC()
	require.Nil(t, old.Value())
	require.Equal(t, int64(9), f.tokens("a"))
}
