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

// What a store that ends with the process would be told, nobody could ever ask it.
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
	group := f.allDirty()
	require.NoError(t, f.flushGroup(context.Background(), group[:1], 1, 0))
	require.NoError(t, f.Delete(context.Background(), "z"))
	require.NoError(t, f.flushGroup(context.Background(), group[1:], 1, 0))
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
	require.NoError(t, f.Delete(ctx, "a"))
	require.NoError(t, f.flushGroup(ctx, group, 1, 0))
	assert.Empty(t, f.store.all())
}

// What a flush did not come to write is written by the next: it had no lock, no answer, or was stopped.
func TestFlushThatIsHeldUpLosesNothing(t *testing.T) {
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	for name, hold := range map[string]func(*fixture) error{
		"stopped": func(f *fixture) error { return f.flush(ended, 0) },
		"no lock": func(f *fixture) error {
			require.NoError(t, f.writing.lock(context.Background()))
			defer f.writing.unlock()
			f.Service.o.StoreTimeout = time.Nanosecond
			defer func() { f.Service.o.StoreTimeout = time.Second }()
			return f.flush(context.Background(), 0)
		},
		"a doubt that isn't settled": func(f *fixture) error {
			f.store.onGet = func() error { return errors.New("away") }
			defer func() { f.store.onGet = nil }()
			f.doubt.Store(&doubtedWrite{clientID: "other"})
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

// A write has a deadline, and a stop doesn't break it off.
func TestFlushWritesUnderADeadlineOfItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &patient{fakeStore: newFakeStore(), release: make(chan struct{})}
		s, err := Open(context.Background(), Options{
			Settings: Settings{10, Refill{1, time.Minute}}, MaxBuckets: 10, FlushInterval: time.Second, StoreTimeout: time.Second, Logger: zerolog.Nop(),
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

// What is full again before the next flush is not written, and its row goes; but a stop writes it.
func TestWhatIsFullSoonIsNotWritten(t *testing.T) {
	f := newFixture(t)
	o := f.options()
	o.Settings.Refill = Refill{10, time.Second}
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
		assert.Equal(t, []string{"a"}, b.Deletes)
		assert.Empty(t, b.Puts)
		return errors.New("gone")
	})
	require.Error(t, f.flush(context.Background(), 0))
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

// A long time at the old settings fills the old capacity at most, however large the new one is.
func TestRestartWithALargerCapacity(t *testing.T) {
	f := newFixture(t)
	f.admitted("a", 5)
	f.mustFlush()
	f.clock.advance(1000 * time.Hour)
	o := f.options()
	o.Settings.Capacity = 1000
	f.reopen(o)
	assert.Equal(t, int64(10), f.tokens("a"))
	f.mustFlush()
	assert.Equal(t, o.Settings, f.store.all()["a"].Settings, "what the new settings changed is dirty")
}

// A row that was stored while the clock was wrong is corrected, not believed at every start.
func TestRestartWithARowOfTheFuture(t *testing.T) {
	f := newFixture(t)
	f.clock.skew.Store(int64(1000 * time.Hour))
	_, err := f.Create(context.Background(), "a", Change{Tokens: ptr(int64(0))})
	require.NoError(t, err)
	f.clock.skew.Store(0)
	f.reopen(f.options())
	f.mustFlush()
	f.clock.advance(3 * time.Minute)
	f.reopen(f.options())
	assert.Equal(t, int64(3), f.tokens("a"))
}

// A store that hangs doesn't hang the start; one that is slow may take its time.
func TestLoadOfAStoreThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &loading{fakeStore: newFakeStore(), rows: 5, pause: 900 * time.Millisecond}
		o := Options{Settings: Settings{10, Refill{1, time.Minute}}, MaxBuckets: 10, FlushInterval: time.Second, StoreTimeout: time.Second, Logger: zerolog.Nop()}
		start := time.Now()
		s, err := Open(context.Background(), o, store)
		require.NoError(t, err)
		assert.Equal(t, int64(5), s.Stats().Buckets)
		assert.Equal(t, 4500*time.Millisecond, time.Since(start))

		store.pause = time.Hour
		start = time.Now()
		_, err = Open(context.Background(), o, store)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorContains(t, err, "nothing came for 1s")
		assert.LessOrEqual(t, time.Since(start), 2*time.Second)
	})
}

// loading pauses before each row.
type loading struct {
	*fakeStore
	rows  int
	pause time.Duration
}

func (s *loading) Load(ctx context.Context, yield func(Record) error) error {
	for i := range s.rows {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(s.pause):
		}
		r := Record{ClientID: fmt.Sprint(i), Managed: true, Settings: Settings{10, Refill{1, time.Minute}}, Tokens: 1, At: time.Now().UTC()}
		if err := yield(r); err != nil {
			return err
		}
	}
	return nil
}

// A load that comes late and takes long counts what is spent meanwhile, and writes to the store wait for it.
func TestLateLoadCountsWhatIsSpentMeanwhile(t *testing.T) {
	f := newFixture(t)
	f.admitted("a", 1)
	f.mustFlush()
	o := f.options()
	o.LoadLater = true
	f.reopen(o)
	f.Service.store = &meanwhile{f.store, func() {
		f.clock.advance(10 * time.Minute)
		assert.Equal(t, 10, f.admitted("a", 20))
		assert.Len(t, f.writing, 1, "the write lock is held")
	}}
	f.mustFlush()
	assert.False(t, f.Take("a").Allowed)
}

// meanwhile does something when a load has begun.
type meanwhile struct {
	*fakeStore
	do func()
}

func (s *meanwhile) Load(ctx context.Context, yield func(Record) error) error {
	s.do()
	return s.fakeStore.Load(ctx, yield)
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
		require.Error(t, f.flush(ctx, 0))
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

// How long spending has waited is told while the store hangs, and while its client goes on spending.
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

// The last flush is tried again soon, however rare flushes are.
func TestCloseTriesAgainSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newFakeStore()
		s, err := Open(context.Background(), Options{
			Settings: Settings{10, Refill{1, time.Minute}}, MaxBuckets: 10, FlushInterval: time.Hour, StoreTimeout: time.Second, Logger: zerolog.Nop(),
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

// An admin write that comes in the middle of a flush waits for the batch under way, and not for the ones after it.
func TestAnAdminWriteWaitsForOneBatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newFakeStore()
		s, err := Open(context.Background(), Options{
			Settings: Settings{10, Refill{1, time.Minute}}, MaxBuckets: 1000, FlushInterval: time.Second, StoreTimeout: time.Minute, Logger: zerolog.Nop(),
		}, store)
		require.NoError(t, err)
		s.batch = minFlushBatch
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
