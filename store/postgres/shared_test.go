package postgres

import (
	"context"
	"crypto/rand"
	"fmt"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/limiter"
	"gopher-equalizer/limiter/gcra"
	"gopher-equalizer/limiter/lease"
	"gopher-equalizer/store"
	"gopher-equalizer/store/postgres/pgtest"
	"gopher-equalizer/store/storetest"
)

// Replicas are kept out as long as a writer is at work, and let in when it has ended.
func TestAWriterKeepsReplicasOut(t *testing.T) {
	o := at(t, server.Schema(t))
	s := open(t, o)
	storetest.Write(t, s, put(storetest.Record("alice", 1)))
	l, err := NewLedger(o)
	require.NoError(t, err)
	defer func() { require.NoError(t, l.Close()) }()
	self := store.Self()
	for range 2 {
		_, err = l.Join(t.Context(), lease.Member{Name: "a"}, rand.Text(), ttl)
		require.ErrorIs(t, err, store.ErrHeld)
		require.False(t, IsFinal(err))
		require.ErrorContains(t, err, fmt.Sprintf("process %d on %s, since ", self.PID, self.Host))
		require.ErrorContains(t, err, "which doesn't share it")
	}
	connected := make(chan error, 1)
	go func() { connected <- l.Connect(context.Background()) }()
	storetest.Write(t, s, put(storetest.Record("alice", 2)))
	require.NoError(t, s.Close())
	require.NoError(t, <-connected)
	_, err = l.Join(t.Context(), lease.Member{Name: "a"}, rand.Text(), ttl)
	require.NoError(t, err)
	state, ok, err := l.Get(t.Context(), lease.Key{Namespace: 1, ClientID: "alice"}, slow(10))
	require.NoError(t, err)
	require.True(t, ok)
	require.GreaterOrEqual(t, state.Tokens, 2.0)
}

// A writer that lost its connection, and so its lock, never writes again once a replica has joined.
func TestReplicasFenceAWriterOff(t *testing.T) {
	o := at(t, server.Schema(t))
	r, far := through(t, o)
	s := open(t, far)
	storetest.Write(t, s, put(storetest.Record("alice", 1)))
	r.cut()
	l := openLedger(t, o)
	joined(t, l, "a", slow(10))
	self := store.Self()
	requireSuperseded(t, s, fmt.Sprintf("process %d on %s", self.PID, self.Host))
	_, ok, err := l.Get(t.Context(), lease.Key{Namespace: 1, ClientID: "mallory"}, slow(10))
	require.NoError(t, err)
	require.False(t, ok)
}

// A writer waits for replicas, and says for whom. Once it is at work, they never write again.
func TestReplicasKeepAWriterOut(t *testing.T) {
	schema := server.Schema(t)
	l := openLedger(t, at(t, schema))
	a := joined(t, l, "a", slow(10))
	a.grants(a.ask("alice", 0, 0, 4))
	o := at(t, schema)
	o.ConnectTimeout = 300 * time.Millisecond
	_, err := connected(t.Context(), o)
	require.ErrorIs(t, err, store.ErrHeld)
	require.False(t, IsFinal(err))
	require.ErrorContains(t, err, `replica "a" shares the schema (process 7 on web-1, since `)
	a.grants(a.ask("alice", 4, 0, 5)) // was not disturbed
	joined(t, l, "b", slow(10))       // nor kept out
	require.NoError(t, l.Leave(t.Context(), a.member+1))

	o.ConnectTimeout = 20 * time.Second
	logged := make(chan string, 10)
	o.Logger = zerolog.New(lines(logged))
	opened := make(chan *Store, 1)
	go func() {
		s, err := connected(context.Background(), o)
		if err != nil {
			panic(err)
		}
		opened <- s
	}()
	require.Contains(t, <-logged, "waiting for the schema")
	expire(t, schema, a.member)
	s := <-opened
	defer func() { require.NoError(t, s.Close()) }()
	require.Empty(t, logged, "it says so once")
	require.Equal(t, 5.0, whole(storetest.Load(t, s)["alice"].Tokens), "what was leased counts as spent")

	_, _, err = l.Renew(t.Context(), a.round(a.ask("alice", 5, 0, 9), a.ask("mallory", 0, 0, 9)))
	require.ErrorIs(t, err, lease.ErrExpelled)
	err = l.Change(t.Context(), a.key("mallory"), a.numbers, func(*lease.State) (*lease.State, error) {
		return &lease.State{Managed: true, Settings: a.numbers.Settings}, nil
	})
	require.ErrorIs(t, err, store.ErrHeld)
	require.ErrorIs(t, l.Tidy(t.Context(), nil), store.ErrHeld)
	_, err = l.Join(t.Context(), lease.Member{Name: "a"}, rand.Text(), ttl)
	require.ErrorIs(t, err, store.ErrHeld)
	_, err = l.Enter(t.Context(), "other", "ip")
	require.ErrorIs(t, err, store.ErrHeld)
	require.Len(t, storetest.Load(t, s), 1)
}

