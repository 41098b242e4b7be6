package postgres

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/limiter"
	"gopher-equalizer/limiter/gcra"
	"gopher-equalizer/limiter/lease"
	"gopher-equalizer/limiter/table"
	"gopher-equalizer/store/postgres/pgtest"
)

// openLedger opens a ledger for the length of a test.
func openLedger(t testing.TB, o Options) *Ledger {
	t.Helper()
	l, err := NewLedger(o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, l.Close()) })
	require.NoError(t, l.Connect(t.Context()))
	return l
}

// ttl is longer than a test.
const ttl = time.Minute

// slow are numbers whose refill no test waits for.
func slow(capacity int64) *lease.Numbers {
	return &lease.Numbers{Settings: gcra.Settings{Capacity: capacity, Refill: gcra.Refill{Amount: 1, Per: 1000 * time.Hour}}}
}

// replica is one that asks.
type replica struct {
	*Ledger
	t         testing.TB
	namespace uint32
	member    int64
	seq       int64
	numbers   *lease.Numbers
}

func joined(t testing.TB, l *Ledger, name string, numbers *lease.Numbers) *replica {
	t.Helper()
	namespace, err := l.Enter(t.Context(), "default", "ip")
	require.NoError(t, err)
	member, err := l.Join(t.Context(), lease.Member{Name: name, Host: "web-1", PID: 7}, rand.Text(), ttl)
	require.NoError(t, err)
	return &replica{Ledger: l, t: t, namespace: namespace, member: member, numbers: numbers}
}

func (r *replica) ask(client string, held, back, want int64) lease.Ask {
	return lease.Ask{Key: r.key(client), Held: held, Back: back, Want: want}
}

func (r *replica) key(client string) lease.Key {
	return lease.Key{Namespace: r.namespace, ClientID: client}
}

// round is the next one.
func (r *replica) round(asks ...lease.Ask) lease.Round {
	r.seq++
	return lease.Round{
		Member: r.member, Seq: r.seq, TTL: ttl, Asks: asks,
		Numbers: map[uint32]*lease.Numbers{r.namespace: r.numbers},
	}
}

// grants are what the next round is granted.
func (r *replica) grants(asks ...lease.Ask) []int64 {
	r.t.Helper()
	replies, _, err := r.Renew(r.t.Context(), r.round(asks...))
	require.NoError(r.t, err)
	return granted(replies)
}

func granted(replies []lease.Reply) []int64 {
	all := make([]int64, len(replies))
	for i := range replies {
		all[i] = replies[i].Granted
	}
	return all
}

func (r *replica) state(client string) (lease.State, bool) {
	r.t.Helper()
	s, ok, err := r.Get(r.t.Context(), r.key(client), r.numbers)
	require.NoError(r.t, err)
	return s, ok
}

func TestReplicasShareABucket(t *testing.T) {
	l := openLedger(t, at(t, server.Schema(t)))
	a, b := joined(t, l, "a", slow(10)), joined(t, l, "b", slow(10))
	require.Equal(t, []int64{6, 3}, a.grants(a.ask("alice", 0, 0, 6), a.ask("bob", 0, 0, 3)))
	require.Equal(t, []int64{4, 7}, b.grants(b.ask("alice", 0, 0, 6), b.ask("bob", 0, 0, 9)))
	require.Equal(t, []int64{0}, a.grants(a.ask("alice", 0, 0, 6)), "what was spent isn't back")
	require.Equal(t, []int64{0}, b.grants(b.ask("alice", 1, 3, 1)))
	require.Equal(t, []int64{3}, a.grants(a.ask("alice", 0, 0, 6)), "what was given back is")
	s, ok := a.state("alice")
	require.True(t, ok)
	require.Equal(t, int64(4), s.Leased)
	require.InDelta(t, 0, s.Tokens, 0.001)
}

func TestARoundThatIsAskedAgain(t *testing.T) {
	l := openLedger(t, at(t, server.Schema(t)))
	a := joined(t, l, "a", slow(10))
	round := a.round(a.ask("alice", 0, 0, 6), a.ask("bob", 0, 0, 0))
	for range 3 {
		replies, alive, err := l.Renew(t.Context(), round)
		require.NoError(t, err)
		require.Equal(t, 1, alive)
		require.Equal(t, []int64{6, 0}, granted(replies))
	}
	s, _ := a.state("alice")
	require.Equal(t, int64(6), s.Leased)
	_, ok := a.state("bob")
	require.False(t, ok, "a full bucket needs no row")

	require.Equal(t, []int64{4}, a.grants(a.ask("alice", 6, 0, 20)))
	_, _, err := l.Renew(t.Context(), round)
	require.ErrorContains(t, err, "round 1 comes after round 2")
}

