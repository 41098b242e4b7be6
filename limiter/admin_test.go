package limiter

import (
	"context"
	"errors"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/limiter/gcra"
	"gopher-equalizer/limiter/table"
)

func TestCreate(t *testing.T) {
	f := newFixture(t)
	ctx := context.Background()

	snap, err := f.Create(ctx, "test1234", Change{Capacity: ptr(int64(15)), Tokens: ptr(int64(5))})
	require.NoError(t, err)
	want := Snapshot{
		ClientID: "test1234", Limit: "default", Settings: gcra.Settings{Capacity: 15, Refill: gcra.Refill{Amount: 1, Per: time.Minute}}, Tokens: 5,
		Managed: true, LastRefill: dawn,
	}
	assert.Equal(t, Written{Snapshot: want}, snap)
	row := f.store.all()["test1234"]
	assert.Equal(t, Record{Key: Key{1, "test1234"}, Managed: true, Settings: want.Settings, Tokens: 5, At: dawn}, row, "stored before the response")
	assert.Equal(t, 5, f.admitted("test1234", 20))

	_, err = f.Create(ctx, "test1234", Change{})
	require.ErrorIs(t, err, ErrManaged)
	assert.Equal(t, int64(0), f.tokens("test1234"), "a refused write changes nothing")

	snap, err = f.Create(ctx, "defaults", Change{})
	require.NoError(t, err)
	assert.Equal(t, f.Defaults(), snap.Settings)
	assert.Equal(t, int64(10), snap.Tokens)

	f.admitted("live", 10)
	snap, err = f.Create(ctx, "live", Change{Capacity: ptr(int64(3))})
	require.NoError(t, err, "a live unmanaged bucket is taken over")
	require.NotNil(t, snap.Before)
	assert.Equal(t, Snapshot{ClientID: "live", Limit: "default", Settings: f.Defaults(), LastRefill: dawn}, *snap.Before)
	assert.Equal(t, int64(3), snap.Tokens, "tokens default to the capacity")
	assert.Equal(t, int64(3), f.Stats().Managed)
}

func TestPut(t *testing.T) {
	f := newFixture(t)
	ctx := context.Background()

	snap, err := f.Put(ctx, "a", Change{})
	require.NoError(t, err)
	assert.Nil(t, snap.Before)
	assert.Equal(t, int64(10), snap.Tokens)
	assert.True(t, snap.Managed)

	f.admitted("a", 4)
	snap, err = f.Put(ctx, "a", Change{Capacity: ptr(int64(8))})
	require.NoError(t, err)
	assert.Equal(t, int64(6), snap.Before.Tokens)
	assert.Equal(t, int64(10), snap.Before.Capacity)
	assert.True(t, snap.Before.Managed)
	assert.Equal(t, int64(6), snap.Tokens, "a changed capacity keeps the tokens")
	snap, err = f.Put(ctx, "a", Change{Capacity: ptr(int64(2))})
	require.NoError(t, err)
	assert.Equal(t, int64(2), snap.Tokens, "cut to the new capacity")

	f.admitted("live", 1)
	snap, err = f.Put(ctx, "live", Change{})
	require.NoError(t, err)
	require.NotNil(t, snap.Before, "a live unmanaged bucket is changed")
	assert.False(t, snap.Before.Managed)
	assert.Equal(t, int64(9), snap.Tokens)
	assert.True(t, snap.Managed)
}

func TestPatch(t *testing.T) {
	f := newFixture(t)
	ctx := context.Background()
	_, err := f.Patch(ctx, "nobody", Change{Tokens: ptr(int64(1))})
	require.ErrorIs(t, err, ErrNotFound)

	f.admitted("a", 10)
	f.clock.advance(150 * time.Second) // 2.5 tokens at 1/1m
	snap, err := f.Patch(ctx, "a", Change{Refill: &gcra.Refill{Amount: 1, Per: time.Second}})
	require.NoError(t, err)
	assert.Equal(t, int64(2), snap.Tokens, "what the old refill earned is credited first")
	f.clock.advance(500 * time.Millisecond)
	assert.Equal(t, int64(3), f.tokens("a"), "the half token too")

	snap, err = f.Patch(ctx, "a", Change{Tokens: ptr(int64(0))})
	require.NoError(t, err)
	assert.Zero(t, snap.Tokens)
	assert.False(t, f.Take("a").Allowed)
}

