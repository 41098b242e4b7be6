// Package leasetest has the tests that every ledger of shared buckets must pass, and a ledger in
// memory.
package leasetest

import (
	"context"
	"crypto/rand"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/limiter/gcra"
	"gopher-equalizer/limiter/lease"
)

// Place is a new and empty ledger, and what tests do to it.
type Place struct {
	lease.Ledger
	// Other is the same ledger as another process has it.
	Other lease.Ledger
	// Pass has buckets, and the leases of replicas that are expelled, be older by d. Replicas need
	// not get older.
	Pass func(t *testing.T, d time.Duration)
	// Expire ends the time for which the ledger waits for a replica. That doesn't expel it yet.
	Expire func(t *testing.T, member int64)
}

// Run checks every promise of lease.Ledger, each in a place of its own, which only t uses and which
// is gone after it. It doesn't sleep. Its refills are so slow that it doesn't matter how long a
// call takes.
func Run(t *testing.T, open func(t *testing.T) Place) {
	f := func(name string, check func(l *ledger)) {
		t.Run(name, func(t *testing.T) { check(&ledger{Place: open(t), t: t}) })
	}
	f("a namespace is a name and a fingerprint", namespaces)
	f("a grant is what was wanted, as far as there is any", grants)
	f("what is spent is earned again", earning)
	f("what is held is no room to earn", roomToEarn)
	f("what comes back can be granted", givingBack)
	f("all that is out is the capacity at most", capacityBound)
	f("tokens are granted before they are earned", ahead)
	f("a round has many buckets", manyBuckets)
	f("a round that is repeated has the first one's grants", repeated)
	f("a repeated round lacks some asks", repeatedInPart)
	f("a repeated round comes after those of others", repeatedAfterOthers)
	f("a repeated round gave all back", repeatedWithNothingLeft)
	f("a repeated round is of a bucket that is deleted", repeatedAfterADelete)
	f("a round after a later one is refused", lateRound)
	f("a call whose context is over has no effect", overBeforeItBegan)
	f("a round of many at once", concurrentRounds)

	f("members are those that are alive", members)
	f("a replica is waited for a little longer than it lives", margin)
	f("a name is taken until its replica has expired", nameIsTaken)
	f("a join that is repeated has the first one's registration", joinsAgain)
	f("a join that arrives late expels nobody", joinsLate)
	f("who was silent is expelled", expelled)
	f("who was silent alone is not", silentAlone)
	f("a dead lease counts as spent from then on", deadLease)
	f("dead leases of several", deadLeases)
	f("a replica leaves", leaves)
	f("what a replica has when it leaves is spent", leavesWithTokens)

	f("there is no bucket", noBucket)
	f("a bucket is written and read", writtenAndRead)
	f("each bucket of a namespace", each)
	f("a change sees what there is", changeSees)
	f("a change that fails changes nothing", failedChange)
	f("an unmanaged full bucket is none", fullBucketIsNone)
	f("a capacity goes down below what is out", capacityDown)
	f("a capacity goes up", capacityUp)
	f("a managed bucket follows its tier", tiers)
	f("a bucket is deleted while replicas hold some", deletedWhileHeld)
	f("a bucket is deleted and written again", deletedAndWritten)
	f("a deleted bucket's holder dies", deletedHolderDies)
	f("the asker's numbers change", numbersChange)
	f("faster numbers hold from now on", fasterNumbers)
}

const (
	// patience is far more than any call takes, and short enough to wait for in a failing test.
	patience = 20 * time.Second
	// ttl is longer than a test.
	ttl = time.Hour
	// hour is what a token of ten takes. The tests wait a little longer for it, since less than
	// what was earned may be credited.
	hour   = time.Hour
	little = time.Minute
)

// per is the settings of a bucket that holds so many tokens and earns one an hour.
func per(capacity int64) gcra.Settings {
	return gcra.Settings{Capacity: capacity, Refill: gcra.Refill{Amount: 1, Per: hour}}
}

// ten are the numbers of a limit whose buckets have 10 tokens.
func ten() *lease.Numbers { return &lease.Numbers{Settings: per(10)} }