// What crashed replicas held counts as spent for a writer, too. Until they were dead it was no room
// to earn, but the rest was.
func TestAWriterAfterACrashOfReplicas(t *testing.T) {
	schema := server.Schema(t)
	l := openLedger(t, at(t, schema))
	hourly := &lease.Numbers{Settings: gcra.Settings{Capacity: 10, Refill: gcra.Refill{Amount: 1, Per: time.Hour}}}
	a, b := joined(t, l, "a", hourly), joined(t, l, "b", hourly)
	a.grants(a.ask("alice", 0, 0, 6), a.ask("bob", 0, 0, 10), a.ask("eve", 0, 0, 6))
	b.grants(b.ask("alice", 0, 0, 4))
	a.grants(a.ask("eve", 0, 0, 0), a.ask("dave", 0, 0, 10))
	a.grants(a.ask("dave", 3, 0, 3)) // has spent 7
	long := time.Now().Add(-3 * time.Hour).UTC().Truncate(time.Microsecond)
	conn := pgtest.Connect(t, schema)
	_, err := conn.Exec(t.Context(), "UPDATE buckets SET counted_at = $1", long)
	require.NoError(t, err)
	_, err = conn.Exec(t.Context(), "UPDATE replicas SET died_at = $1::timestamptz + id * interval '1 hour'", long)
	require.NoError(t, err)
	deathOf := func(r *replica) time.Time { return long.Add(time.Duration(r.member) * time.Hour) }

	s := open(t, at(t, schema))
	all := storetest.Load(t, s)
	require.Equal(t, deathOf(b), all["alice"].At, "of the last one")
	require.Equal(t, 0.0, whole(all["alice"].Tokens), "there was no room")
	require.Equal(t, deathOf(a), all["bob"].At)
	require.Equal(t, deathOf(a), all["dave"].At)
	require.InDelta(t, float64(a.member), all["dave"].Tokens, 0.01, "one for each hour until then")
	require.Equal(t, long, all["eve"].At, "nobody holds anything of it")
	bob := all["bob"]
	got, _, err := s.Get(t.Context(), limiter.Key{Namespace: bob.Namespace, ClientID: "bob"})
	require.NoError(t, err)
	require.Equal(t, bob, got)
	storetest.Write(t, s, put(bob))
	require.Equal(t, deathOf(a), storetest.Load(t, s)["bob"].At)
	require.Equal(t, map[int64]int{a.member: 2, b.member: 1}, leased(t, schema), "what a writer writes is nobody's")

	_, err = conn.Exec(t.Context(), "DELETE FROM replicas WHERE id = $1", a.member)
	require.NoError(t, err)
	require.NoError(t, s.Close())
	s = open(t, at(t, schema))
	require.WithinDuration(t, time.Now(), storetest.Load(t, s)["dave"].At, time.Minute, "it died at some moment")
}

func whole(tokens float64) float64 { return float64(int64(tokens)) }

