package limiter

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"gopher-equalizer/limiter/gcra"
)

// prepare makes other limits ready.
func (f *limitsFixture) prepare(limits ...LimitOptions) *Reload {
	f.t.Helper()
	f.o.Limits = limits
	r, err := f.Prepare(context.Background(), f.o)
	require.NoError(f.t, err)
	return r
}

func (f *limitsFixture) reload(limits ...LimitOptions) {
	f.t.Helper()
	f.prepare(limits...).Apply()
}

// What was spent stays spent, the old rate counts until the reload, and the capacity is cut.
func TestReloadOfNumbers(t *testing.T) {
	a := limitNamed("a", "ip")
	f := newLimitsFixture(t, a)
	l := f.Limit("a")
	require.True(t, f.take("a", "alice", 6))
	require.True(t, f.take("a", "bob", 1))
	f.clock.advance(2 * time.Minute) // alice has 6
	a.Settings = settingsOf(8, time.Hour)
	r := f.prepare(a)
	require.Same(t, l, r.Limit("a"))
	require.Equal(t, int64(10), f.tokens("a", "carol"), "nothing is changed before Apply")
	r.Apply()
	require.Same(t, l, f.Limit("a"))
	require.Equal(t, int64(6), f.tokens("a", "alice"))
	require.Equal(t, int64(8), f.tokens("a", "bob"), "full, as it was")
	require.Equal(t, int64(8), f.tokens("a", "carol"))
	f.clock.advance(time.Hour)
	require.Equal(t, int64(7), f.tokens("a", "alice"))
	require.Equal(t, settingsOf(8, time.Hour), l.Defaults())

	a.Settings = settingsOf(100, time.Minute)
	f.reload(a)
	require.Equal(t, int64(7), f.tokens("a", "alice"))
	require.Equal(t, int64(100), f.tokens("a", "bob"), "a full one is full")
	f.clock.advance(time.Minute)
	require.True(t, f.take("a", "alice", 8))
	require.False(t, f.take("a", "alice", 1))
}

// Reloads come before all buckets have followed the last one.
func TestReloadsInQuickSuccession(t *testing.T) {
	a := limitNamed("a", "ip")
	f := newLimitsFixture(t, a)
	require.True(t, f.take("a", "alice", 10))
	per := []time.Duration{time.Minute, time.Second, time.Hour, 10 * time.Second, time.Minute}
	earned := 0.0
	for _, p := range per {
		a.Settings = settingsOf(1000, p)
		f.reload(a)
		f.clock.advance(30 * time.Second)
		earned += float64(30*time.Second) / float64(p)
	}
	require.Equal(t, int64(earned), f.tokens("a", "alice"))
}

// The buckets of a tier follow it. Other managed ones keep what they have.
func TestReloadOfTiers(t *testing.T) {
	a := limitNamed("a", "ip")
	a.Tiers = map[string]gcra.Settings{"gold": settingsOf(1000, time.Second), "free": settingsOf(5, time.Hour)}
	f := newLimitsFixture(t, a)
	f.create("a", "gold", Change{Tier: ptr("gold"), Tokens: ptr(int64(500))})
	f.create("a", "free", Change{Tier: ptr("free")})
	f.create("a", "own", Change{})
	a.Settings = settingsOf(20, time.Minute)
	a.Tiers = map[string]gcra.Settings{"gold": settingsOf(400, time.Minute), "silver": settingsOf(50, time.Minute)}
	f.reload(a)
	require.Equal(t, int64(400), f.tokens("a", "gold"))
	require.Equal(t, int64(5), f.tokens("a", "free"), "it is managed, and keeps its tokens")
	require.Equal(t, int64(10), f.tokens("a", "own"))
	snap, err := f.Get("a", "free")
	require.NoError(t, err)
	require.Equal(t, a.Settings, snap.Settings)
	require.Equal(t, "free", snap.Tier)
	require.True(t, snap.TierGone)
	f.create("a", "silver", Change{Tier: ptr("silver")})
	snap, err = f.Get("a", "own")
	require.NoError(t, err)
	require.Equal(t, settingsOf(10, time.Minute), snap.Settings)

	a.Tiers = map[string]gcra.Settings{"free": settingsOf(7, time.Minute)}
	f.reload(a)
	f.clock.advance(time.Hour)
	require.Equal(t, int64(7), f.tokens("a", "free"), "its tier is back")
	require.Equal(t, int64(20), f.tokens("a", "gold"))
	f.restart(a)
	require.Equal(t, int64(7), f.tokens("a", "free"))
	require.Equal(t, int64(10), f.tokens("a", "own"))
}