func TestDelete(t *testing.T) {
	f := newFixture(t)
	ctx := context.Background()
	require.ErrorIs(t, errorOf(f.Delete(ctx, "a")), ErrNotFound)

	_, err := f.Create(ctx, "a", Change{Capacity: ptr(int64(1))})
	require.NoError(t, err)
	f.admitted("a", 1)
	was, err := f.Delete(ctx, "a")
	require.NoError(t, err)
	assert.Equal(t, int64(1), was.Capacity, "what was deleted is told")
	assert.True(t, was.Managed)
	assert.Empty(t, f.store.all())
	_, err = f.Get("a")
	require.ErrorIs(t, err, ErrNotFound)
	assert.Equal(t, 10, f.admitted("a", 20), "the client starts over on the defaults")
	stats := f.Stats()
	assert.Equal(t, int64(1), stats.Buckets)
	assert.Zero(t, stats.Managed)
}

func TestBadChangesChangeNothing(t *testing.T) {
	f := newFixture(t)
	ctx := context.Background()
	_, err := f.Create(ctx, "a", Change{Tokens: ptr(int64(3))})
	require.NoError(t, err)
	writes := f.store.writes

	bad := func(c Change, why string) {
		t.Helper()
		_, err := f.Create(ctx, "new", c)
		require.ErrorIs(t, err, gcra.ErrSettings)
		assert.ErrorContains(t, err, why)
		_, err = f.Put(ctx, "a", c)
		require.ErrorIs(t, err, gcra.ErrSettings)
		_, err = f.Patch(ctx, "a", c)
		require.ErrorIs(t, err, gcra.ErrSettings)
	}
	bad(Change{Capacity: ptr(int64(0))}, "capacity 0")
	bad(Change{Capacity: ptr(int64(-1))}, "capacity -1")
	bad(Change{Capacity: ptr(int64(math.MaxInt64))}, "capacity 9223372036854775807 with refill 1/1m")
	bad(Change{Tokens: ptr(int64(-1))}, "tokens -1; want 0 to the capacity, 10")
	bad(Change{Tokens: ptr(int64(11))}, "tokens 11; want 0 to the capacity, 10")
	bad(Change{Capacity: ptr(int64(5)), Tokens: ptr(int64(6))}, "tokens 6; want 0 to the capacity, 5")
	bad(Change{Refill: &gcra.Refill{}}, "amount 0")
	assert.Equal(t, writes, f.store.writes)
	assert.Equal(t, int64(3), f.tokens("a"))
	_, err = f.Get("new")
	require.ErrorIs(t, err, ErrNotFound)
}

func TestAdminWriteWithTheStoreDown(t *testing.T) {
	f := newFixture(t)
	ctx := context.Background()
	_, err := f.Create(ctx, "a", Change{})
	require.NoError(t, err)
	f.store.hook(func(Batch) error { return errors.New("connection refused") })

	_, err = f.Create(ctx, "b", Change{})
	require.ErrorIs(t, err, ErrStore)
	_, err = f.Patch(ctx, "a", Change{Tokens: ptr(int64(1))})
	require.ErrorIs(t, err, ErrStore)
	require.ErrorIs(t, errorOf(f.Delete(ctx, "a")), ErrStore)
	assert.Equal(t, int64(10), f.tokens("a"), "nothing was changed")
	_, err = f.Get("b")
	require.ErrorIs(t, err, ErrNotFound)
	stats := f.Stats()
	assert.False(t, stats.StoreUp)
	assert.Equal(t, "connection refused", stats.StoreError)
	assert.True(t, f.Take("a").Allowed, "traffic goes on")

	f.store.hook(nil)
	require.NoError(t, errorOf(f.Delete(ctx, "a")))
	assert.True(t, f.Stats().StoreUp)
}

func TestAdminWriteKeepsWhatWasSpentMeanwhile(t *testing.T) {
	f := newFixture(t)
	f.Take("a")
	f.store.hook(func(Batch) error { f.admitted("a", 4); return nil })
	snap, err := f.Patch(context.Background(), "a", Change{Capacity: ptr(int64(20))})
	require.NoError(t, err)
	assert.Equal(t, int64(5), snap.Tokens)
	assert.Equal(t, 9.0, f.store.all()["a"].Tokens)
	f.store.hook(nil)
	f.mustFlush()
	assert.Equal(t, 5.0, f.store.all()["a"].Tokens, "and it is flushed")
}

func TestAdminWriteGivesUpAtItsDeadline(t *testing.T) {
	f := newFixture(t)
	require.NoError(t, f.writing.lock(context.Background())) // a flush that hangs
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := f.Create(ctx, "a", Change{})
	require.ErrorIs(t, err, ErrStore)
	require.ErrorIs(t, err, context.Canceled)
	f.writing.unlock()
	_, err = f.Create(context.Background(), "a", Change{})
	require.NoError(t, err)
}

