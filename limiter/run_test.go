package limiter

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/limiter/gcra"
)

// real is a Service on the time of a synctest bubble, with its Run under way.
func real(t *testing.T, store *fakeStore) (s *one, stop func()) {
	return realWith(t, store, nil)
}

// realWith is real with an Options.Aside.
func realWith(t *testing.T, store *fakeStore, aside func(job func())) (s *one, stop func()) {
	s, err := openOne(context.Background(), oneOptions{
		Settings: gcra.Settings{Capacity: 10, Refill: gcra.Refill{Amount: 1, Per: time.Minute}}, MaxBuckets: 1000,
		FlushInterval: time.Second, StoreTimeout: time.Second, Aside: aside, Logger: zerolog.Nop(),
	}, store)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { s.Run(ctx); close(done) }()
	return s, func() { cancel(); <-done }
}

func TestRunFlushesEveryInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newFakeStore()
		s, stop := real(t, store)
		s.Take("a")
		time.Sleep(time.Second)
		synctest.Wait()
		assert.Equal(t, int64(1), s.Stats().Flushes)
		assert.Len(t, store.all(), 1)
		time.Sleep(10 * time.Second)
		synctest.Wait()
		assert.Equal(t, int64(11), s.Stats().Flushes)
		stop()
		require.NoError(t, s.Close(context.Background()))
	})
}

// What a round computes, and waits for, is done aside: only there it has a processor of its own.
func TestRoundsAreDoneAside(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newFakeStore()
		var before, during int
		s, stop := realWith(t, store, func(round func()) {
			before = len(store.all())
			round()
			during = len(store.all()) - before
		})
		defer stop()
		s.Take("a")
		time.Sleep(time.Second)
		synctest.Wait()
		assert.Equal(t, 0, before)
		assert.Equal(t, 1, during)
	})
}

// Another interval counts at once, though a round was about to begin by the former one.
func TestRunFlushesByANewInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newFakeStore()
		s, stop := real(t, store)
		defer stop()
		reload := func(interval time.Duration) {
			o := *s.Service.options()
			o.FlushInterval = interval
			r, err := s.Prepare(t.Context(), o)
			require.NoError(t, err)
			r.Apply()
		}
		flushes := func(in time.Duration) int64 {
			before := s.Stats().Flushes
			time.Sleep(in)
			synctest.Wait()
			return s.Stats().Flushes - before
		}
		reload(time.Hour)
		s.flushEarly()
		synctest.Wait()
		s.flushEarly()
		reload(100 * time.Millisecond)
		assert.GreaterOrEqual(t, flushes(time.Second), int64(9))
		reload(time.Hour)
		flushes(time.Hour / earlyFlush) // The round that the reload asked for.
		assert.Zero(t, flushes(30*time.Minute))
	})
}

func TestRunReapsWhatIsFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newFakeStore()
		s, stop := real(t, store)
		defer stop()
		s.Take("a")
		time.Sleep(time.Minute + 3*reapPass)
		synctest.Wait()
		assert.Zero(t, s.Stats().Buckets)
		assert.Empty(t, store.all())
	})
}

func TestRunBacksOffAndComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newFakeStore()
		store.hook(func(Batch) error { return errors.New("away") })
		s, stop := real(t, store)
		defer stop()
		s.Take("a")
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		tries := s.Stats().FlushErrors
		assert.Less(t, tries, int64(100), "a store that is down is not asked every second")
		assert.Greater(t, tries, int64(30), "but every %v at least", maxRetry)
		assert.Positive(t, s.Stats().Dirty)
		assert.Equal(t, 10*time.Minute, s.Stats().Lag)
		store.hook(nil)
		time.Sleep(maxRetry)
		synctest.Wait()
		assert.Zero(t, s.Stats().Dirty)
		assert.True(t, s.Stats().StoreUp)
	})
}

// The lag is known while the store hangs, and while the client goes on spending.
func TestLagGrowsWhileTheStoreHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newFakeStore()
		s, stop := real(t, store)
		s.Take("a")
		store.hook(func(Batch) error {
			time.Sleep(time.Second + 1)
			s.Take("a") // refused or not, it is queued again before the flush gives it back
			return context.DeadlineExceeded
		})
		for waited := time.Second; waited < 20*time.Second; waited += time.Second {
			time.Sleep(time.Second)
			assert.InDelta(t, waited.Seconds(), s.Stats().Lag.Seconds(), 0.01)
		}
		store.hook(nil)
		stop()
	})
}