// A strict writer that crashed has promised not to give clients tokens that they may have spent,
// and only another writer knows how.
func TestReplicasAfterACrash(t *testing.T) {
	stopped := time.Now().Add(time.Hour).UTC().Truncate(time.Microsecond)
	f := func(n limiter.Namespace, why string, final bool) {
		t.Helper()
		o := at(t, server.Schema(t))
		s := open(t, o)
		storetest.Write(t, s, limiter.Batch{Namespaces: []limiter.Namespace{n}, Puts: []limiter.Record{storetest.Record("alice", 1)}})
		require.NoError(t, s.Close())
		l, err := NewLedger(o)
		require.NoError(t, err)
		defer func() { require.NoError(t, l.Close()) }()
		err = whileHeld(t.Context(), func() error { // until the server has seen the writer's end
			_, err := l.Members(t.Context())
			return err
		})
		if why == "" {
			require.NoError(t, err)
			return
		}
		require.ErrorContains(t, err, why)
		require.Equal(t, final, IsFinal(err))
	}
	f(limiter.Namespace{ID: 1, LimitName: "default"}, "", false)
	f(limiter.Namespace{ID: 1, LimitName: "default", Strict: true, Stopped: time.UnixMicro(1)}, "", false)
	f(limiter.Namespace{ID: 1, LimitName: "default", Strict: true}, `limit "default" was strict, and its process has crashed: start and stop`, true)
	f(limiter.Namespace{ID: 1, LimitName: "default", Stopped: stopped}, "until "+stopped.Format(time.RFC3339), false)
	f(limiter.Namespace{ID: 1}, "a version that knew of one limit only", true)
}

// A schema of a former version is left as it is while its writer works with it.
func TestAMigrationWaitsForTheWriter(t *testing.T) {
	schema := version2(t)
	conn := pgtest.Connect(t, schema)
	o := at(t, schema)
	_, err := conn.Exec(t.Context(), "SELECT pg_advisory_lock($1)", o.lockKey())
	require.NoError(t, err)
	l, err := NewLedger(o)
	require.NoError(t, err)
	defer func() { require.NoError(t, l.Close()) }()
	_, err = l.Members(t.Context())
	require.ErrorIs(t, err, store.ErrHeld)
	require.ErrorContains(t, err, fmt.Sprintf("process %d", conn.PgConn().PID()))
	require.Equal(t, 2, count(t, schema, "schema_version"))
}

func TestTidy(t *testing.T) {
	schema := server.Schema(t)
	l := openLedger(t, at(t, schema))
	a, b := joined(t, l, "a", slow(10)), joined(t, l, "b", slow(10))
	tidy := func() { require.NoError(t, l.Tidy(t.Context(), map[uint32]*lease.Numbers{a.namespace: a.numbers})) }
	var asks []lease.Ask
	for i := range 2500 {
		asks = append(asks, a.ask(fmt.Sprintf("client-%04d", i), 0, 0, 4))
	}
	a.grants(asks...)
	b.grants(b.ask("client-0000", 0, 0, 1), b.ask("client-0001", 0, 0, 1))
	require.NoError(t, l.Change(t.Context(), a.key("client-0002"), a.numbers, func(s *lease.State) (*lease.State, error) {
		s.Managed = true
		return s, nil
	}))
	_, err := pgtest.Connect(t, schema).Exec(t.Context(), "DELETE FROM buckets WHERE client_id = 'client-0003'")
	require.NoError(t, err)
	tidy()
	require.Equal(t, 2499, count(t, schema, "buckets"))
	require.Equal(t, map[int64]int{a.member: 2499, b.member: 2}, leased(t, schema))

	expire(t, schema, a.member)
	b.grants(b.ask("client-0000", 0, 0, 0))
	require.Equal(t, map[int64]int{a.member: 2498, b.member: 1}, leased(t, schema), "those of a bucket that was looked at have ended")
	tidy()
	require.Equal(t, 2499, count(t, schema, "buckets"), "what was spent isn't back")
	require.Equal(t, map[int64]int{b.member: 1}, leased(t, schema))
	require.Equal(t, 1, count(t, schema, "replicas"))

	_, err = pgtest.Connect(t, schema).Exec(t.Context(), "UPDATE buckets SET counted_at = counted_at - interval '2 years'")
	require.NoError(t, err)
	tidy()
	require.Equal(t, 2, count(t, schema, "buckets"), "one that is managed, and one that is leased")
}

