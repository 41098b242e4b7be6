package storetest

import (
	"context"
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"gopher-equalizer/limiter"
	"gopher-equalizer/limiter/gcra"
)

// defaults are the settings that the services of these checks give to unknown clients.
func defaults() gcra.Settings {
	return gcra.Settings{Capacity: 10, Refill: gcra.Refill{Amount: 1, Per: 24 * time.Hour}}
}

// service is a limiter.Service over a faulty store, with its Run under way. It has three limits,
// and its calls are about one of them, whose namespace is the first.
type service struct {
	*limiter.Service
	*limiter.Limit
	t      *testing.T
	store  *Faulty
	cancel context.CancelFunc
	done   chan struct{}
}

// limitNames are those of a service's limits. Its calls are about the first one.
var limitNames = []string{"default", "search", "login"}

// serve opens a Service that flushes all the time.
func serve(t *testing.T, s limiter.Store, settings gcra.Settings) *service {
	t.Helper()
	return serveWith(t, s, limiter.LimitOptions{Settings: settings})
}

// serveWith is serve with other options of the limits.
func serveWith(t *testing.T, s limiter.Store, each limiter.LimitOptions) *service {
	t.Helper()
	each.MaxBuckets = 20_000
	o := limiter.Options{FlushInterval: time.Millisecond, StoreTimeout: patience}
	for _, name := range limitNames {
		each.Name = name
		o.Limits = append(o.Limits, each)
	}
	return serveOptions(t, s, o)
}

func serveOptions(t *testing.T, s limiter.Store, o limiter.Options) *service {
	t.Helper()
	faulty := NewFaulty(s)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	opened, err := limiter.Open(ctx, o, faulty)
	require.NoError(t, err)
	v := &service{Service: opened, Limit: opened.Limits()[0], t: t, store: faulty, done: make(chan struct{})}
	background, stop := context.WithCancel(t.Context())
	v.cancel = stop
	go func() { v.Run(background); close(v.done) }()
	t.Cleanup(func() { stop(); <-v.done })
	return v
}

// crash ends the service without storing anything more.
func (v *service) crash() {
	v.cancel()
	<-v.done
}

// stop ends the service and stores everything.
func (v *service) stop() {
	v.t.Helper()
	v.cancel()
	<-v.done
	require.NoError(v.t, v.Close(context.Background()))
}

// take spends n tokens, which must be there.
func (v *service) take(clientID string, n int) {
	v.t.Helper()
	for range n {
		require.True(v.t, v.Take(clientID, 1).Allowed)
	}
}

// tokens waits until no write is in doubt.
func (v *service) tokens(clientID string) int64 {
	v.t.Helper()
	snap, err := v.Get(v.Name(), clientID)
	require.NoError(v.t, err)
	return snap.Tokens
}

// settled waits until no write of the client is in doubt, by its Get.
func (v *service) settled(clientID string) {
	v.t.Helper()
	require.Eventually(v.t, func() bool {
		_, err := v.Get(v.Name(), clientID)
		return err == nil || err == limiter.ErrNotFound
	}, patience, time.Millisecond)
}

func aServiceFindsItsBucketsAgain(t *testing.T, place Place) {
	s := Open(t, place)
	v := serve(t, s, defaults())
	v.take("spent", 10)
	v.take("some", 3)
	_, err := v.Create(t.Context(), v.Name(), "managed", limiter.Change{Capacity: ptr(int64(15)), Tokens: ptr(int64(5))})
	require.NoError(t, err)
	v.take("managed", 1)
	v.stop()

	v = serve(t, Reopen(t, place, s), defaults())
	require.Zero(t, v.tokens("spent"))
	require.Equal(t, int64(7), v.tokens("some"))
	require.Equal(t, int64(4), v.tokens("managed"))
	v.stop()
}

