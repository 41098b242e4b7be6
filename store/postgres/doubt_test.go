package postgres

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/limiter/lease"
)

// ways are those in which the network breaks at the moment when a COMMIT passes, and whether it is
// carried out.
func ways() map[string]struct {
	applied bool
	v       func(k *link, commit []byte, timeUp func())
} {
	return map[string]struct {
		applied bool
		v       func(k *link, commit []byte, timeUp func())
	}{
		"cut before it arrived": {false, func(k *link, _ []byte, _ func()) {
			_ = k.client.Close()
			_ = k.server.Close()
		}},
		"cut after it arrived": {true, func(k *link, commit []byte, _ func()) {
			k.carryOut(commit)
			_ = k.client.Close()
			_ = k.server.Close()
		}},
		"swallowed": {false, func(_ *link, _ []byte, timeUp func()) { timeUp() }},
		"its response swallowed": {true, func(k *link, commit []byte, timeUp func()) {
			k.carryOut(commit)
			timeUp()
		}},
	}
}

// breaking runs f in each of the ways, with a context that ends when the COMMIT got lost.
func breaking(t *testing.T, f func(t *testing.T, r *replica, ctx context.Context, breakNext func(), applied bool)) {
	for name, way := range ways() {
		t.Run(name, func(t *testing.T) {
			net, o := through(t, at(t, server.Schema(t)))
			a := joined(t, openLedger(t, o), "a", slow(10))
			ctx, timeUp := context.WithCancel(t.Context())
			defer timeUp()
			f(t, a, ctx, func() {
				net.onCommit(func(k *link, commit []byte) bool {
					way.v(k, commit, timeUp)
					return false
				})
			}, way.applied)
		})
	}
}

// However the COMMIT of a round got lost, the same round again has the same grants, once.
func TestARoundInDoubt(t *testing.T) {
	breaking(t, func(t *testing.T, a *replica, ctx context.Context, breakNext func(), applied bool) {
		require.Equal(t, []int64{2}, a.grants(a.ask("alice", 0, 0, 2)))
		breakNext()
		round := a.round(a.ask("alice", 1, 0, 5))
		_, _, err := a.Renew(ctx, round)
		require.ErrorIs(t, err, lease.ErrInDoubt)
		s, _ := a.state("alice")
		want := int64(2)
		if applied {
			want = 5
		}
		require.Equal(t, want, s.Leased)
		for range 2 {
			replies, _, err := a.Renew(t.Context(), round)
			require.NoError(t, err)
			require.Equal(t, []int64{4}, granted(replies))
		}
		s, _ = a.state("alice")
		require.Equal(t, int64(5), s.Leased)
		require.InDelta(t, 4, s.Tokens, 0.001)
	})
}

// What the call after a change that is in doubt sees stays.
func TestAChangeInDoubt(t *testing.T) {
	breaking(t, func(t *testing.T, a *replica, ctx context.Context, breakNext func(), applied bool) {
		breakNext()
		err := a.Change(ctx, a.key("alice"), a.numbers, func(*lease.State) (*lease.State, error) {
			return &lease.State{Managed: true, Settings: a.numbers.Settings, Tokens: 3}, nil
		})
		require.ErrorIs(t, err, lease.ErrInDoubt)
		_, ok := a.state("alice")
		require.Equal(t, applied, ok)
		require.Empty(t, a.doubts.all)
	})
}

func TestALeaveInDoubt(t *testing.T) {
	breaking(t, func(t *testing.T, a *replica, ctx context.Context, breakNext func(), applied bool) {
		breakNext()
		require.ErrorIs(t, a.Leave(ctx, a.member), lease.ErrInDoubt)
		all, err := a.Members(t.Context())
		require.NoError(t, err)
		require.Equal(t, applied, len(all) == 0)
	})
}

func TestAJoinInDoubt(t *testing.T) {
	breaking(t, func(t *testing.T, a *replica, ctx context.Context, breakNext func(), applied bool) {
		breakNext()
		_, err := a.Join(ctx, lease.Member{Name: "b"}, "a life", ttl)
		require.ErrorIs(t, err, lease.ErrInDoubt)
		all, err := a.Members(t.Context())
		require.NoError(t, err)
		require.Equal(t, applied, len(all) == 2)
		_, err = a.Join(t.Context(), lease.Member{Name: "b"}, "a life", ttl)
		require.NoError(t, err)
		all, err = a.Members(t.Context())
		require.NoError(t, err)
		require.Len(t, all, 2)
	})
}

// The server freezes when the COMMIT has reached it, and goes on with it when it thaws.
func TestARoundInAFrozenServer(t *testing.T) {
	cluster := server.Cluster(t)
	t.Cleanup(func() { require.NoError(t, cluster.Thaw()) })
	schema := cluster.URL(fresh("frozen"))
	net, o := through(t, at(t, schema))
	a := joined(t, openLedger(t, o), "a", slow(1000))
	for range 5 {
		before, _ := a.state("alice")
		ctx, timeUp := context.WithCancel(t.Context())
		net.onCommit(func(k *link, commit []byte) bool {
			assert.NoError(t, cluster.Freeze())
			_, err := k.server.Write(commit)
			assert.NoError(t, err)
			timeUp()
			return false
		})
		round := a.round(a.ask("alice", before.Leased, 0, before.Leased+5))
		_, _, err := a.Renew(ctx, round)
		require.ErrorIs(t, err, lease.ErrInDoubt)
		_, _, err = a.Renew(ctx, round)
		assert.ErrorIs(t, err, context.Canceled)
		require.NoError(t, cluster.Thaw())
		replies, _, err := a.Renew(t.Context(), round)
		require.NoError(t, err)
		require.Equal(t, []int64{5}, granted(replies))
		after, _ := a.state("alice")
		require.Equal(t, before.Leased+5, after.Leased)
	}
}