// Tidy passes over namespaces whose numbers the caller doesn't know. What leases there are of
// replicas that it deletes counts as spent from when somebody looks.
func TestALeaseOfAReplicaThatNobodyKnowsIsSpent(t *testing.T) {
	schema := server.Schema(t)
	l := openLedger(t, at(t, schema))
	hourly := &lease.Numbers{Settings: gcra.Settings{Capacity: 10, Refill: gcra.Refill{Amount: 1, Per: time.Hour}}}
	a, b := joined(t, l, "a", hourly), joined(t, l, "b", hourly)
	a.grants(a.ask("alice", 0, 0, 6), a.ask("bob", 0, 0, 6))
	require.NoError(t, l.Leave(t.Context(), a.member))
	require.NoError(t, l.Tidy(t.Context(), nil))
	require.Equal(t, 1, count(t, schema, "replicas"))
	require.Equal(t, map[int64]int{a.member: 2}, leased(t, schema))

	_, err := pgtest.Connect(t, schema).Exec(t.Context(), "UPDATE buckets SET counted_at = counted_at - interval '3 hours'")
	require.NoError(t, err)
	s, _ := b.state("alice")
	require.Zero(t, s.Leased)
	require.Equal(t, 4.0, whole(s.Tokens), "it was no room to earn")
	require.Equal(t, []int64{4}, b.grants(b.ask("alice", 0, 0, 10)))
	require.Equal(t, map[int64]int{a.member: 1, b.member: 1}, leased(t, schema))
	require.NoError(t, l.Tidy(t.Context(), map[uint32]*lease.Numbers{b.namespace: hourly}))
	require.Equal(t, map[int64]int{b.member: 1}, leased(t, schema))
	s, _ = b.state("bob")
	require.Equal(t, 4.0, whole(s.Tokens))
}

func TestALedgerNamesAnUnreadableRow(t *testing.T) {
	f := func(damage string, why ...string) {
		t.Helper()
		schema := server.Schema(t)
		a := joined(t, openLedger(t, at(t, schema)), "a", slow(10))
		a.grants(a.ask("alice", 0, 0, 1))
		_, err := pgtest.Connect(t, schema).Exec(t.Context(), damage)
		require.NoError(t, err)
		a.Ledger = openLedger(t, at(t, schema)) // which knows no settings
		_, _, getErr := a.Get(t.Context(), a.key("alice"), a.numbers)
		eachErr := a.Each(t.Context(), a.namespace, a.numbers, func(string, lease.State) error { return nil })
		round := a.round(a.ask("alice", 1, 0, 1), a.ask("bob", 0, 0, 3))
		_, _, renewErr := a.Renew(t.Context(), round)
		var unreadable *lease.UnreadableError
		require.ErrorAs(t, renewErr, &unreadable)
		require.Equal(t, []lease.Key{a.key("alice")}, unreadable.Keys)
		require.NotErrorIs(t, renewErr, lease.ErrInDoubt)
		round.Asks = round.Asks[1:]
		replies, _, err := a.Renew(t.Context(), round)
		require.NoError(t, err)
		require.Equal(t, []int64{3}, granted(replies))
		changeErr := a.Change(t.Context(), a.key("alice"), a.numbers, func(s *lease.State) (*lease.State, error) { return s, nil })
		for _, err := range []error{getErr, eachErr, renewErr, changeErr} {
			for _, part := range why {
				require.ErrorContains(t, err, part)
			}
		}
	}
	f("UPDATE buckets SET settings_id = 99", "its row of settings is gone", `client "alice"`)
	f("UPDATE settings SET refill = 'often'", `refill "often"`, "want AMOUNT/DURATION")
	f("UPDATE settings SET kind = 1", "of kind 1, which replicas can't share")
	f("UPDATE buckets SET tokens = 'NaN'", "NaN tokens can't be", `client "alice"`)
	f("UPDATE buckets SET leases = '{1,2,3}'", "3 numbers; want 4 for each replica", `client "alice": its leases`)
	f("UPDATE buckets SET leases = '{1,-2,3,0}'", "replica 1 can't hold -2 tokens", `client "alice": its leases`)
	f("UPDATE buckets SET leases = '{1,NULL,3,0}'", `"NULL" is no number`, `client "alice": its leases`)
	f("UPDATE buckets SET tokens = '-Infinity'", "-Inf tokens can't be", `client "alice"`)
	f("UPDATE buckets SET counted_at = 'infinity'", "counted")
}
