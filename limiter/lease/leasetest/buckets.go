package leasetest

import (
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/limiter/gcra"
	"gopher-equalizer/limiter/lease"
)

func noBucket(l *ledger) {
	_, ok := l.get("a")
	assert.False(l.t, ok)
	assert.Empty(l.t, l.all())
	l.change("a", nil)
	_, ok = l.get("a")
	assert.False(l.t, ok, "none was deleted")
	r := l.join("r")
	assert.Equal(l.t, lease.Reply{Left: 10, Settings: per(10)}, r.settle(r.round(r.ask(0, 0, 0)))[0])
	_, ok = l.get("a")
	assert.False(l.t, ok, "nothing was granted")
}

// all are the buckets of the namespace.
func (l *ledger) all() map[string]lease.State {
	l.t.Helper()
	all := map[string]lease.State{}
	require.NoError(l.t, l.Other.Each(l.context(), l.namespace(), l.its(), func(clientID string, s lease.State) error {
		assert.NotContains(l.t, all, clientID)
		all[clientID] = s
		return nil
	}))
	return all
}

func writtenAndRead(l *ledger) {
	settings := gcra.Settings{Capacity: 7, Refill: gcra.Refill{Amount: 3, Per: 72 * time.Hour}}
	l.change("a", managed(settings, 2.5))
	s, ok := l.get("a")
	require.True(l.t, ok)
	assert.True(l.t, s.Managed)
	assert.Empty(l.t, s.Tier)
	assert.Equal(l.t, settings, s.Settings)
	assert.InDelta(l.t, 2.5, s.Tokens, 0.01)
	assert.False(l.t, s.At.IsZero())

	l.Pass(l.t, 6*time.Hour)
	later, _ := l.get("a")
	assert.InDelta(l.t, 2.75, later.Tokens, 0.01, "it has its own refill")
	assert.False(l.t, later.At.Before(s.At))

	l.change("a", managed(settings, 100))
	s, _ = l.get("a")
	assert.InDelta(l.t, 7, s.Tokens, 0, "it is cut")
	l.change("a", managed(settings, -3.5))
	s, _ = l.get("a")
	assert.InDelta(l.t, -3.5, s.Tokens, 0.01, "a debt is kept")

	const odd = "'; DROP \"\\ \t☃ %s $1 \u00a0"
	l.change(odd, managed(settings, 1))
	assert.Contains(l.t, l.all(), odd)
	s, ok = l.get(odd)
	assert.True(l.t, ok)
	assert.InDelta(l.t, 1, s.Tokens, 0.01)
}

func each(l *ledger) {
	r := l.join("r")
	l.change("b", managed(per(3), 3))
	l.change("c", managed(per(4), 0))
	r.renew(0, 0, 2)
	other := lease.Key{Namespace: l.enter(l.Ledger, "other", "ip"), ClientID: "z"}
	require.NoError(l.t, l.Change(l.context(), other, ten(), func(*lease.State) (*lease.State, error) { return managed(per(9), 9), nil }))

	all := l.all()
	require.Len(l.t, all, 3)
	for clientID, s := range all {
		one, ok := l.get(clientID)
		require.True(l.t, ok)
		assert.InDelta(l.t, one.Tokens, s.Tokens, 0.01)
		one.Tokens, one.At = s.Tokens, s.At
		assert.Equal(l.t, one, s)
	}
	calls := 0
	err := l.Each(l.context(), l.namespace(), l.its(), func(string, lease.State) error { calls++; return errNotNow })
	assert.Equal(l.t, errNotNow, err, "as it is")
	assert.Equal(l.t, 1, calls)
}

func changeSees(l *ledger) {
	see := func() (seen *lease.State) {
		err := l.Change(l.context(), l.key("a"), l.its(), func(present *lease.State) (*lease.State, error) {
			seen = present
			return present, nil
		})
		require.NoError(l.t, err)
		return seen
	}
	assert.Nil(l.t, see())
	r := l.join("r")
	r.renew(0, 0, 4)
	l.pass(1)
	s := see()
	require.NotNil(l.t, s)
	assert.False(l.t, s.Managed)
	assert.Equal(l.t, per(10), s.Settings)
	assert.Equal(l.t, int64(4), s.Leased)
	assert.InDelta(l.t, 6, s.Tokens, 0.01)
	l.change("a", managed(per(5), 1))
	l.pass(2)
	s = see()
	assert.Equal(l.t, per(5), s.Settings)
	assert.InDelta(l.t, 1, s.Tokens, 0.01, "as far as there is room beside the lease")
	r.renew(0, 0, 0)
	l.pass(2)
	assert.InDelta(l.t, 3.05, see().Tokens, 0.05)
	l.demand(3, 0)
}