// The delete comes after a flush has read the bucket and before it commits. The flush must not
// revive the bucket.
func aDeleteDuringAFlushStays(t *testing.T, place Place) {
	s := Open(t, place)
	v := serve(t, s, defaults())
	reading := newPause()
	v.store.Queue(reading.fault())
	v.take("alice", 4)
	<-reading.reached
	deleted := make(chan error, 1)
	go func() { deleted <- errorOf(v.Delete(context.Background(), v.Name(), "alice")) }()
	close(reading.release)
	require.NoError(t, <-deleted)
	v.stop()
	require.Empty(t, Load(t, s))
}

// A managed bucket is deleted while it is dirty: before a flush finds it, or between finding and
// reading it. A flush would put a managed bucket even if it is full.
func aDeletedManagedBucketIsNotPutAgain(t *testing.T, place Place) {
	s := Open(t, place)
	v := serve(t, s, gcra.Settings{Capacity: 10_000, Refill: defaults().Refill})
	for !v.deleteBetweenBatches("zoe") { // the scheduler decides which comes first
		_, stored := Get(t, s, "zoe")
		require.False(t, stored)
	}
	_, stored := Get(t, s, "zoe")
	require.False(t, stored)

	v.cancel()
	<-v.done // the next flush is the last one
	dirty := v.Stats().Dirty
	v.create("zoe")
	v.take("zoe", 4)
	require.Equal(t, dirty+1, v.Stats().Dirty)
	require.NoError(t, errorOf(v.Delete(t.Context(), v.Name(), "zoe")))
	v.stop()
	require.NotContains(t, Load(t, s), "zoe")
}

func (v *service) create(clientID string) {
	v.t.Helper()
	_, err := v.Create(v.t.Context(), v.Name(), clientID, limiter.Change{})
	require.NoError(v.t, err)
}

// pause is a Write that waits before it is applied.
type pause struct{ reached, release chan struct{} }

func newPause() pause { return pause{make(chan struct{}), make(chan struct{})} }

func (p pause) fault() Fault {
	return Fault{Before: func(context.Context, limiter.Batch) { close(p.reached); <-p.release }}
}

// deleteBetweenBatches makes a flush write more buckets than a batch holds. The client's bucket is
// in the last batch, and is deleted while the first is on its way to the store. The result is
// whether the delete reached the store before the second batch.
func (v *service) deleteBetweenBatches(clientID string) (between bool) {
	v.t.Helper()
	const batch = 10_000
	v.create(clientID)
	require.Eventually(v.t, func() bool { return v.Stats().Dirty == 0 }, patience, time.Millisecond)
	before, first, second := newPause(), newPause(), make(chan limiter.Batch, 1)
	v.store.Queue(before.fault())
	v.take("a", 1)
	<-before.reached // by a flush that has no other buckets
	for n := range batch {
		v.take(fmt.Sprintf("client-%05d", n), 1)
	}
	v.take(clientID, 4)
	v.store.Queue(first.fault(), Fault{Before: func(_ context.Context, b limiter.Batch) { second <- b }})
	close(before.release)
	<-first.reached
	deleted := make(chan error, 1)
	go func() { deleted <- errorOf(v.Delete(context.Background(), v.Name(), clientID)) }()
	runtime.Gosched()
	close(first.release)
	between = len((<-second).Deletes) == 1
	require.NoError(v.t, <-deleted)
	return between
}

// A write in doubt is settled by what the store has, whether it was applied, lost, or is late.
func anAmbiguousAdminWriteIsSettled(t *testing.T, place Place) {
	s := Open(t, place)
	v := serve(t, s, defaults())
	for i, outcome := range []Outcome{Lost, Applied, AppliedLate} {
		id := string(rune('a' + i))
		_, err := v.Create(t.Context(), v.Name(), id, limiter.Change{Tokens: ptr(int64(7))})
		require.NoError(t, err)
		v.store.Queue(InDoubt(outcome))
		_, err = v.Patch(t.Context(), v.Name(), id, limiter.Change{Tokens: ptr(int64(2))})
		require.ErrorIs(t, err, limiter.ErrInDoubt)
		v.settled(id)
		want := int64(2)
		if outcome == Lost {
			want = 7
		}
		require.Equal(t, want, v.tokens(id))

		v.store.Queue(InDoubt(outcome))
		require.ErrorIs(t, errorOf(v.Delete(t.Context(), v.Name(), id)), limiter.ErrInDoubt)
		v.settled(id)
		_, err = v.Get(v.Name(), id)
		_, stored := Get(t, s, id)
		require.Equal(t, outcome == Lost, stored)
		require.Equal(t, stored, err == nil, "memory is as the store")
	}
	v.stop()
}

