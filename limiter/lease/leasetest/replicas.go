package leasetest

import (
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/limiter/lease"
)

func (l *ledger) members() (names []string) {
	l.t.Helper()
	all, err := l.Other.Members(l.context())
	require.NoError(l.t, err)
	for _, m := range all {
		names = append(names, m.Name)
		assert.Equal(l.t, "host-"+m.Name, m.Host)
		assert.Equal(l.t, 42, m.PID)
		assert.True(l.t, m.Expires.After(m.Since))
	}
	return names
}

func (r *replica) alive() int {
	r.t.Helper()
	_, alive, err := r.of.Renew(r.context(), r.round())
	require.NoError(r.t, err)
	return alive
}

// isExpelled demands that a replica's round is refused, each time, and settles nothing.
func (r *replica) isExpelled() {
	r.t.Helper()
	for range 2 {
		_, _, err := r.of.Renew(r.context(), r.round(r.ask(0, 5, 10)))
		require.ErrorIs(r.t, err, lease.ErrExpelled)
		require.NotErrorIs(r.t, err, lease.ErrInDoubt)
	}
}

func members(l *ledger) {
	assert.Empty(l.t, l.members())
	c := l.join("c")
	assert.Equal(l.t, 1, c.alive())
	a, b := l.join("aa"), l.join("b")
	assert.Equal(l.t, []string{"aa", "b", "c"}, l.members())
	assert.Equal(l.t, 3, a.alive())
	l.Expire(l.t, b.member)
	assert.Equal(l.t, []string{"aa", "c"}, l.members(), "who has expired is not alive")
	assert.Equal(l.t, 2, a.alive())
}

func margin(l *ledger) {
	l.change("now", managed(per(1), 1))
	r := l.join("r")
	all, err := l.Members(l.context())
	require.NoError(l.t, err)
	require.Len(l.t, all, 1)
	assert.False(l.t, all[0].Expires.Before(lease.Expires(all[0].Since, ttl)), "%v", all[0])

	before, _ := l.get("now")
	round := r.round()
	round.TTL = 2 * ttl
	r.settle(round)
	after, _ := l.get("now")
	all, err = l.Members(l.context())
	require.NoError(l.t, err)
	assert.False(l.t, all[0].Expires.Before(lease.Expires(before.At, 2*ttl)))
	assert.False(l.t, all[0].Expires.After(lease.Expires(after.At, 2*ttl)))
}

func nameIsTaken(l *ledger) {
	r := l.join("r")
	assert.Equal(l.t, int64(6), r.renew(0, 0, 6))
	_, err := l.Other.Join(l.context(), lease.Member{Name: "r"}, "another", ttl)
	require.ErrorIs(l.t, err, lease.ErrNameTaken)
	require.NotErrorIs(l.t, err, lease.ErrInDoubt)
	assert.Equal(l.t, int64(1), r.renew(6, 0, 7), "it lives on")

	l.Expire(l.t, r.member)
	again := l.join("r")
	assert.NotEqual(l.t, r.member, again.member)
	r.isExpelled()
	assert.Zero(l.t, again.renew(0, 0, 0), "it holds nothing")
	l.demand(3, 0)
	assert.Equal(l.t, []string{"r"}, l.members())
}

func joinsAgain(l *ledger) {
	first, second := &replica{ledger: l, of: l.Ledger}, &replica{ledger: l, of: l.Other}
	first.member, second.member = first.joins("r", "a life"), second.joins("r", "a life")
	assert.Equal(l.t, first.member, second.member)
	_, err := l.Join(l.context(), lease.Member{Name: "r"}, "another", ttl)
	require.ErrorIs(l.t, err, lease.ErrNameTaken)
	all, err := l.Members(l.context())
	require.NoError(l.t, err)
	require.Len(l.t, all, 1)
	assert.False(l.t, all[0].Expires.Before(lease.Expires(all[0].Since, ttl)))

	_, err = l.Join(l.context(), lease.Member{Name: "r"}, "a life", 2*ttl)
	require.NoError(l.t, err)
	all, err = l.Members(l.context())
	require.NoError(l.t, err)
	assert.False(l.t, all[0].Expires.Before(lease.Expires(all[0].Since, 2*ttl)), "it lives on for longer")
	assert.Equal(l.t, int64(6), second.renew(0, 0, 6))

	l.Expire(l.t, second.member)
	again := &replica{ledger: l, of: l.Ledger}
	again.member = again.joins("r", "a life")
	second.isExpelled()
	assert.Zero(l.t, again.renew(0, 0, 0), "it holds nothing")
	l.demand(4, 0)
}