func failedChange(l *ledger) {
	l.change("a", managed(per(5), 1))
	err := l.Change(l.context(), l.key("a"), l.its(), func(present *lease.State) (*lease.State, error) {
		present.Tokens = 5
		return present, errNotNow
	})
	assert.Equal(l.t, errNotNow, err, "as it is")
	l.demand(1, 0)
	err = l.Change(l.context(), l.key("a"), l.its(), func(*lease.State) (*lease.State, error) { return nil, errNotNow })
	assert.Equal(l.t, errNotNow, err)
	l.demand(1, 0)
}

func fullBucketIsNone(l *ledger) {
	r := l.join("r")
	r.renew(0, 0, 4)
	r.renew(0, 4, 0)
	assert.Empty(l.t, l.all(), "it came back")
	_, ok := l.get("a")
	assert.False(l.t, ok)

	r.renew(0, 0, 4)
	r.renew(0, 0, 0)
	l.demand(6, 0)
	l.pass(4)
	_, ok = l.get("a")
	assert.False(l.t, ok, "it is full again")
	assert.Empty(l.t, l.all())
	err := l.Change(l.context(), l.key("a"), l.its(), func(present *lease.State) (*lease.State, error) {
		assert.Nil(l.t, present)
		return nil, nil
	})
	require.NoError(l.t, err)

	l.change("a", managed(per(10), 10))
	_, ok = l.get("a")
	assert.True(l.t, ok, "a managed one stays")
}

func capacityDown(l *ledger) {
	r, s := l.join("r"), l.join("it")
	l.change("a", managed(per(10), 10))
	assert.Equal(l.t, int64(8), r.renew(0, 0, 8))
	l.change("a", managed(per(3), 3))
	state, _ := l.get("a")
	assert.InDelta(l.t, -5, state.Tokens, 0.101, "they are held, so they are owed")
	assert.Equal(l.t, lease.Reply{Owed: 5, Managed: true, Settings: per(3)}, s.settle(s.round(s.ask(0, 0, 5)))[0])
	l.pass(4)
	state, _ = l.get("a")
	assert.InDelta(l.t, -5, state.Tokens, 0.101, "there is no room to earn")
	assert.Zero(l.t, r.renew(0, 4, 3), "4 are spent")
	l.demand(-1, 0)
	l.pass(3)
	assert.Equal(l.t, int64(2), r.renew(0, 0, 5))
}

func capacityUp(l *ledger) {
	r := l.join("r")
	l.change("a", managed(per(4), 4))
	assert.Equal(l.t, int64(4), r.renew(0, 0, 8))
	l.change("a", managed(per(10), 5))
	l.demand(5, 4)
	l.change("a", managed(per(10), 10))
	l.demand(6, 4)
	assert.Equal(l.t, lease.Reply{Granted: 6, Managed: true, Settings: per(10)}, r.settle(r.round(r.ask(4, 0, 20)))[0])
}

func tiers(l *ledger) {
	l.numbers = &lease.Numbers{Settings: per(10), Tiers: map[string]gcra.Settings{"gold": per(20)}}
	r := l.join("r")
	l.change("a", &lease.State{Managed: true, Tier: "gold", Tokens: 20})
	s, _ := l.get("a")
	assert.Equal(l.t, per(20), s.Settings)
	assert.Equal(l.t, "gold", s.Tier)
	reply := r.settle(r.round(r.ask(0, 0, 15)))[0]
	assert.Equal(l.t, lease.Reply{Granted: 15, Left: 5, Managed: true, Tier: "gold", Settings: per(20)}, reply)

	l.numbers = &lease.Numbers{Settings: per(10), Tiers: map[string]gcra.Settings{"gold": per(16)}}
	l.demand(1, 15)
	reply = r.settle(r.round(r.ask(15, 0, 20)))[0]
	assert.Equal(l.t, lease.Reply{Granted: 1, Managed: true, Tier: "gold", Settings: per(16)}, reply)

	l.numbers = ten()
	reply = r.settle(r.round(r.ask(2, 14, 2)))[0]
	assert.Equal(l.t, lease.Reply{Left: 8, Managed: true, Tier: "gold", Settings: per(10)}, reply, "there is no such tier")
}

