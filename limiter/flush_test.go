package limiter

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestFlushWritesWhatIsDirtyInOrder(t *testing.T) {
	f := newFixture(t)
	var batches []Batch
	f.store.hook(func(b Batch) error { batches = append(batches, b); return nil })
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
	require.Error(t, f.flush(context.Background()))
	assert.Equal(t, []int{flushBatch, flushBatch}, sizes)
	assert.Equal(t, int64(clients-flushBatch), f.Stats().Dirty)
	assert.Equal(t, int64(1), f.Stats().FlushErrors)
	f.mustFlush()
	assert.Equal(t, []int{flushBatch, flushBatch, flushBatch, 1}, sizes)
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
				require.Error(t, f.flush(context.Background()))
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

// The delete comes while the flush has read the value and not yet committed it: it waits, and wins.
func TestDeleteWhileAFlushIsUnderWay(t *testing.T) {
	f := newFixture(t)
	f.Take("a")
	deleted := make(chan error)
	started := make(chan struct{})
	f.store.hook(func(Batch) error {
		f.store.hook(nil)
		go func() {
			close(started)
			deleted <- f.Delete(context.Background(), "a")
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

// The delete comes between two batches of one flush, with the bucket in the second.
func TestDeleteBetweenTwoBatches(t *testing.T) {
	f := newFixture(t)
	f.Take("a")
	f.Take("z")
	group := f.table.takeDirty()
	require.NoError(t, f.flushGroup(context.Background(), group[:1], 1))
	require.NoError(t, f.Delete(context.Background(), "z"))
	require.NoError(t, f.flushGroup(context.Background(), group[1:], 1))
	assert.Len(t, f.store.all(), 1)
	assert.Contains(t, f.store.all(), "a")
}

func TestFlushDeletesTheRowOfAFullBucket(t *testing.T) {
	f := newFixture(t)
	f.Take("a")
	f.mustFlush()
	f.clock.advance(time.Minute)
	f.reapAll()
	f.store.hook(func(b Batch) error {
		assert.Equal(t, []string{"a"}, b.Deletes)
		assert.Empty(t, b.Puts)
		return errors.New("gone")
	})
	require.Error(t, f.flush(context.Background()))
	f.store.hook(nil)
	f.mustFlush()
	assert.Empty(t, f.store.all())
}

func TestRestart(t *testing.T) {
	f := newFixture(t)
	ctx := context.Background()
	_, err := f.Create(ctx, "managed", Change{Capacity: ptr(int64(15)), Tokens: ptr(int64(5)), Refill: &Refill{1, time.Hour}})
	require.NoError(t, err)
	f.admitted("spent", 10)
	f.admitted("managed", 2)
	f.mustFlush()
	f.admitted("managed", 1) // lost by the crash

	f.reopen(f.options())
	assert.Equal(t, int64(3), f.tokens("managed"))
	assert.Zero(t, f.tokens("spent"))
	assert.Equal(t, int64(1), f.Stats().Managed)

	f.clock.advance(3 * time.Minute)
	f.reopen(f.options())
	assert.Equal(t, int64(3), f.tokens("spent"), "what was earned while it was down is credited")
}

func TestRestartWithTheWallClockStepped(t *testing.T) {
	for name, test := range map[string]struct {
		step time.Duration
		want int64
	}{
		"back":    {-time.Hour, 4}, // as it was stored: neither credited nor locked out
		"forward": {1000 * time.Hour, 10},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			_, err := f.Create(context.Background(), "a", Change{Tokens: ptr(int64(4))})
			require.NoError(t, err)
			f.clock.skew.Store(int64(test.step))
			f.reopen(f.options())
			assert.Equal(t, test.want, f.tokens("a"))
			assert.Equal(t, int(test.want), f.admitted("a", 50))
		})
	}
}

func TestRestartWithChangedDefaults(t *testing.T) {
	f := newFixture(t)
	ctx := context.Background()
	_, err := f.Create(ctx, "managed", Change{Tokens: ptr(int64(4))})
	require.NoError(t, err)
	f.admitted("unmanaged", 10)
	f.mustFlush()
	f.clock.advance(2 * time.Minute)

	o := f.options()
	o.Settings = Settings{Capacity: 5, Refill: Refill{1, time.Second}}
	f.reopen(o)
	assert.Equal(t, int64(2), f.tokens("unmanaged"), "earned at the stored refill up to now")
	assert.Equal(t, int64(6), f.tokens("managed"), "a managed bucket keeps its own settings")
	f.clock.advance(time.Second)
	assert.Equal(t, int64(3), f.tokens("unmanaged"), "then at the new one")
	f.clock.advance(time.Hour)
	_, err = f.Get("unmanaged")
	require.ErrorIs(t, err, ErrNotFound, "full at the new capacity")

	f.reopen(o)
	f.mustFlush()
	assert.NotContains(t, f.store.all(), "unmanaged", "a row that holds nothing goes")

	// The new settings are stored with the tokens that they apply to, not apart from them.
	f.admitted("other", 5)
	f.mustFlush()
	assert.Equal(t, o.Settings, f.store.all()["other"].Settings)
}

func TestLoadRefusesWhatCantBe(t *testing.T) {
	f := newFixture(t)
	f.store.rows["odd"] = Record{ClientID: "odd", Settings: Settings{Capacity: -1}}
	_, err := Open(context.Background(), f.options(), f.store)
	require.ErrorIs(t, err, ErrSettings)
	assert.ErrorContains(t, err, `client "odd"`)
}

func TestManagedBucketsAreLoadedPastTheCap(t *testing.T) {
	f := newFixture(t)
	for i := range 5 {
		_, err := f.Create(context.Background(), fmt.Sprint(i), Change{})
		require.NoError(t, err)
	}
	o := f.options()
	o.MaxBuckets = 2
	f.reopen(o)
	assert.Equal(t, int64(5), f.Stats().Managed)
}

func TestStoreThatComesLate(t *testing.T) {
	f := newFixture(t)
	ctx := context.Background()
	f.admitted("both", 4)
	_, err := f.Create(ctx, "managed", Change{Capacity: ptr(int64(20)), Tokens: ptr(int64(15))})
	require.NoError(t, err)
	f.mustFlush()

	o := f.options()
	o.LoadLater = true
	f.reopen(o)
	assert.False(t, f.Stats().StoreUp)
	f.admitted("both", 3)
	f.admitted("managed", 2)
	f.admitted("new", 1)
	_, err = f.Create(ctx, "another", Change{})
	require.ErrorIs(t, err, ErrStore)
	require.ErrorIs(t, err, errNotLoaded)

	// The load breaks off after each row once; what was restored is not restored again.
	f.Service.store = &breaking{fakeStore: f.store}
	for range 2 {
		require.Error(t, f.flush(ctx))
		assert.False(t, f.Stats().StoreUp)
	}
	f.mustFlush()
	assert.Equal(t, int64(3), f.tokens("both"), "10 - 4 before the restart - 3 after it")
	assert.Equal(t, int64(13), f.tokens("managed"))
	assert.Equal(t, int64(9), f.tokens("new"))
	assert.Equal(t, 3.0, f.store.all()["both"].Tokens)
	assert.Equal(t, 13.0, f.store.all()["managed"].Tokens)
	assert.Equal(t, int64(3), f.Stats().Buckets)
	assert.Equal(t, int64(1), f.Stats().Managed)
	_, err = f.Create(ctx, "another", Change{})
	require.NoError(t, err)
}

// breaking breaks its n-th load off after n rows.
type breaking struct {
	*fakeStore
	loads int
}

func (s *breaking) Load(ctx context.Context, yield func(Record) error) error {
	s.loads++
	rows := 0
	return s.fakeStore.Load(ctx, func(r Record) error {
		if rows++; rows > s.loads && s.loads < 3 || s.loads == 2 {
			return errors.New("connection reset")
		}
		return yield(r)
	})
}

// real is a Service on the time of a synctest bubble, with its Run under way.
func real(t *testing.T, store *fakeStore) (s *Service, stop func()) {
	s, err := Open(context.Background(), Options{
		Settings: Settings{10, Refill{1, time.Minute}}, MaxBuckets: 1000,
		FlushInterval: time.Second, StoreTimeout: time.Second, Logger: zerolog.Nop(),
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

func TestRunReapsWhatIsFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newFakeStore()
		s, stop := real(t, store)
		defer stop()
		s.Take("a")
		time.Sleep(time.Minute + 3*shardCount*reapInterval)
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
		require.ErrorIs(t, s.Delete(context.Background(), "a"), ErrClosed)
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