// A limit that leaves is flushed, and then forgotten. Its rows are there when it returns.
func TestReloadRemovesALimitAndBringsItBack(t *testing.T) {
	a, b := limitNamed("a", "ip"), limitNamed("b", "ip")
	f := newLimitsFixture(t, a, b)
	require.True(t, f.take("b", "alice", 4))
	gone := f.Limit("b")
	f.reload(a)
	require.Nil(t, f.Limit("b"))
	require.ErrorIs(t, errorOf(f.Get("b", "alice")), ErrNoLimit)
	require.True(t, gone.Take("alice", 1).Allowed, "a request that has it goes on")
	f.round()
	require.NotEmpty(t, f.present.Load().leaving, "others may have it, too")
	f.clock.advance(2 * time.Second)
	f.round()
	require.Empty(t, f.present.Load().leaving)
	require.Equal(t, longAgo(), f.store.spaces[2].Stopped)
	require.False(t, f.store.spaces[2].Left.IsZero())

	f.reload(a, b)
	require.NotSame(t, gone, f.Limit("b"))
	require.Equal(t, int64(5), f.tokens("b", "alice"))
	f.take("a", "alice", 1)
	f.round()
	require.True(t, f.store.spaces[2].Left.IsZero())
	require.True(t, f.store.spaces[2].Stopped.IsZero())
}

func TestReloadBringsALimitBackThatHasNotLeft(t *testing.T) {
	a, b := limitNamed("a", "ip"), limitNamed("b", "ip")
	f := newLimitsFixture(t, a, b)
	require.True(t, f.take("b", "alice", 4))
	gone := f.Limit("b")
	f.reload(a)
	r := f.prepare(a, b)
	f.clock.advance(2 * time.Second)
	f.round()
	require.NotEmpty(t, f.present.Load().leaving, "it is to come back")
	r.Discard()
	b.Settings.Capacity = 20
	f.reload(a, b)
	require.Same(t, gone, f.Limit("b"))
	require.Equal(t, int64(6), f.tokens("b", "alice"))
	f.clock.advance(time.Minute)
	f.round()
	require.Same(t, gone, f.Limit("b"))
	require.Empty(t, f.present.Load().leaving)
}

// A strict limit comes back while the store may have it that it has left, in order. That it is at
// work is noted first, so that a crash doesn't look like a stop.
func TestReloadBringsALimitBackWhoseLeavingIsInDoubt(t *testing.T) {
	a, b := limitNamed("a", "ip"), limitNamed("b", "ip")
	b.Strict = true
	f := newLimitsFixture(t, a, b)
	require.True(t, f.take("b", "alice", 4))
	f.round()
	gone := f.Limit("b")
	f.reload(a)
	f.clock.advance(2 * time.Second)
	f.store.doubtKeep = true
	f.store.hook(func(batch Batch) error {
		if slices.ContainsFunc(batch.Namespaces, func(n Namespace) bool { return !n.Left.IsZero() }) {
			return ErrInDoubt
		}
		return nil
	})
	require.ErrorIs(t, f.flush(context.Background(), time.Second), ErrInDoubt)
	f.store.hook(nil)
	require.False(t, f.store.spaces[2].Left.IsZero(), "the store has it")
	f.reload(a, b)
	require.Same(t, gone, f.Limit("b"))
	require.True(t, f.store.spaces[2].Left.IsZero())
	require.True(t, f.store.spaces[2].Stopped.IsZero())
	require.True(t, f.take("b", "alice", 3))
	before := f.held("b", "alice")
	f.start(a, b)
	require.LessOrEqual(t, f.held("b", "alice"), before)
}