func deletedWhileHeld(l *ledger) {
	r, s := l.join("r"), l.join("it")
	l.change("a", managed(per(20), 12))
	assert.Equal(l.t, int64(4), r.renew(0, 0, 4))
	l.change("a", nil)
	l.demand(6, 4)
	state, _ := l.get("a")
	assert.False(l.t, state.Managed)
	assert.Equal(l.t, per(10), state.Settings)
	assert.Equal(l.t, int64(6), s.renew(0, 0, 10))
	assert.Zero(l.t, r.renew(1, 3, 1), "they are still its own")
	l.demand(3, 7)
	assert.Zero(l.t, s.renew(0, 6, 0))
	assert.Zero(l.t, r.renew(0, 1, 0))
	_, ok := l.get("a")
	assert.False(l.t, ok, "all came back")
}

func deletedAndWritten(l *ledger) {
	r, s := l.join("r"), l.join("it")
	l.change("a", managed(per(8), 8))
	assert.Equal(l.t, int64(6), r.renew(0, 0, 6))
	l.change("a", nil)
	l.change("a", managed(per(8), 8))
	l.demand(2, 6)
	assert.Equal(l.t, int64(2), s.renew(0, 0, 8))
	l.change("a", nil)
	l.change("a", managed(per(5), 0))
	state, _ := l.get("a")
	assert.InDelta(l.t, -3, state.Tokens, 0.101)
	assert.Zero(l.t, r.renew(0, 6, 0))
	l.demand(3, 2)
}

func deletedHolderDies(l *ledger) {
	r, s := l.join("r"), l.join("it")
	assert.Equal(l.t, int64(6), r.renew(0, 0, 6))
	l.change("a", nil)
	l.pass(3)
	l.Expire(l.t, r.member)
	assert.Equal(l.t, 1, s.alive())
	l.pass(1)
	l.demand(5, 0)
	assert.Equal(l.t, int64(5), s.renew(0, 0, 10))
}

func numbersChange(l *ledger) {
	r := l.join("r")
	assert.Equal(l.t, int64(4), r.renew(0, 0, 4))
	l.numbers = &lease.Numbers{Settings: per(6)}
	l.demand(2, 4)
	assert.Equal(l.t, lease.Reply{Left: 2, Settings: per(6)}, r.settle(r.round(r.ask(4, 0, 0)))[0])
	l.numbers = ten()
	assert.Equal(l.t, lease.Reply{Left: 2, Settings: per(10)}, r.settle(r.round(r.ask(4, 0, 0)))[0], "what was cut is gone")
	l.pass(3)
	l.demand(5, 4)

	l.change("own", managed(per(7), 7))
	l.numbers = &lease.Numbers{Settings: per(1)}
	s, _ := l.get("own")
	assert.Equal(l.t, per(7), s.Settings, "it has its own")
}

func fasterNumbers(l *ledger) {
	r := l.join("r")
	assert.Equal(l.t, int64(10), r.renew(0, 0, 10))
	assert.Zero(l.t, r.renew(0, 0, 0))
	fast := gcra.Settings{Capacity: 20, Refill: gcra.Refill{Amount: 4, Per: hour}}
	slow := gcra.Settings{Capacity: 20, Refill: gcra.Refill{Amount: 1, Per: 2 * hour}}
	l.pass(1)
	l.numbers = &lease.Numbers{Settings: fast}
	l.demand(1, 0)
	assert.Equal(l.t, lease.Reply{Left: 1, Settings: fast}, r.settle(r.round(r.ask(0, 0, 0)))[0])
	l.Pass(l.t, hour+little)
	assert.Equal(l.t, int64(5), r.settle(r.round(r.ask(0, 0, 0)))[0].Left)
	l.pass(2)
	l.numbers = &lease.Numbers{Settings: slow}
	assert.Equal(l.t, int64(6), r.settle(r.round(r.ask(0, 0, 0)))[0].Left, "nobody knows when it got slower")
}