// After a write in doubt nothing is assumed: Get says so, and the next write asks the store first.
func TestAmbiguousAdminWrite(t *testing.T) {
	doubt := func(context string) error { return errors.Join(ErrInDoubt, errors.New(context)) }
	start := func(t *testing.T, applied bool) *fixture {
		f := newFixture(t)
		_, err := f.Create(context.Background(), "a", Change{Tokens: ptr(int64(7))})
		require.NoError(t, err)
		f.store.doubtKeep = applied
		f.store.hook(func(Batch) error { return doubt("connection reset") })
		return f
	}
	recovered := func(f *fixture) {
		f.store.hook(nil)
		f.store.doubtKeep = false
		require.NoError(f.t, f.flush(context.Background(), 0))
	}
	for name, applied := range map[string]bool{"applied": true, "not applied": false} {
		t.Run("put "+name, func(t *testing.T) {
			f := start(t, applied)
			_, err := f.Put(context.Background(), "a", Change{Tokens: ptr(int64(2))})
			require.ErrorIs(t, err, ErrInDoubt)
			_, err = f.Get("a")
			require.ErrorIs(t, err, ErrInDoubt)

			f.store.onGet = func() error { return errors.New("still away") }
			_, err = f.Create(context.Background(), "b", Change{})
			require.ErrorIs(t, err, ErrStore, "nothing is written before the doubt is settled")
			require.ErrorContains(t, err, "still away")
			assert.NotContains(t, f.store.all(), "b")
			require.Error(t, f.flush(context.Background(), 0))

			f.store.onGet = nil
			recovered(f)
			want := int64(7)
			if applied {
				want = 2
			}
			assert.Equal(t, want, f.tokens("a"))
			assert.Equal(t, float64(want), f.store.all()["a"].Tokens)
		})
		t.Run("delete "+name, func(t *testing.T) {
			f := start(t, applied)
			require.ErrorIs(t, errorOf(f.Delete(context.Background(), "a")), ErrInDoubt)
			recovered(f)
			_, err := f.Get("a")
			if applied {
				require.ErrorIs(t, err, ErrNotFound)
				assert.Empty(t, f.store.all())
			} else {
				require.NoError(t, err)
				assert.Contains(t, f.store.all(), "a")
			}
		})
		t.Run("create "+name, func(t *testing.T) {
			f := start(t, applied)
			_, err := f.Create(context.Background(), "new", Change{Capacity: ptr(int64(3))})
			require.ErrorIs(t, err, ErrInDoubt)
			assert.Equal(t, 6, f.admitted("new", 6), "takers go on, on what is in memory")
			recovered(f)
			snap, err := f.Get("new")
			require.NoError(t, err)
			assert.Equal(t, applied, snap.Managed)
			row, ok := f.store.all()["new"]
			require.True(t, ok)
			assert.Equal(t, applied, row.Managed)
		})
	}
}

// A created bucket lacks only what its client spent while the store was writing. If a full bucket
// hasn't been reaped yet, what it lacks of the new capacity doesn't count.
func TestPutThatCreatesStartsFull(t *testing.T) {
	hundred := Change{Capacity: ptr(int64(100))}
	for name, before := range map[string]func(*fixture){
		"never seen":    func(*fixture) {},
		"full leftover": func(f *fixture) { f.Take("a"); f.clock.advance(time.Hour) },
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			before(f)
			snap, err := f.Put(context.Background(), "a", hundred)
			require.NoError(t, err)
			assert.Nil(t, snap.Before)
			assert.Equal(t, int64(100), snap.Tokens)
			f.mustFlush()
			assert.Equal(t, 100.0, f.store.all()["a"].Tokens)
		})
	}
	f := newFixture(t)
	f.store.hook(func(Batch) error { f.admitted("a", 3); return nil })
	snap, err := f.Put(context.Background(), "a", hundred)
	require.NoError(t, err)
	assert.Nil(t, snap.Before)
	assert.Equal(t, int64(97), snap.Tokens)
}

