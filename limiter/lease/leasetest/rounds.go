package leasetest

import (
	"context"
	"fmt"
	"sync"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/limiter/lease"
)

func namespaces(l *ledger) {
	ip := l.enter(l.Ledger, "default", "ip")
	assert.NotZero(l.t, ip)
	assert.Equal(l.t, ip, l.enter(l.Other, "default", "ip"))
	header := l.enter(l.Other, "default", "header:X-Key")
	other := l.enter(l.Ledger, "other", "ip")
	assert.Len(l.t, map[uint32]bool{ip: true, header: true, other: true}, 3)

	r := l.join("r")
	asks := []lease.Ask{{Key: lease.Key{Namespace: ip, ClientID: "a"}, Want: 4}, {Key: lease.Key{Namespace: other, ClientID: "a"}, Want: 30}}
	round := r.round(asks...)
	round.Numbers = map[uint32]*lease.Numbers{ip: ten(), other: {Settings: per(20)}}
	replies := r.settle(round)
	assert.Equal(l.t, int64(4), replies[0].Granted)
	assert.Equal(l.t, int64(20), replies[1].Granted, "each has its own numbers")
	s, ok := l.getKey(lease.Key{Namespace: ip, ClientID: "a"})
	assert.True(l.t, ok)
	assert.Equal(l.t, int64(4), s.Leased)
	_, ok = l.getKey(lease.Key{Namespace: header, ClientID: "a"})
	assert.False(l.t, ok)
}

func grants(l *ledger) {
	r, s := l.join("r"), l.join("it")
	reply := r.settle(r.round(r.ask(0, 0, 6)))[0]
	assert.Equal(l.t, lease.Reply{Granted: 6, Left: 4, Settings: per(10)}, reply)
	assert.Equal(l.t, int64(4), s.renew(0, 0, 6), "as far as there is any")
	assert.Zero(l.t, r.renew(6, 0, 8), "there is none")
	assert.Zero(l.t, r.renew(6, 0, 2), "it wants fewer than it holds")
	l.demand(0, 10)
}

func earning(l *ledger) {
	r := l.join("r")
	assert.Equal(l.t, int64(10), r.renew(0, 0, 10))
	assert.Zero(l.t, r.renew(0, 0, 1), "all is spent, and nothing was earned")
	l.pass(3)
	l.demand(3, 0)
	assert.Equal(l.t, int64(3), r.renew(0, 0, 10))
	l.pass(2)
	assert.Equal(l.t, int64(2), r.renew(3, 0, 10))
	assert.Zero(l.t, r.renew(0, 0, 0))
	l.pass(100)
	assert.Equal(l.t, int64(10), r.renew(0, 0, 100))
}

func roomToEarn(l *ledger) {
	r := l.join("r")
	assert.Equal(l.t, int64(8), r.renew(0, 0, 8))
	l.pass(5)
	l.demand(2, 8)
	// It has spent them just before it says so, for all that the ledger knows.
	assert.Equal(l.t, int64(2), r.renew(0, 0, 10))
	l.demand(0, 2)
	l.pass(1)
	assert.Equal(l.t, int64(1), r.renew(0, 0, 10))
}

func givingBack(l *ledger) {
	r, s := l.join("r"), l.join("it")
	assert.Equal(l.t, int64(10), r.renew(0, 0, 10))
	assert.Zero(l.t, r.renew(3, 4, 0), "3 are spent")
	l.demand(4, 3)
	assert.Equal(l.t, int64(4), s.renew(0, 0, 10))
	assert.Equal(l.t, int64(2), r.renew(0, 2, 2), "what it gives back it can get again")
	l.demand(0, 6)
}

func capacityBound(l *ledger) {
	r, s := l.join("r"), l.join("it")
	assert.Equal(l.t, int64(9), r.renew(0, 0, 9))
	a := s.ask(0, 0, 10)
	a.Ahead = 10 * hour
	assert.Equal(l.t, int64(1), s.settle(s.round(a))[0].Granted, "also of what isn't earned")
	l.pass(5)
	l.demand(0, 10)
}

func ahead(l *ledger) {
	r := l.join("r")
	assert.Equal(l.t, int64(10), r.renew(0, 0, 10))
	a := r.ask(0, 0, 5)
	a.Ahead = 3 * hour
	reply := r.settle(r.round(a))[0]
	assert.Equal(l.t, int64(3), reply.Granted)
	assert.Zero(l.t, reply.Left)
	s, _ := l.get("a")
	assert.InDelta(l.t, -2.9, s.Tokens, 0.101)
	a.Held = 3
	assert.Zero(l.t, r.settle(r.round(a))[0].Granted, "it is owed already")
	l.pass(4)
	assert.Equal(l.t, int64(1), r.renew(3, 0, 10), "the debt comes first")
	a = r.ask(4, 0, 10)
	a.Ahead = hour / 2
	assert.Equal(l.t, int64(1), r.settle(r.round(a))[0].Granted, "one at least")
}

func manyBuckets(l *ledger) {
	r := l.join("r")
	l.change("client-0003", managed(per(5), 2))
	var asks []lease.Ask
	for i := range 1000 {
		asks = append(asks, lease.Ask{Key: l.key(fmt.Sprintf("client-%04d", i)), Want: int64(i % 20)})
	}
	for i, reply := range r.settle(r.round(asks...)) {
		if i == 3 {
			require.Equal(l.t, lease.Reply{Granted: 2, Managed: true, Settings: per(5)}, reply)
			continue
		}
		granted := min(10, int64(i%20))
		require.Equal(l.t, lease.Reply{Granted: granted, Left: 10 - granted, Settings: per(10)}, reply, i)
	}
	assert.Empty(l.t, r.settle(r.round()), "a round may be empty")
}

