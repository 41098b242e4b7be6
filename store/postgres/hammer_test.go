package postgres

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/limiter/gcra"
	"gopher-equalizer/limiter/lease"
	"gopher-equalizer/store/postgres/pgtest"
)

// Replicas want all that there is of the same buckets, spend it, give some of it back, and two of
// them are expelled in between. What all have spent is at most what one bucket would have given, by
// the database's clock.
func TestReplicasSpendNoMoreThanOneBucketHas(t *testing.T) {
	const replicas, rounds, clients = 5, 60, 4
	schema := server.Schema(t)
	numbers := &lease.Numbers{Settings: gcra.Settings{Capacity: 20, Refill: gcra.Refill{Amount: 200, Per: time.Second}}}
	conn := pgtest.Connect(t, schema)
	clock := func() (now time.Time) {
		require.NoError(t, conn.QueryRow(t.Context(), "SELECT clock_timestamp()").Scan(&now))
		return now
	}
	var all sync.WaitGroup
	var spenders []*spender
	for i := range replicas {
		l := openLedger(t, at(t, schema))
		spenders = append(spenders, &spender{replica: joined(t, l, fmt.Sprint("r", i), numbers), random: rand.New(rand.NewPCG(7, uint64(i)))})
	}
	from := clock()
	for i, s := range spenders {
		all.Go(func() {
			for n := range rounds {
				if n == rounds/2 && i < 2 {
					expire(t, schema, s.member)
					s.seq, s.held, s.back = 0, [4]int64{}, [4]int64{}
					s.replica = joined(t, s.Ledger, fmt.Sprint("again", i), numbers)
				}
				s.step(clients)
			}
		})
	}
	all.Wait()
	earned := int64(clock().Sub(from).Seconds()*200) + 1
	for c := range clients {
		sum := int64(0)
		for _, s := range spenders {
			sum += s.spent[c]
		}
		require.LessOrEqual(t, sum, 20+earned)
		require.GreaterOrEqual(t, sum, int64(20))
	}
}

// spender is a replica that spends what it holds.
type spender struct {
	*replica
	random            *rand.Rand
	held, back, spent [4]int64
}

// step asks for more of each bucket. Of what it has, it spends some and gives some back.
func (s *spender) step(clients int) {
	var asks []lease.Ask
	for c := range clients {
		asks = append(asks, s.ask(fmt.Sprint("client-", c), s.held[c], s.back[c], s.held[c]+s.random.Int64N(10)))
	}
	replies, _, err := s.Renew(s.t.Context(), s.round(asks...))
	if !assert.NoError(s.t, err) {
		return
	}
	for c, r := range replies {
		has := s.held[c] + r.Granted
		spends := s.random.Int64N(has + 1)
		s.spent[c] += spends
		s.back[c] = s.random.Int64N(has - spends + 1)
		s.held[c] = has - spends - s.back[c]
	}
}

// Two replicas take of one bucket and give back, while an operator writes and deletes it and
// everything is tidied. Nobody spends, so whoever looks finds the capacity, and so does the last.
func TestNothingIsLostBetweenReplicasAndAnOperator(t *testing.T) {
	const rounds = 20
	schema := server.Schema(t)
	demand := func(s lease.State) { assert.InDelta(t, 10, s.Tokens+float64(s.Leased), 0.001) }
	var all sync.WaitGroup
	for i := range 2 {
		r := joined(t, openLedger(t, at(t, schema)), fmt.Sprint("r", i), slow(10))
		random := rand.New(rand.NewPCG(11, uint64(i)))
		all.Go(func() {
			var has int64
			for n := range rounds + 1 {
				keeps := random.Int64N(has + 1)
				wants := keeps + random.Int64N(6)
				if n == rounds {
					keeps, wants = 0, 0
				}
				replies, _, err := r.Renew(t.Context(), r.round(r.ask("alice", keeps, has-keeps, wants)))
				if !assert.NoError(t, err) {
					return
				}
				has = keeps + replies[0].Granted
			}
		})
	}
	l := openLedger(t, at(t, schema))
	namespace, err := l.Enter(t.Context(), "default", "ip")
	require.NoError(t, err)
	key, numbers := lease.Key{Namespace: namespace, ClientID: "alice"}, slow(10)
	for n := range rounds {
		require.NoError(t, l.Change(t.Context(), key, numbers, func(s *lease.State) (*lease.State, error) {
			switch {
			case s == nil:
				return &lease.State{Managed: true, Settings: numbers.Settings, Tokens: 10}, nil
			case n%4 == 0:
				return nil, nil
			}
			demand(*s)
			s.Managed = !s.Managed
			return s, nil
		}))
		require.NoError(t, l.Tidy(t.Context(), map[uint32]*lease.Numbers{namespace: numbers}))
		if s, ok, err := l.Get(t.Context(), key, numbers); assert.NoError(t, err) && ok {
			demand(s)
		}
	}
	all.Wait()
	if s, ok, err := l.Get(t.Context(), key, numbers); assert.NoError(t, err) && ok {
		demand(s)
		require.Zero(t, s.Leased)
	}
}