func TestAReplicaThatIsExpelled(t *testing.T) {
	schema := server.Schema(t)
	l := openLedger(t, at(t, schema))
	a, b := joined(t, l, "a", slow(10)), joined(t, l, "b", slow(10))
	a.grants(a.ask("alice", 0, 0, 6))
	_, err := l.Join(t.Context(), lease.Member{Name: "a"}, rand.Text(), ttl)
	require.ErrorIs(t, err, lease.ErrNameTaken)

	expire(t, schema, a.member)
	require.Equal(t, []int64{4}, b.grants(b.ask("alice", 0, 0, 10)), "its lease counts as spent")
	_, _, err = l.Renew(t.Context(), a.round())
	require.ErrorIs(t, err, lease.ErrExpelled)
	s, _ := b.state("alice")
	require.Equal(t, int64(4), s.Leased)
	require.NotZero(t, joined(t, l, "a", slow(10)).member)
	require.NoError(t, l.Tidy(t.Context(), map[uint32]*lease.Numbers{a.namespace: a.numbers}))
	require.Equal(t, 2, count(t, schema, "replicas"))
	require.Equal(t, map[int64]int{b.member: 1}, leased(t, schema))
}

func expire(t *testing.T, schema string, member int64) {
	t.Helper()
	_, err := pgtest.Connect(t, schema).Exec(t.Context(), "UPDATE replicas SET expires = clock_timestamp() - interval '1 ms' WHERE id = $1", member)
	require.NoError(t, err)
}

func count(t *testing.T, schema, table string) (n int) {
	t.Helper()
	require.NoError(t, pgtest.Connect(t, schema).QueryRow(t.Context(), "SELECT count(*) FROM "+table).Scan(&n))
	return n
}

func TestChangesOfABucket(t *testing.T) {
	l := openLedger(t, at(t, server.Schema(t)))
	a := joined(t, l, "a", slow(10))
	change := func(client string, f func(*lease.State) (*lease.State, error)) error {
		return l.Change(t.Context(), a.key(client), a.numbers, f)
	}
	own := gcra.Settings{Capacity: 100, Refill: gcra.Refill{Amount: 1, Per: 1000 * time.Hour}}
	require.NoError(t, change("alice", func(s *lease.State) (*lease.State, error) {
		require.Nil(t, s)
		return &lease.State{Managed: true, Settings: own, Tokens: 100}, nil
	}))
	s, ok := a.state("alice")
	require.True(t, ok && s.Managed)
	require.Equal(t, own, s.Settings)
	require.Equal(t, 100.0, s.Tokens)
	replies, _, err := l.Renew(t.Context(), a.round(a.ask("alice", 0, 0, 60)))
	require.NoError(t, err)
	require.Equal(t, []lease.Reply{{Granted: 60, Left: 40, Managed: true, Settings: own}}, replies)

	mine := errors.New("mine")
	require.Equal(t, mine, change("alice", func(s *lease.State) (*lease.State, error) {
		require.Equal(t, int64(60), s.Leased)
		return nil, mine
	}))
	require.NoError(t, change("alice", func(*lease.State) (*lease.State, error) { return nil, nil }))
	s, _ = a.state("alice")
	require.False(t, s.Managed)
	b := joined(t, l, "b", slow(100))
	require.Equal(t, []int64{0}, b.grants(b.ask("alice", 0, 0, 100)), "what is leased stays so")
	seen := map[string]int64{}
	require.NoError(t, l.Each(t.Context(), a.namespace, b.numbers, func(client string, s lease.State) error {
		seen[client] = s.Leased
		return nil
	}))
	require.Equal(t, map[string]int64{"alice": 60}, seen)
	require.Equal(t, mine, l.Each(t.Context(), a.namespace, b.numbers, func(string, lease.State) error { return mine }))
}