// What was prepared is let go.
func TestReloadIsDiscarded(t *testing.T) {
	a, b := limitNamed("a", "ip"), limitNamed("b", "ip")
	f := newLimitsFixture(t, a)
	f.take("a", "alice", 1)
	f.prepare(a, b).Discard()
	require.Nil(t, f.Limit("b"))
	f.round()
	require.False(t, f.store.spaces[2].Left.IsZero())
	f.reload(a, b)
	require.Equal(t, int64(10), f.tokens("b", "alice"))
	f.restart(a, b)
	require.Len(t, f.store.spaces, 2)
}

// While the store is away a new limit begins without its rows.
func TestReloadWhileTheStoreIsAway(t *testing.T) {
	a, b := limitNamed("a", "ip"), limitNamed("b", "ip")
	f := newLimitsFixture(t, a, b)
	f.take("b", "alice", 4)
	f.restart(a)
	f.store.away = errors.New("away")
	f.reload(a, b)
	require.Equal(t, int64(10), f.tokens("b", "alice"))
	f.take("b", "alice", 1)
	_, err := f.Put(context.Background(), "b", "alice", Change{})
	require.ErrorIs(t, err, ErrStore)
	f.store.away = nil
	f.round()
	require.Equal(t, int64(5), f.tokens("b", "alice"))
	f.restart(a, b)
	require.Equal(t, int64(5), f.tokens("b", "alice"))

	f.store.away = errors.New("away")
	c := limitNamed("c", "ip")
	c.Strict = true
	f.o.Limits = []LimitOptions{a, b, c}
	_, err = f.Prepare(context.Background(), f.o)
	require.ErrorContains(t, err, `limit "c": strict`)
	f.store.away = nil
	f.reload(a, b, c)
}

// A limit with another key is another one. One with hashed client_ids is refused while the one with
// plain client_ids is at work or leaving. Then it gets the rows, under hashes.
func TestReloadOfAKey(t *testing.T) {
	a := limitNamed("a", "ip")
	f := newLimitsFixture(t, a)
	f.take("a", "alice", 4)
	f.reload(limitNamed("a", "header:x"))
	require.Equal(t, int64(10), f.tokens("a", "alice"))
	f.clock.advance(2 * time.Second)
	f.round()
	f.reload(a)
	require.Equal(t, int64(6), f.tokens("a", "alice"))

	secret := limitNamed("a", "ip secret")
	secret.Plain, secret.Secret = "ip", starred
	refused := func() {
		t.Helper()
		f.o.Limits = []LimitOptions{secret}
		require.ErrorIs(t, errorOf(f.Prepare(context.Background(), f.o)), errHides)
	}
	refused()
	f.reload(limitNamed("b", "ip"))
	refused()
	f.clock.advance(2 * time.Second)
	f.round() // the plain one leaves
	f.reload(secret)
	f.take("a", starred("alice"), 1)
	f.round() // its rows are hashed
	require.Equal(t, int64(5), f.tokens("a", starred("alice")))
	f.restart(secret)
	require.Equal(t, int64(5), f.tokens("a", starred("alice")))
}

func TestReloadOfIntervals(t *testing.T) {
	a := limitNamed("a", "ip")
	f := newLimitsFixture(t, a)
	f.o.FlushInterval, f.o.StoreTimeout, f.o.LimitsKept = time.Minute, 2*time.Minute, time.Hour
	a.MaxBuckets = 1
	f.reload(a)
	require.Equal(t, 2*time.Minute, f.timeout())
	f.take("a", "alice", 1)
	f.take("a", "bob", 1)
	require.Equal(t, Counts{Buckets: 1, MaxBuckets: 1, OverflowTakes: 1}, f.Stats().Counts)
	f.o.Limits = []LimitOptions{a, a}
	_, err := f.Prepare(context.Background(), f.o)
	require.ErrorContains(t, err, `limit "a": there are two of that name`)
}

func TestReloadsTakeTurns(t *testing.T) {
	a := limitNamed("a", "ip")
	f := newLimitsFixture(t, a)
	r := f.prepare(a)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := f.Prepare(ctx, f.o)
	require.ErrorIs(t, err, context.Canceled)
	r.Apply()
	f.reload(a)
}

// starred is a hash of client_ids.
func starred(clientID string) string { return "*" + strings.TrimPrefix(clientID, "*") }