// A bucket that an admin write has stored isn't stored again, unless it was spent from meanwhile.
func TestAdminWritesAreClean(t *testing.T) {
	f := newFixture(t)
	ctx := context.Background()
	_, err := f.Put(ctx, "a", Change{})
	require.NoError(t, err)
	_, err = f.Patch(ctx, "a", Change{Tokens: ptr(int64(3))})
	require.NoError(t, err)
	_, err = f.Patch(ctx, "a", Change{Capacity: ptr(int64(30))})
	require.NoError(t, err)
	assert.Zero(t, f.Stats().Dirty)
	f.store.hook(func(Batch) error { f.Take("a"); return nil })
	_, err = f.Patch(ctx, "a", Change{Capacity: ptr(int64(20))})
	require.NoError(t, err)
	assert.Positive(t, f.Stats().Dirty)
	f.store.hook(nil)
	f.mustFlush()
	assert.Equal(t, float64(f.tokens("a")), f.store.all()["a"].Tokens)
}

// An existing bucket can be changed even when no more may be created.
func TestChangesAtTheCap(t *testing.T) {
	f := newFixture(t)
	o := f.options()
	o.MaxBuckets = 1
	f.reopen(o)
	f.Take("a")
	_, err := f.Put(context.Background(), "a", Change{Capacity: ptr(int64(5))})
	require.NoError(t, err)
	_, err = f.Patch(context.Background(), "a", Change{Capacity: ptr(int64(6))})
	require.NoError(t, err)
	_, err = f.Put(context.Background(), "b", Change{})
	require.ErrorIs(t, err, ErrFull)
}

// Requested tokens count from the stored moment, however late the doubt is settled.
func TestSettledLateIsAsStored(t *testing.T) {
	f := newFixture(t)
	ctx := context.Background()
	f.Take("a")
	f.store.doubtKeep = true
	f.store.hook(func(Batch) error { return ErrInDoubt })
	_, err := f.Put(ctx, "a", Change{Tokens: ptr(int64(2))})
	require.ErrorIs(t, err, ErrInDoubt)
	f.store.hook(nil)
	f.clock.advance(5 * time.Minute)
	f.mustFlush()
	assert.Equal(t, int64(7), f.tokens("a"))
	f.reopen(f.options())
	assert.Equal(t, int64(7), f.tokens("a"), "a restart changes nothing")
}

// An admin write that reads the clock and is overtaken by takers gives back nothing.
func TestChangeWithAnOlderClock(t *testing.T) {
	f := newFixture(t)
	for range 10 {
		f.table.Take("a", 1, int64(time.Hour)) // the takers are an hour ahead
	}
	_, err := f.Patch(context.Background(), "a", Change{Capacity: ptr(int64(20))})
	require.NoError(t, err)
	assert.NotEqual(t, table.Allowed, f.table.Take("a", 1, int64(time.Hour)).Outcome)
}

func TestAdminWriteOfACallerThatIsGone(t *testing.T) {
	f := newFixture(t)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for range 100 {
		_, err := f.Create(ctx, "a", Change{})
		require.ErrorIs(t, err, context.Canceled)
	}
	assert.Zero(t, f.store.writes)
	assert.True(t, f.Stats().StoreUp, "that is not the store's fault")
}

// A change keeps the tokens of its bucket, even if the bucket was full and reaped before memory
// followed the store. The new bucket doesn't begin full.
func TestChangeOfABucketThatIsReapedMeanwhile(t *testing.T) {
	hundred := Change{Capacity: ptr(int64(100)), Refill: &gcra.Refill{Amount: 1, Per: 24 * time.Hour}}
	put := func(f *fixture) error { return errorOf(f.Put(context.Background(), "a", hundred)) }
	reap := func(f *fixture) {
		f.clock.advance(time.Hour)
		f.reapAll()
		require.Zero(f.t, f.Stats().Buckets)
	}
	for name, change := range map[string]func(*fixture){
		"while the store writes": func(f *fixture) {
			f.store.hook(func(Batch) error { reap(f); return nil })
			require.NoError(f.t, put(f))
		},
		"in doubt": func(f *fixture) {
			f.store.doubtKeep = true
			f.store.hook(func(Batch) error { return ErrInDoubt })
			require.ErrorIs(f.t, put(f), ErrInDoubt)
			reap(f)
		},
		"in doubt, and the client is back": func(f *fixture) {
			f.store.doubtKeep = true
			f.store.hook(func(Batch) error { return ErrInDoubt })
			require.ErrorIs(f.t, put(f), ErrInDoubt)
			reap(f)
			f.admitted("a", 1)
			f.clock.advance(time.Minute)
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.Take("a")
			f.cleanAll() // It has no row, so the reaper may drop it.
			change(f)
			f.store.hook(nil)
			f.mustFlush()
			assert.Equal(t, int64(10), f.tokens("a"))
			assert.Equal(t, 10, int(f.store.all()["a"].Tokens))
		})
	}
}
