package limiter

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/limiter/gcra"
)

// All managed buckets of a limit go, also those under another key, and those of a limit that left.
// Unmanaged ones and those of others stay.
func TestDeleteManaged(t *testing.T) {
	ctx := context.Background()
	a, b, c := limitNamed("a", "ip"), limitNamed("b", "ip"), limitNamed("c", "ip")
	f := newLimitsFixture(t, a, b, c)
	for _, limit := range []string{"a", "b", "c"} {
		f.create(limit, "alice", Change{Capacity: ptr(int64(50))})
		f.create(limit, "bob", Change{Capacity: ptr(int64(60))})
		f.take(limit, "carol", 4)
	}
	n, err := f.DeleteManaged(ctx, "a")
	require.NoError(t, err)
	require.Equal(t, 2, n)
	require.ErrorIs(t, errorOf(f.Get("a", "alice")), ErrNotFound)
	require.Equal(t, int64(6), f.tokens("a", "carol"))
	require.Equal(t, int64(50), f.tokens("b", "alice"))
	require.NoError(t, f.flush(ctx, 0))
	require.ElementsMatch(t, []string{"carol", "2:alice", "2:bob", "2:carol", "3:alice", "3:bob", "3:carol"}, f.stored())

	b.Fingerprint = "header:x"
	f.restart(a, b)
	f.create("b", "dora", Change{})
	n, err = f.DeleteManaged(ctx, "b")
	require.NoError(t, err)
	require.Equal(t, 3, n, "dora, and two under the former key")
	n, err = f.DeleteManaged(ctx, "c")
	require.NoError(t, err)
	require.Equal(t, 2, n)
	require.ElementsMatch(t, []string{"carol", "2:carol", "3:carol"}, f.stored())
	n, err = f.DeleteManaged(ctx, "c")
	require.NoError(t, err)
	require.Zero(t, n, "there are none left")
	_, err = f.DeleteManaged(ctx, "d")
	require.ErrorIs(t, err, ErrNoLimit)
	require.ErrorContains(t, err, `"d"; want one of a, b`)

	f.restart(a, b, c)
	require.ErrorIs(t, errorOf(f.Get("c", "alice")), ErrNotFound)
	require.NoError(t, f.Close(ctx))
	_, err = f.DeleteManaged(ctx, "a")
	require.ErrorIs(t, err, ErrClosed)
}

// What the sweep has left of a limit that left is still deleted.
func TestDeleteManagedAfterASweep(t *testing.T) {
	a, b := limitNamed("a", "ip"), limitNamed("b", "ip")
	f := newLimitsFixture(t, a, b)
	f.create("b", "alice", Change{})
	f.restart(a)
	f.clock.advance(8 * 24 * time.Hour)
	f.round()
	require.Contains(t, f.log.String(), "its unmanaged buckets are deleted")
	n, err := f.DeleteManaged(context.Background(), "b")
	require.NoError(t, err)
	require.Equal(t, 1, n)
	require.Empty(t, f.store.all())
}

// Many go a batch at a time. Those that went before the store failed are counted, and another call
// goes on.
func TestDeleteManagedGoesByBatches(t *testing.T) {
	ctx := context.Background()
	f := newLimitsFixture(t, limitNamed("a", "ip"))
	for i := range flushBatch + 5 {
		f.store.rows[fmt.Sprint(i)] = Record{Key: Key{1, fmt.Sprint(i)}, Managed: true, Settings: settingsOf(5, time.Minute), At: dawn}
	}
	f.restart(limitNamed("a", "ip"))
	down := errors.New("down")
	batches := 0
	f.store.hook(func(b Batch) error {
		if batches++; batches == 2 {
			return down
		}
		return nil
	})
	n, err := f.DeleteManaged(ctx, "a")
	require.ErrorIs(t, err, down)
	require.ErrorIs(t, err, ErrStore)
	require.Equal(t, flushBatch, n)
	require.Len(t, f.store.all(), 5)
	require.Equal(t, int64(5), f.Stats().Managed, "those are still in memory")
	f.store.hook(nil)
	n, err = f.DeleteManaged(ctx, "a")
	require.NoError(t, err)
	require.Equal(t, 5, n)
	require.Zero(t, f.Stats().Managed)
}

// A store that leaves the deletion in doubt is asked. Until then no bucket of the batch is known.
func TestDeleteManagedInDoubt(t *testing.T) {
	for _, applied := range []bool{false, true} {
		f := newLimitsFixture(t, limitNamed("a", "ip"), limitNamed("b", "ip"))
		for _, id := range []string{"alice", "bob", "carol"} {
			f.create("a", id, Change{Capacity: ptr(int64(50))})
			f.create("b", id, Change{Capacity: ptr(int64(50))})
		}
		f.take("a", "dora", 1)
		f.store.doubtKeep = applied
		f.store.hook(func(Batch) error { return ErrInDoubt })
		n, err := f.DeleteManaged(context.Background(), "a")
		require.ErrorIs(t, err, ErrInDoubt)
		require.Zero(t, n)
		for _, id := range []string{"alice", "bob", "carol"} {
			require.ErrorIs(t, errorOf(f.Get("a", id)), ErrInDoubt)
			require.NoError(t, errorOf(f.Get("b", id)))
		}
		require.NoError(t, errorOf(f.Get("a", "dora")))
		f.store.hook(nil)
		f.store.doubtKeep = false
		f.round()
		for _, id := range []string{"alice", "bob", "carol"} {
			err := errorOf(f.Get("a", id))
			if applied {
				require.ErrorIs(t, err, ErrNotFound)
			} else {
				require.NoError(t, err)
			}
		}
	}
}

