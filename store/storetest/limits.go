package storetest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"gopher-equalizer/limiter"
	"gopher-equalizer/limiter/gcra"
)

func limitNamed(name string, strict bool) limiter.LimitOptions {
	return limiter.LimitOptions{
		Name: name, Fingerprint: "ip", Settings: defaults(), MaxBuckets: 1000, Strict: strict,
		Tiers: map[string]gcra.Settings{"gold": {Capacity: 1000, Refill: defaults().Refill}},
	}
}

func serveLimits(t *testing.T, s limiter.Store, limits ...limiter.LimitOptions) *service {
	t.Helper()
	return serveOptions(t, s, limiter.Options{Limits: limits, FlushInterval: time.Millisecond, StoreTimeout: patience})
}

// held is what the client's bucket under a limit has.
func (v *service) held(limit, clientID string) int64 {
	v.t.Helper()
	snap, err := v.Get(limit, clientID)
	require.NoError(v.t, err)
	return snap.Tokens
}

// clean waits until all that was spent is stored.
func (v *service) clean() {
	v.t.Helper()
	require.Eventually(v.t, func() bool { return v.Stats().Dirty == 0 }, patience, time.Millisecond)
}

// The same client has a bucket under each of three limits. One of them is strict. After a stop each
// has what it had. After a crash the strict one has lost what was reserved, and one that wasn't
// there has lost nothing.
func threeLimitsShareAStore(t *testing.T, place Place) {
	s := Open(t, place)
	all := []limiter.LimitOptions{limitNamed("default", false), limitNamed("search", true), limitNamed("login", false)}
	v := serveLimits(t, s, all...)
	for i, name := range []string{"default", "search", "login"} {
		require.True(t, v.Service.Limit(name).Take("alice", int64(1+i)).Allowed)
	}
	gold := "gold"
	_, err := v.Create(t.Context(), "login", "bob", limiter.Change{Tier: &gold})
	require.NoError(t, err)
	v.stop()

	s = Reopen(t, place, s)
	v = serveLimits(t, s, all[2], all[0], all[1])
	require.Equal(t, int64(9), v.held("default", "alice"))
	require.Equal(t, int64(8), v.held("search", "alice"))
	require.Equal(t, int64(7), v.held("login", "alice"))
	require.Equal(t, int64(1000), v.held("login", "bob"))
	v.clean()
	v.stop()

	s = Reopen(t, place, s)
	v = serveLimits(t, s, all[0], all[1])
	v.clean()
	v.crash()
	s = Reopen(t, place, s)
	v = serveLimits(t, s, all...)
	require.Equal(t, int64(9), v.held("default", "alice"))
	require.Equal(t, int64(3), v.held("search", "alice"), "5 were reserved")
	require.Equal(t, int64(7), v.held("login", "alice"), "it wasn't there")
	snap, err := v.Get("login", "bob")
	require.NoError(t, err)
	require.Equal(t, "gold", snap.Tier)
	v.stop()
	require.Len(t, Namespaces(t, s), 3)
}

// The rows of a limit, and of no other, are rewritten under hashes in one transaction.
func clientIDsBecomeSecret(t *testing.T, place Place) {
	s := Open(t, place)
	plain, other := limitNamed("default", false), limitNamed("other", false)
	plain.Fingerprint = "header:x"
	v := serveLimits(t, s, plain, other)
	require.True(t, v.Service.Limit("default").Take("alice", 4).Allowed)
	require.True(t, v.Service.Limit("other").Take("alice", 1).Allowed)
	v.stop()

	secret := plain
	secret.Plain, secret.Fingerprint = plain.Fingerprint, "header:x sha256"
	secret.Secret = func(clientID string) string { return "sha256:" + clientID }
	s = Reopen(t, place, s)
	v = serveLimits(t, s, secret, other)
	require.Equal(t, int64(6), v.held("default", "sha256:alice"))
	require.Eventually(t, func() bool { _, ok := Get(t, s, "sha256:alice"); return ok }, patience, time.Millisecond)
	_, ok := Get(t, s, "alice")
	require.False(t, ok)
	v.stop()
	require.Len(t, LoadFrom(t, s, 2), 1)
	require.Contains(t, LoadFrom(t, s, 2), "alice")
	s = Reopen(t, place, s)
	v = serveLimits(t, s, secret, other)
	require.Equal(t, int64(6), v.held("default", "sha256:alice"))
	require.Equal(t, int64(9), v.held("other", "alice"))
	v.stop()
}

// What operators wrote under a limit is deleted for good, also under one that left, and nothing
// else is.
func managedBucketsOfALimitAreDeleted(t *testing.T, place Place) {
	s := Open(t, place)
	stays, leaves := limitNamed("stays", false), limitNamed("leaves", true)
	v := serveLimits(t, s, stays, leaves)
	gold := "gold"
	for _, limit := range []string{"stays", "leaves"} {
		for _, id := range []string{"alice", "bob"} {
			_, err := v.Create(t.Context(), limit, id, limiter.Change{Tier: &gold})
			require.NoError(t, err)
		}
		require.True(t, v.Service.Limit(limit).Take("carol", 3).Allowed)
	}
	v.stop()

	s = Reopen(t, place, s)
	v = serveLimits(t, s, stays)
	for _, limit := range []string{"stays", "leaves"} {
		n, err := v.DeleteManaged(t.Context(), limit)
		require.NoError(t, err)
		require.Equal(t, 2, n, limit)
	}
	_, err := v.Get("stays", "alice")
	require.ErrorIs(t, err, limiter.ErrNotFound)
	v.crash()

	s = Reopen(t, place, s)
	v = serveLimits(t, s, stays, leaves)
	for _, limit := range []string{"stays", "leaves"} {
		_, err := v.Get(limit, "alice")
		require.ErrorIs(t, err, limiter.ErrNotFound, limit)
		require.Equal(t, int64(7), v.held(limit, "carol"), limit)
	}
	v.stop()
}