// A replica can't be expelled while its round lasts, and others get on with other buckets. If it
// stops in the middle, the server ends the round before long.
func TestARoundThatStopsInTheMiddle(t *testing.T) {
	schema := server.Schema(t)
	a, b := joined(t, openLedger(t, at(t, schema)), "a", slow(10)), joined(t, openLedger(t, at(t, schema)), "b", slow(10))
	a.grants(a.ask("alice", 0, 0, 4))
	expire(t, schema, a.member)
	conn, _, err := a.take(t.Context())
	require.NoError(t, err)
	round := a.round(a.ask("alice", 4, 0, 9))
	_, err = a.lookAt(t.Context(), conn, &round)
	require.NoError(t, err)
	require.Equal(t, []int64{3}, b.grants(b.ask("bob", 0, 0, 3)))
	_, alive, err := b.Renew(t.Context(), b.round())
	require.NoError(t, err)
	require.Equal(t, 2, alive, "its round may still be stored")

	require.Equal(t, []int64{6}, b.grants(b.ask("alice", 0, 0, 10)), "once the server has ended a's round")
	_, alive, err = b.Renew(t.Context(), b.round())
	require.NoError(t, err)
	require.Equal(t, 1, alive)
	work := a.goOn()
	require.Error(t, work.commit(t.Context(), conn))
	abandon(conn)
	_, _, err = a.Renew(t.Context(), round)
	require.ErrorIs(t, err, lease.ErrExpelled)
}

// Half a message is none: the server has begun nothing, so nobody waits for its rest.
func TestHalfABatchHoldsNoLocks(t *testing.T) {
	schema := server.Schema(t)
	r, o := through(t, at(t, schema))
	a, b := joined(t, openLedger(t, o), "a", slow(10)), joined(t, openLedger(t, at(t, schema)), "b", slow(10))
	ctx, timeUp := context.WithCancel(t.Context())
	r.onCommit(func(k *link, commit []byte) bool {
		_, err := k.server.Write(commit[:len(commit)/2])
		assert.NoError(t, err)
		timeUp()
		return false
	})
	round := a.round(a.ask("alice", 0, 0, 4))
	_, _, err := a.Renew(ctx, round)
	require.ErrorIs(t, err, lease.ErrInDoubt)
	require.Equal(t, []int64{3}, b.grants(b.ask("alice", 0, 0, 3)))
	replies, _, err := a.Renew(t.Context(), round)
	require.NoError(t, err)
	require.Equal(t, []int64{4}, granted(replies))
}

// Whatever the server rolls back for others is tried again, also at the COMMIT.
func TestWhatTheServerRollsBackOfARoundIsTriedAgain(t *testing.T) {
	for _, when := range []string{whenPut, whenCommitted} {
		for _, sqlState := range []string{deadlockDetected, serializationFailure} {
			schema := server.Schema(t)
			a := joined(t, openLedger(t, at(t, schema)), "a", slow(10))
			a.grants(a.ask("alice", 0, 0, 1))
			failOnDemand(t, schema, sqlState, when, 3)
			require.Equal(t, []int64{4}, a.grants(a.ask("alice", 1, 0, 5)))
			s, _ := a.state("alice")
			require.Equal(t, int64(5), s.Leased)
		}
	}
}