// A deletion in doubt of rows that are only stored is settled, too.
func TestDeleteManagedOfALimitThatLeftInDoubt(t *testing.T) {
	f := newLimitsFixture(t, limitNamed("a", "ip"), limitNamed("b", "ip"))
	f.create("b", "alice", Change{})
	f.restart(limitNamed("a", "ip"))
	f.store.hook(func(Batch) error { return ErrInDoubt })
	_, err := f.DeleteManaged(context.Background(), "b")
	require.ErrorIs(t, err, ErrInDoubt)
	f.store.hook(nil)
	n, err := f.DeleteManaged(context.Background(), "b")
	require.NoError(t, err)
	require.Equal(t, 1, n)
}

// deadlines is a store whose calls must have a deadline, or, for a load, a context that can end.
type deadlines struct {
	*fakeStore
	t *testing.T
}

func (s deadlines) Get(ctx context.Context, key Key) (Record, bool, error) {
	_, ok := ctx.Deadline()
	assert.True(s.t, ok, "Get")
	return s.fakeStore.Get(ctx, key)
}

func (s deadlines) Load(ctx context.Context, namespace uint32, yield func(Record) error) error {
	assert.NotNil(s.t, ctx.Done(), "Load")
	return s.fakeStore.Load(ctx, namespace, yield)
}

func (s deadlines) Write(ctx context.Context, b Batch) error {
	_, ok := ctx.Deadline()
	assert.True(s.t, ok, "Write")
	return s.fakeStore.Write(ctx, b)
}

// No store hangs the deletion for ever, and the write lock with it.
func TestDeleteManagedHasDeadlines(t *testing.T) {
	f := newLimitsFixture(t, limitNamed("a", "ip"), limitNamed("b", "ip"))
	f.create("b", "alice", Change{})
	f.restart(limitNamed("a", "ip"))
	f.create("a", "alice", Change{})
	f.Service.store = deadlines{f.store, t}
	f.store.hook(func(Batch) error { return ErrInDoubt })
	_, err := f.DeleteManaged(context.Background(), "a")
	require.ErrorIs(t, err, ErrInDoubt)
	f.store.hook(nil)
	for _, limit := range []string{"a", "b"} {
		n, err := f.DeleteManaged(context.Background(), limit)
		require.NoError(t, err)
		require.Equal(t, 1, n)
	}
}

// A bucket that an operator gave up between two batches isn't touched again.
func TestDeleteManagedLeavesWhatIsUnmanagedMeanwhile(t *testing.T) {
	f := newLimitsFixture(t, limitNamed("a", "ip"))
	f.create("a", "alice", Change{})
	live, _, err := f.managedKeys(context.Background(), "a", f.Limit("a"))
	require.NoError(t, err)
	require.NoError(t, errorOf(f.Delete(context.Background(), "a", "alice")))
	f.take("a", "alice", 3)
	n, err := f.deleteManaged(context.Background(), f.Limit("a"), live)
	require.NoError(t, err)
	require.Zero(t, n)
	require.Equal(t, int64(7), f.tokens("a", "alice"))
}

// Conditions see the bucket that there is, under the lock, and nothing is stored if one of them
// doesn't hold.
func TestConditions(t *testing.T) {
	ctx := context.Background()
	f := newLimitsFixture(t, limitNamed("a", "ip"))
	no := errors.New("no")
	var seen *Snapshot
	refuse := func(present *Snapshot) error { seen = present; return no }
	agree := func(*Snapshot) error { return nil }
	five := Change{Capacity: ptr(int64(5))}

	require.ErrorIs(t, errorOf(f.Put(ctx, "a", "alice", five, agree, refuse)), no)
	require.Nil(t, seen)
	require.ErrorIs(t, errorOf(f.Patch(ctx, "a", "alice", five, refuse)), ErrNotFound)
	require.ErrorIs(t, errorOf(f.Delete(ctx, "a", "alice", refuse)), ErrNotFound)
	require.NoError(t, errorOf(f.Put(ctx, "a", "alice", five, agree)))
	writes := f.store.writes
	require.ErrorIs(t, errorOf(f.Put(ctx, "a", "alice", Change{Tokens: ptr(int64(6))}, refuse)), gcra.ErrSettings)
	require.ErrorIs(t, errorOf(f.Put(ctx, "a", "alice", Change{}, refuse)), no)
	require.ErrorIs(t, errorOf(f.Patch(ctx, "a", "alice", Change{}, refuse)), no)
	require.ErrorIs(t, errorOf(f.Delete(ctx, "a", "alice", refuse)), no)
	assert.Equal(t, int64(5), seen.Capacity)
	assert.Equal(t, writes, f.store.writes)
	require.NoError(t, errorOf(f.Delete(ctx, "a", "alice", agree)))
}