// ledger is a place, and the test that it is for.
type ledger struct {
	Place
	t       *testing.T
	numbers *lease.Numbers // nil: ten
	space   uint32
}

func (l *ledger) context() context.Context {
	ctx, cancel := context.WithTimeout(l.t.Context(), patience)
	l.t.Cleanup(cancel)
	return ctx
}

// namespace is that of the limit that most tests are about.
func (l *ledger) namespace() uint32 {
	if l.space == 0 {
		l.space = l.enter(l.Ledger, "default", "ip")
	}
	return l.space
}

func (l *ledger) enter(in lease.Ledger, limit, fingerprint string) uint32 {
	l.t.Helper()
	n, err := in.Enter(l.context(), limit, fingerprint)
	require.NoError(l.t, err)
	return n
}

func (l *ledger) key(clientID string) lease.Key {
	return lease.Key{Namespace: l.namespace(), ClientID: clientID}
}

func (l *ledger) its() *lease.Numbers {
	if l.numbers == nil {
		l.numbers = ten()
	}
	return l.numbers
}

// replica is one that has joined.
type replica struct {
	*ledger
	of     lease.Ledger
	member int64
	seq    int64
}

// join registers a replica, in turn with the ledger and with the other one.
func (l *ledger) join(name string) *replica {
	l.t.Helper()
	r := &replica{ledger: l, of: l.Ledger}
	if len(name)%2 == 0 {
		r.of = l.Other
	}
	r.member = r.joins(name, rand.Text())
	return r
}

// joins registers the replica under a name, in a life.
func (r *replica) joins(name, life string) (member int64) {
	r.t.Helper()
	member, err := r.of.Join(r.context(), lease.Member{Name: name, Host: "host-" + name, PID: 42}, life, ttl)
	require.NoError(r.t, err)
	return member
}

// ask is an ask of the bucket "a".
func (r *replica) ask(held, back, want int64) lease.Ask {
	return lease.Ask{Key: r.key("a"), Held: held, Back: back, Want: want}
}

func (r *replica) round(asks ...lease.Ask) lease.Round {
	r.seq++
	return lease.Round{
		Member: r.member, Seq: r.seq, TTL: ttl, Asks: asks,
		Numbers: map[uint32]*lease.Numbers{r.namespace(): r.its()},
	}
}

// settle asks for a round, and returns the replies.
func (r *replica) settle(round lease.Round) []lease.Reply {
	r.t.Helper()
	replies, _, err := r.of.Renew(r.context(), round)
	require.NoError(r.t, err)
	require.Len(r.t, replies, len(round.Asks))
	return replies
}

// renew asks for one of the bucket "a", and returns what is granted.
func (r *replica) renew(held, back, want int64) int64 {
	r.t.Helper()
	return r.settle(r.round(r.ask(held, back, want)))[0].Granted
}

func (l *ledger) get(clientID string) (lease.State, bool) {
	l.t.Helper()
	return l.getKey(l.key(clientID))
}

func (l *ledger) getKey(key lease.Key) (lease.State, bool) {
	l.t.Helper()
	s, ok, err := l.Other.Get(l.context(), key, l.its())
	require.NoError(l.t, err)
	return s, ok
}

// demand demands that the bucket "a" has so many whole tokens that nobody holds, and that replicas
// hold so many.
func (l *ledger) demand(tokens, leased int64) {
	l.t.Helper()
	s, ok := l.get("a")
	require.True(l.t, ok)
	assert.Equal(l.t, leased, s.Leased)
	assert.InDelta(l.t, float64(tokens)+0.1, s.Tokens, 0.101)
}

// change writes a bucket; nil deletes it.
func (l *ledger) change(clientID string, next *lease.State) {
	l.t.Helper()
	err := l.Change(l.context(), l.key(clientID), l.its(), func(*lease.State) (*lease.State, error) { return next, nil })
	require.NoError(l.t, err)
}

func managed(s gcra.Settings, tokens float64) *lease.State {
	return &lease.State{Managed: true, Settings: s, Tokens: tokens}
}

// pass has n hours pass for buckets, and a little more.
func (l *ledger) pass(hours int) {
	l.t.Helper()
	l.Pass(l.t, time.Duration(hours)*hour+little)
}

var errNotNow = errors.New("not now")