func TestMembers(t *testing.T) {
	l := openLedger(t, at(t, server.Schema(t)))
	b, a := joined(t, l, "b", slow(10)), joined(t, l, "a", slow(10))
	all, err := l.Members(t.Context())
	require.NoError(t, err)
	require.Len(t, all, 2)
	require.Equal(t, "a", all[0].Name)
	require.Equal(t, 7, all[0].PID)
	require.WithinDuration(t, time.Now().Add(patience(ttl)), all[0].Expires, 30*time.Second)
	require.NoError(t, l.Leave(t.Context(), a.member))
	_, alive, err := l.Renew(t.Context(), b.round())
	require.NoError(t, err)
	require.Equal(t, 1, alive)
	_, _, err = l.Renew(t.Context(), a.round())
	require.ErrorIs(t, err, lease.ErrExpelled)
}

// Replicas that start at the same moment, on a database without the schema, make it once.
func TestManyReplicasStartAtOnce(t *testing.T) {
	o := at(t, server.Schema(t))
	type started struct {
		namespace uint32
		err       error
	}
	all := make(chan started)
	for i := range 5 {
		l, err := NewLedger(o)
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, l.Close()) })
		go func() {
			err := l.Connect(context.Background())
			var s started
			if err == nil {
				_, err = l.Join(context.Background(), lease.Member{Name: string(rune('a' + i))}, rand.Text(), ttl)
			}
			if err == nil {
				s.namespace, err = l.Enter(context.Background(), "default", "ip")
			}
			s.err = err
			all <- s
		}()
	}
	for range 5 {
		s := <-all
		require.NoError(t, s.err)
		require.Equal(t, uint32(1), s.namespace)
	}
}

// The server's statistics may be those of empty tables, as after a night without traffic. A plan
// that goes by them compares each key with each row, and the round isn't over within the timeout.
func TestRoundsOfManyWhileStatisticsAreOfEmptyTables(t *testing.T) {
	schema := server.Schema(t)
	l := openLedger(t, at(t, schema))
	a := joined(t, l, "a", slow(10))
	db := pgtest.Connect(t, schema)
	forget := func() {
		_, err := db.Exec(t.Context(), `UPDATE pg_class SET relpages = 1, reltuples = 0
			WHERE oid IN ('buckets'::regclass, 'buckets_pkey'::regclass)`)
		require.NoError(t, err)
	}
	ask := func(part int, held, back, want int64) (grants []int64) {
		asks := make([]lease.Ask, lease.MaxAsks)
		for i := range asks {
			asks[i] = a.ask(fmt.Sprintf("client-%d-%05d", part, i), held, back, want)
		}
		return a.grants(asks...)
	}
	const parts = 25
	for part := range parts {
		require.NotContains(t, ask(part, 0, 0, 4), int64(0))
		forget()
	}
	for part := range parts {
		require.NotContains(t, ask(part, 2, 0, 4), int64(0))
	}
	for part := range parts {
		ask(part, 0, 4, 0)
	}
	require.Equal(t, parts*lease.MaxAsks, count(t, schema, "buckets"))
	require.Empty(t, leased(t, schema))
}

// A limit that a reload removes, and another one brings back while it is leaving, asks for a bucket
// once.
func TestALimitThatComesBackWhileItLeaves(t *testing.T) {
	schema := server.Schema(t)
	r := lease.New(lease.Options{
		As: lease.Member{Name: "a"}, Interval: time.Minute, TTL: 10 * time.Minute, Timeout: time.Minute,
		Clock: limiter.SystemClock(), Logger: zerolog.Nop(),
	}, openLedger(t, at(t, schema)))
	require.NoError(t, r.Join(t.Context()))
	o := lease.LimitOptions{Name: "default", Fingerprint: "ip", Numbers: *slow(10), MaxBuckets: 10}
	use := func() *lease.Limit {
		l := r.Limit(o)
		r.Use([]*lease.Limit{l})
		l.Want("alice", 0)
		require.NoError(t, r.Round(t.Context(), false))
		return l
	}
	was := use()
	require.Equal(t, table.Allowed, was.Held().Take("alice", 1, 0).Outcome)
	r.Use(nil)
	require.NoError(t, r.Round(t.Context(), false))
	is := use()
	require.Equal(t, table.Allowed, is.Held().Take("alice", 1, 0).Outcome)
	require.NoError(t, r.Close(t.Context()))
	b := joined(t, openLedger(t, at(t, schema)), "b", slow(10))
	require.Equal(t, []int64{8}, b.grants(b.ask("alice", 0, 0, 10)))
}