// An error that isn't in doubt had no effect.
func TestWhatTheServerRefusesOfARoundHasNoEffect(t *testing.T) {
	schema := server.Schema(t)
	a := joined(t, openLedger(t, at(t, schema)), "a", slow(10))
	a.grants(a.ask("alice", 0, 0, 1))
	failOnDemand(t, schema, "23514", whenCommitted, 1)
	round := a.round(a.ask("alice", 1, 0, 5))
	_, _, err := a.Renew(t.Context(), round)
	require.ErrorContains(t, err, "on demand (SQLSTATE 23514)")
	require.NotErrorIs(t, err, lease.ErrInDoubt)
	s, _ := a.state("alice")
	require.Equal(t, int64(1), s.Leased)
	replies, _, err := a.Renew(t.Context(), round)
	require.NoError(t, err)
	require.Equal(t, []int64{4}, granted(replies))
}

// The next call finds a server that went and came back, and all that was granted.
func TestALedgerOfAServerThatRestarts(t *testing.T) {
	cluster := server.Cluster(t)
	a := joined(t, openLedger(t, at(t, cluster.URL(fresh("restarted")))), "a", slow(100))
	for i, end := range []func() error{cluster.Stop, cluster.Crash} {
		var busy sync.WaitGroup // has all connections be idle ones
		for range ledgerCalls {
			busy.Go(func() { _, err := a.Members(t.Context()); assert.NoError(t, err) })
		}
		busy.Wait()
		held := int64(i)
		require.Equal(t, []int64{1}, a.grants(a.ask("alice", held, 0, held+1)))
		require.NoError(t, end())
		_, err := a.Members(t.Context())
		require.ErrorContains(t, err, "connection refused")
		require.NoError(t, cluster.Run())
		s, _ := a.state("alice")
		require.Equal(t, held+1, s.Leased)
	}
}

// Through a pooler, and whatever the server's defaults are, a transaction has its own settings.
func TestTheSettingsOfATransaction(t *testing.T) {
	cluster := server.Cluster(t)
	admin := pgtest.Connect(t, cluster.URL(""))
	run := func(sql string) {
		_, err := admin.Exec(context.Background(), sql)
		require.NoError(t, err)
	}
	defaults := []string{"synchronous_commit = off", "datestyle = 'German'", "extra_float_digits = -5", "timezone = 'Asia/Tokyo'"}
	for _, d := range defaults {
		run("ALTER DATABASE postgres SET " + d)
	}
	t.Cleanup(func() { run("ALTER DATABASE postgres RESET ALL") })
	o := at(t, cluster.Pooler(t, "transaction", fresh("settings")))
	o.Timeout = 7500 * time.Millisecond
	l := openLedger(t, o)
	require.NoError(t, l.read(t.Context(), func(work *batch) {
		for name, want := range map[string]string{
			"statement_timeout": "7500ms", "lock_timeout": "7500ms", "idle_in_transaction_session_timeout": "1s", "synchronous_commit": "on",
		} {
			work.Queue("SELECT current_setting($1)", name).QueryRow(func(row pgx.Row) error {
				var got string
				err := row.Scan(&got)
				assert.Equal(t, want, got, name)
				return err
			})
		}
	}))
	a := joined(t, l, "a", &lease.Numbers{Settings: gcra.Settings{Capacity: 1_000_000, Refill: gcra.Refill{Amount: 1, Per: 1000 * time.Hour}}})
	require.NoError(t, l.Change(t.Context(), a.key("alice"), a.numbers, func(*lease.State) (*lease.State, error) {
		return &lease.State{Managed: true, Settings: a.numbers.Settings, Tokens: 123456.789012345}, nil
	}))
	s, _ := a.state("alice")
	require.InDelta(t, 123456.789012345, s.Tokens, 1e-5)
	require.WithinDuration(t, time.Now(), s.At, time.Minute)
}

func TestLedgersEnd(t *testing.T) {
	l := openLedger(t, at(t, server.Schema(t)))
	a := joined(t, l, "a", slow(10))
	require.NoError(t, l.Close())
	_, _, err := l.Renew(t.Context(), a.round())
	require.ErrorContains(t, err, "the store is closed")
	_, err = NewLedger(Options{})
	require.True(t, IsFinal(err))
}