// joinsLate has a Join arrive behind the rounds of the same replica, which lives on and holds what
// it did.
func joinsLate(l *ledger) {
	r := &replica{ledger: l, of: l.Ledger}
	r.member = r.joins("r", "a life")
	assert.Equal(l.t, int64(6), r.renew(0, 0, 6))
	_, err := l.Other.Join(l.context(), lease.Member{Name: "r"}, "a life", ttl)
	require.ErrorIs(l.t, err, lease.ErrNameTaken)
	l.demand(4, 6)
	assert.Equal(l.t, int64(4), r.renew(6, 0, 10), "it lives on")
	assert.Equal(l.t, []string{"r"}, l.members())
}

func expelled(l *ledger) {
	r, s := l.join("r"), l.join("it")
	assert.Equal(l.t, int64(6), r.renew(0, 0, 6))
	l.Expire(l.t, r.member)
	assert.Equal(l.t, 1, s.alive())
	r.isExpelled()
	assert.Equal(l.t, int64(4), s.renew(0, 0, 10), "what it held is spent")
	again := l.join("r")
	assert.Zero(l.t, again.renew(0, 0, 10))
	l.pass(2)
	assert.Equal(l.t, int64(2), again.renew(0, 0, 10))
	r.isExpelled()
	l.demand(0, 6)
}

func silentAlone(l *ledger) {
	r, s := l.join("r"), l.join("it")
	assert.Equal(l.t, int64(6), r.renew(0, 0, 6))
	l.Expire(l.t, r.member)
	assert.Equal(l.t, int64(1), r.renew(6, 0, 7), "nobody has expelled it")
	assert.Equal(l.t, 2, s.alive(), "and it lives again")
	l.demand(3, 7)
}

func deadLease(l *ledger) {
	r, s := l.join("r"), l.join("it")
	assert.Equal(l.t, int64(6), r.renew(0, 0, 6))
	l.pass(3) // It could still spend them, so nothing is earned.
	l.Expire(l.t, r.member)
	assert.Equal(l.t, 1, s.alive())
	l.demand(4, 0)
	l.pass(3)
	l.demand(7, 0)
	assert.Equal(l.t, int64(7), s.renew(0, 0, 10))
	l.pass(20)
	assert.Equal(l.t, int64(3), s.renew(7, 0, 10), "its lease takes no room any more")
}

func deadLeases(l *ledger) {
	r, s, u := l.join("r"), l.join("it"), l.join("u")
	assert.Equal(l.t, int64(3), r.renew(0, 0, 3))
	assert.Equal(l.t, int64(3), s.renew(0, 0, 3))
	assert.Equal(l.t, int64(1), u.renew(0, 0, 1))
	l.Expire(l.t, r.member)
	l.Expire(l.t, s.member)
	assert.Equal(l.t, 1, u.alive())
	l.pass(2)
	l.demand(5, 1)
	// What died before a bucket was looked at last is nothing that counts again.
	assert.Equal(l.t, int64(1), u.renew(1, 0, 2))
	l.demand(4, 2)
	l.pass(2)
	assert.Equal(l.t, int64(6), u.renew(2, 0, 10))
}

func leaves(l *ledger) {
	r, s := l.join("r"), l.join("it")
	assert.Equal(l.t, int64(6), r.renew(0, 0, 6))
	assert.Zero(l.t, r.renew(0, 5, 0))
	require.NoError(l.t, r.of.Leave(l.context(), r.member))
	assert.Equal(l.t, []string{"it"}, l.members())
	r.isExpelled()
	assert.Equal(l.t, int64(9), s.renew(0, 0, 10))
	require.NoError(l.t, r.of.Leave(l.context(), r.member), "it is gone already")
	l.join("r")
	assert.Equal(l.t, []string{"it", "r"}, l.members(), "the name is free")
}

func leavesWithTokens(l *ledger) {
	r, s := l.join("r"), l.join("it")
	assert.Equal(l.t, int64(6), r.renew(0, 0, 6))
	l.pass(3)
	require.NoError(l.t, r.of.Leave(l.context(), r.member))
	l.demand(4, 0)
	l.pass(2)
	assert.Equal(l.t, int64(6), s.renew(0, 0, 10))
}