// A later flush writes what a flush couldn't, or what is in doubt.
func anAmbiguousFlushLosesNothing(t *testing.T, place Place) {
	s := Open(t, place)
	v := serve(t, s, defaults())
	v.store.Queue(InDoubt(Lost), InDoubt(Applied), InDoubt(AppliedLate), InDoubt(Lost))
	v.take("alice", 4)
	require.Eventually(t, func() bool { return v.store.Writes() > 4 }, patience, time.Millisecond)
	v.take("alice", 1)
	v.stop()
	row, ok := Get(t, s, "alice")
	require.True(t, ok)
	require.InDelta(t, 5, row.Tokens, 0.01)
}

// A strict service that isn't stopped in order starts again without the reserved tokens, and with
// empty buckets where there is no row. After a stop everything is as it was.
func aCrashOfAStrictServiceGivesNothingBack(t *testing.T, place Place) {
	s := Open(t, place)
	strict := limiter.LimitOptions{Settings: defaults(), Strict: true}
	v := serveWith(t, s, strict)
	v.take("alice", 2)
	require.Eventually(t, func() bool { _, ok := Get(t, s, "alice"); return ok && v.Stats().Dirty == 0 }, patience, time.Millisecond)
	v.crash()

	s = Reopen(t, place, s)
	v = serveWith(t, s, strict)
	require.Equal(t, int64(3), v.tokens("alice"), "10 - 2 spent - 5 reserved")
	require.False(t, v.Take("bob", 1).Allowed, "who may have spent everything starts empty")
	require.Eventually(t, func() bool { return v.Take("alice", 1).Allowed }, patience, time.Millisecond, "it is reserved anew")
	v.stop()

	s = Reopen(t, place, s)
	v = serveWith(t, s, strict)
	require.Equal(t, int64(2), v.tokens("alice"))
	v.take("alice", 1)
	require.False(t, v.Take("carol", 1).Allowed, "no stop tells what she spent before the crash")
	v.stop()
}

// After a restart with other defaults, unmanaged buckets keep their tokens, cut to the new
// capacity, and get the new settings. Managed ones keep their own.
func changedDefaultsOverARestart(t *testing.T, place Place) {
	s := Open(t, place)
	v := serve(t, s, defaults())
	v.take("alice", 2)
	_, err := v.Create(t.Context(), v.Name(), "managed", limiter.Change{Tokens: ptr(int64(9))})
	require.NoError(t, err)
	v.stop()
	s = Reopen(t, place, s)

	changed := gcra.Settings{Capacity: 5, Refill: gcra.Refill{Amount: 1, Per: 48 * time.Hour}}
	v = serve(t, s, changed)
	_, err = v.Get(v.Name(), "alice")
	require.ErrorIs(t, err, limiter.ErrNotFound, "8 tokens, cut to 5: it is full")
	require.Equal(t, int64(9), v.tokens("managed"))
	v.take("alice", 1)
	v.stop()

	row, ok := Get(t, s, "alice")
	require.True(t, ok)
	require.Equal(t, changed, row.Settings)
	row, ok = Get(t, s, "managed")
	require.True(t, ok)
	require.Equal(t, defaults(), row.Settings)
}

func ptr[T any](v T) *T { return &v }

// errorOf is the error of a call that also has a result.
func errorOf[T any](_ T, err error) error { return err }