func TestRunCountsFlushesThatOutlastTheirInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newFakeStore()
		inside := 0
		store.hook(func(Batch) error {
			inside++
			assert.Equal(t, 1, inside, "one at a time")
			time.Sleep(2500 * time.Millisecond)
			inside--
			return nil
		})
		s, stop := real(t, store)
		s.Take("a")
		time.Sleep(4 * time.Second)
		synctest.Wait()
		assert.Equal(t, int64(1), s.Stats().FlushOverruns)
		stop()
	})
}

func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newFakeStore()
		s, stop := real(t, store)
		s.Take("a")
		stop()
		require.NoError(t, s.Close(context.Background()))
		assert.Contains(t, store.all(), "a")
		_, err := s.Create(context.Background(), "b", Change{})
		require.ErrorIs(t, err, ErrClosed)
		require.ErrorIs(t, errorOf(s.Delete(context.Background(), "a")), ErrClosed)
	})
}

func TestCloseWithTheStoreAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newFakeStore()
		store.hook(func(Batch) error { return errors.New("away") })
		s, stop := real(t, store)
		s.Take("a")
		s.Take("b")
		stop()
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		err := s.Close(ctx)
		require.ErrorContains(t, err, "2 buckets not flushed")
		require.ErrorContains(t, err, "away")
	})
}

// The last flush is retried soon, however rare flushes are.
func TestCloseTriesAgainSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newFakeStore()
		s, err := openOne(context.Background(), oneOptions{
			Settings: gcra.Settings{Capacity: 10, Refill: gcra.Refill{Amount: 1, Per: time.Minute}}, MaxBuckets: 10, FlushInterval: time.Hour, StoreTimeout: time.Second, Logger: zerolog.Nop(),
		}, store)
		require.NoError(t, err)
		s.Take("a")
		failed := false
		store.hook(func(Batch) error {
			if !failed {
				failed = true
				return errors.New("connection reset")
			}
			return nil
		})
		start := time.Now()
		require.NoError(t, s.Close(context.Background()))
		assert.LessOrEqual(t, time.Since(start), time.Second)
	})
}

func TestCloseWaitsForAStoreThatComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newFakeStore()
		failures := 3
		store.hook(func(Batch) error {
			if failures--; failures >= 0 {
				return errors.New("away")
			}
			return nil
		})
		s, stop := real(t, store)
		s.Take("a")
		stop()
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		require.NoError(t, s.Close(ctx))
		assert.Len(t, store.all(), 1)
	})
}

// An admin write that comes amid a flush waits for the batch under way, but not for later ones.
func TestAnAdminWriteWaitsForOneBatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newFakeStore()
		s, err := openOne(context.Background(), oneOptions{
			Settings: gcra.Settings{Capacity: 10, Refill: gcra.Refill{Amount: 1, Per: time.Minute}}, MaxBuckets: 1000, FlushInterval: time.Second, StoreTimeout: time.Minute, Logger: zerolog.Nop(),
		}, store)
		require.NoError(t, err)
		s.rounds.batch = minFlushBatch
		for i := range 5 * minFlushBatch {
			s.Take(fmt.Sprintf("client-%03d", i))
		}
		var sizes []int
		store.hook(func(b Batch) error {
			sizes = append(sizes, len(b.Puts))
			time.Sleep(time.Second)
			return nil
		})
		flushed := make(chan error)
		go func() { flushed <- s.flush(context.Background(), 0) }()
		time.Sleep(1500 * time.Millisecond) // in the second batch
		start := time.Now()
		_, err = s.Create(context.Background(), "new", Change{})
		require.NoError(t, err)
		assert.Equal(t, 1500*time.Millisecond, time.Since(start), "the rest of a batch, and its own write")
		require.NoError(t, <-flushed)
		assert.Equal(t, []int{100, 100, 1, 100, 100, 100}, sizes)
	})
}