func repeated(l *ledger) {
	r := l.join("r")
	round := r.round(r.ask(0, 0, 6))
	first := r.settle(round)
	assert.Equal(l.t, first, r.settle(round))
	l.demand(4, 6)
	round = r.round(r.ask(2, 3, 4))
	assert.Equal(l.t, int64(2), r.settle(round)[0].Granted)
	assert.Equal(l.t, int64(2), r.settle(round)[0].Granted)
	assert.Equal(l.t, int64(2), r.settle(round)[0].Granted)
	l.demand(5, 4)
	assert.Equal(l.t, int64(1), r.renew(4, 0, 5), "the next one isn't the same")
}

func repeatedInPart(l *ledger) {
	r := l.join("r")
	asks := []lease.Ask{{Key: l.key("a"), Want: 6}, {Key: l.key("b"), Want: 4}}
	round := r.round(asks...)
	all := r.settle(round)
	round.Asks = asks[1:]
	assert.Equal(l.t, all[1:], r.settle(round))
	l.demand(4, 6)
	round.Asks = asks
	assert.Equal(l.t, all, r.settle(round), "a late one of all")
	l.demand(4, 6)
}

func repeatedAfterOthers(l *ledger) {
	r, s := l.join("r"), l.join("it")
	round := r.round(r.ask(0, 0, 6))
	assert.Equal(l.t, int64(6), r.settle(round)[0].Granted)
	assert.Equal(l.t, int64(4), s.renew(0, 0, 10))
	assert.Zero(l.t, s.renew(0, 4, 0))
	reply := r.settle(round)[0]
	assert.Equal(l.t, int64(6), reply.Granted)
	assert.Equal(l.t, int64(4), reply.Left)
	l.demand(4, 6)
	l.pass(5)
	assert.Equal(l.t, int64(6), r.settle(round)[0].Granted, "however late")
	l.demand(4, 6)
}

func repeatedWithNothingLeft(l *ledger) {
	r, s := l.join("r"), l.join("it")
	assert.Equal(l.t, int64(6), r.renew(0, 0, 6))
	round := r.round(r.ask(0, 3, 0))
	assert.Zero(l.t, r.settle(round)[0].Granted)
	l.demand(7, 0)
	assert.Zero(l.t, r.settle(round)[0].Granted)
	l.demand(7, 0)
	assert.Equal(l.t, int64(7), s.renew(0, 0, 10))
	assert.Zero(l.t, r.settle(round)[0].Granted)
	l.demand(0, 7)
}

func repeatedAfterADelete(l *ledger) {
	r := l.join("r")
	l.change("a", managed(per(5), 5))
	round := r.round(r.ask(0, 0, 4))
	assert.Equal(l.t, int64(4), r.settle(round)[0].Granted)
	l.change("a", nil)
	assert.Equal(l.t, lease.Reply{Granted: 4, Left: 6, Settings: per(10)}, r.settle(round)[0])
	l.demand(6, 4)
}

func lateRound(l *ledger) {
	r := l.join("r")
	first := r.round(r.ask(0, 0, 6))
	assert.Equal(l.t, int64(6), r.settle(first)[0].Granted)
	assert.Zero(l.t, r.renew(1, 3, 1))
	_, _, err := r.of.Renew(l.context(), first)
	require.Error(l.t, err)
	require.NotErrorIs(l.t, err, lease.ErrInDoubt)
	require.NotErrorIs(l.t, err, lease.ErrExpelled)
	l.demand(7, 1)
}

func overBeforeItBegan(l *ledger) {
	r := l.join("r")
	assert.Equal(l.t, int64(6), r.renew(0, 0, 6))
	over, cancel := context.WithCancel(l.t.Context())
	cancel()
	round := r.round(r.ask(0, 6, 0))
	_, _, err := r.of.Renew(over, round)
	require.ErrorIs(l.t, err, context.Canceled)
	_, err = l.Join(over, lease.Member{Name: "other"}, "a life", ttl)
	require.ErrorIs(l.t, err, context.Canceled)
	require.ErrorIs(l.t, l.Leave(over, r.member), context.Canceled)
	err = l.Change(over, l.key("a"), l.its(), func(*lease.State) (*lease.State, error) { return nil, nil })
	require.ErrorIs(l.t, err, context.Canceled)
	l.demand(4, 6)
	assert.Zero(l.t, r.settle(round)[0].Granted)
	_, exists := l.get("a")
	assert.False(l.t, exists)
}

// concurrentRounds has replicas want all that there is of the same buckets at once.
func concurrentRounds(l *ledger) {
	const replicas, rounds, clients = 4, 20, 5
	l.namespace()
	l.its()
	var all sync.WaitGroup
	spent := make([][clients]int64, replicas)
	errs := make([]error, replicas)
	for i := range replicas {
		r := l.join(fmt.Sprint("r", i, i))
		all.Go(func() { spent[i], errs[i] = r.spendAll(rounds) })
	}
	all.Wait()
	for _, err := range errs {
		require.NoError(l.t, err)
	}
	for c := range clients {
		var sum int64
		for i := range replicas {
			sum += spent[i][c]
		}
		assert.Equal(l.t, int64(10), sum, "of client %d", c)
	}
}

// spendAll asks for all of five buckets, and spends it.
func (r *replica) spendAll(rounds int) (spent [5]int64, err error) {
	for range rounds {
		var asks []lease.Ask
		for c := range spent {
			asks = append(asks, lease.Ask{Key: r.key(fmt.Sprint("client-", c)), Want: 3})
		}
		replies, _, err := r.of.Renew(r.context(), r.round(asks...))
		if err != nil {
			return spent, err
		}
		for c, reply := range replies {
			spent[c] += reply.Granted
		}
	}
	return spent, nil
}
