package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/limiter"
	"gopher-equalizer/store/postgres/pgtest"
	"gopher-equalizer/store/storetest"
)

func TestWhatTheErrorOfACommitMeans(t *testing.T) {
	f := func(err error, inDoubt bool) {
		t.Helper()
		got := commitError(err)
		require.ErrorIs(t, got, err)
		require.Equal(t, inDoubt, errors.Is(got, limiter.ErrInDoubt), "%v", err)
	}
	refused := func(severity, code string) error {
		return &pgconn.PgError{Severity: "FEHLER", SeverityUnlocalized: severity, Code: code}
	}
	f(nil, false)
	f(pgx.ErrTxCommitRollback, false)
	f(refused("ERROR", serializationFailure), false)
	f(refused("ERROR", deadlockDetected), false)
	f(refused("ERROR", "23505"), false)
	f(&pgconn.PgError{Severity: "ERROR", Code: "23505"}, false) // before PostgreSQL 9.6

	f(refused("FATAL", "57P01"), true)
	f(refused("PANIC", "XX000"), true)
	f(refused("ERROR", completionUnknown), true)
	f(refused("ERROR", "08007"), true)
	f(io.ErrUnexpectedEOF, true)
	f(pgconn.ErrConnClosed, true)
	f(context.DeadlineExceeded, true)
}

func TestWhichErrorsAreTriedAgain(t *testing.T) {
	f := func(err error, want bool) {
		t.Helper()
		require.Equal(t, want, isRetryable(err))
	}
	f(nil, false)
	f(io.EOF, false)
	f(&pgconn.PgError{Code: "23505"}, false)
	f(&pgconn.PgError{Code: serializationFailure}, true)
	f(&pgconn.PgError{Code: deadlockDetected}, true)
	f(errors.Join(limiter.ErrInDoubt, &pgconn.PgError{Code: deadlockDetected}), false)
}

// The network breaks at the moment when a COMMIT passes, in every possible way. What the next call
// sees stays.
func TestAmbiguousCommits(t *testing.T) {
	f := func(name string, applied bool, v func(k *link, commit []byte, timeUp func())) {
		t.Run(name, func(t *testing.T) {
			r, o := through(t, at(t, server.Schema(t)))
			s := open(t, o)
			before, after := storetest.Record("alice", 9), storetest.Record("alice", 3)
			storetest.Write(t, s, put(before))
			ctx, timeUp := context.WithCancel(t.Context())
			defer timeUp()
			r.onCommit(func(k *link, commit []byte) bool {
				v(k, commit, timeUp)
				return false
			})
			err := s.Write(ctx, limiter.Batch{Puts: []limiter.Record{after}, Deletes: storetest.Keys("bob")})
			require.ErrorIs(t, err, limiter.ErrInDoubt)

			want := before
			if applied {
				want = after
			}
			got, ok := storetest.Get(t, s, "alice")
			require.True(t, ok)
			require.Equal(t, want, got)
			storetest.Write(t, s, put(storetest.Record("carol", 1)))
			require.Equal(t, want, storetest.Load(t, s)["alice"])
		})
	}
	f("cut before it arrived", false, func(k *link, _ []byte, _ func()) {
		_ = k.client.Close()
		_ = k.server.Close()
	})
	f("cut after it arrived", true, func(k *link, commit []byte, _ func()) {
		k.carryOut(commit)
		_ = k.client.Close()
		_ = k.server.Close()
	})
	f("swallowed", false, func(_ *link, _ []byte, timeUp func()) { timeUp() })
	f("its response swallowed", true, func(k *link, commit []byte, timeUp func()) {
		k.carryOut(commit)
		timeUp()
	})
}

// A server that doesn't know the outcome keeps the connection. The connection is given up
// nevertheless: only a new one, with the next epoch, outwaits a commit that may follow.
func TestADoubtThatLeavesTheConnectionUp(t *testing.T) {
	for _, sqlState := range []string{completionUnknown, "08007"} {
		schema := server.Schema(t)
		s := open(t, at(t, schema))
		failOnDemand(t, schema, sqlState, whenCommitted, 1)
		epoch := s.session.epoch
		require.ErrorIs(t, s.Write(t.Context(), put(storetest.Record("alice", 1))), limiter.ErrInDoubt)
		_, ok := storetest.Get(t, s, "alice")
		require.False(t, ok)
		require.Equal(t, epoch+1, s.session.epoch)
	}
}

// A COMMIT that the network held back has no effect once another call has succeeded.
func TestALateCommitIsTooLate(t *testing.T) {
	r, o := through(t, at(t, server.Schema(t)))
	s := open(t, o)
	ctx, timeUp := context.WithCancel(t.Context())
	defer timeUp()
	held := make(chan func(), 1)
	r.onCommit(func(k *link, commit []byte) bool {
		held <- func() {
			_, _ = k.server.Write(commit) // on a connection that the server has ended
			_, _ = io.ReadAll(k.server)   // until it has
		}
		timeUp()
		return false
	})
	err := s.Write(ctx, put(storetest.Record("alice", 1)))
	require.ErrorIs(t, err, limiter.ErrInDoubt)
	require.ErrorIs(t, err, context.Canceled)
	_, ok := storetest.Get(t, s, "alice")
	require.False(t, ok)
	deliver := <-held
	deliver()
	require.Empty(t, storetest.Load(t, s))
}

// The server freezes when the COMMIT has reached it, and goes on with it when it thaws. Either may
// be first, but what the next call sees stays.
func TestACommitInAFrozenServer(t *testing.T) {
	cluster := server.Cluster(t)
	t.Cleanup(func() { require.NoError(t, cluster.Thaw()) })
	for range 5 {
		r, o := through(t, at(t, cluster.URL("frozen_commit")))
		s := open(t, o)
		storetest.Write(t, s, limiter.Batch{Deletes: storetest.Keys("alice")})
		ctx, timeUp := context.WithCancel(t.Context())
		defer timeUp()
		r.onCommit(func(k *link, commit []byte) bool {
			assert.NoError(t, cluster.Freeze())
			_, err := k.server.Write(commit)
			assert.NoError(t, err)
			timeUp()
			return false
		})
		lost := s.own[0].pid
		err := s.Write(ctx, put(storetest.Record("alice", 1)))
		require.ErrorIs(t, err, limiter.ErrInDoubt)
		_, _, err = s.Get(within(t, 100*time.Millisecond), storetest.Keys("alice")[0])
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.NoError(t, cluster.Thaw())

		_, first := storetest.Get(t, s, "alice")
		conn := pgtest.Connect(t, cluster.URL(""))
		require.Eventually(t, func() bool {
			left := 0
			require.NoError(t, conn.QueryRow(t.Context(), "SELECT count(*) FROM pg_stat_activity WHERE pid = $1", lost).Scan(&left))
			return left == 0
		}, 10*time.Second, time.Millisecond, "the lost connection's process goes on")
		_, again := storetest.Get(t, s, "alice")
		require.Equal(t, first, again)
		require.NoError(t, s.Close())
	}
}

// failOnDemand makes the server fail the first n times that a bucket is put, at once or at the
// COMMIT.
func failOnDemand(t *testing.T, schema, sqlState, when string, n int) {
	t.Helper()
	_, err := pgtest.Connect(t, schema).Exec(t.Context(), fmt.Sprintf(`
		CREATE SEQUENCE failures;
		CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$ BEGIN
			IF nextval('failures') <= %d THEN RAISE EXCEPTION 'on demand' USING ERRCODE = '%s'; END IF;
			RETURN NULL;
		END $$;
		CREATE CONSTRAINT TRIGGER fail AFTER INSERT OR UPDATE ON buckets %s FOR EACH ROW EXECUTE FUNCTION fail()`, n, sqlState, when))
	require.NoError(t, err)
}

const (
	whenPut       = "NOT DEFERRABLE"
	whenCommitted = "DEFERRABLE INITIALLY DEFERRED"
)

func TestWhatTheServerRollsBackForOthersIsTriedAgain(t *testing.T) {
	f := func(sqlState, when string) {
		t.Helper()
		schema := server.Schema(t)
		s := open(t, at(t, schema))
		failOnDemand(t, schema, sqlState, when, 3)
		storetest.Write(t, s, put(storetest.Record("alice", 1)))
		require.Len(t, storetest.Load(t, s), 1)
	}
	f(deadlockDetected, whenPut)
	f(deadlockDetected, whenCommitted)
	f(serializationFailure, whenPut)
	f(serializationFailure, whenCommitted)
}

func TestWhatTheServerRefusesIsNotApplied(t *testing.T) {
	f := func(when string) {
		t.Helper()
		schema := server.Schema(t)
		s := open(t, at(t, schema))
		failOnDemand(t, schema, "23514", when, 1)
		err := s.Write(t.Context(), limiter.Batch{Puts: storetest.Records(3), Deletes: storetest.Keys("zoe")})
		require.ErrorContains(t, err, "on demand (SQLSTATE 23514)")
		require.NotErrorIs(t, err, limiter.ErrInDoubt)
		require.Empty(t, storetest.Load(t, s))
		storetest.Write(t, s, put(storetest.Record("alice", 1)))
	}
	f(whenPut)
	f(whenCommitted)
}

func TestTryingAgainEndsWithTheContext(t *testing.T) {
	schema := server.Schema(t)
	s := open(t, at(t, schema))
	failOnDemand(t, schema, deadlockDetected, whenPut, 1_000_000)
	err := s.Write(within(t, 300*time.Millisecond), put(storetest.Record("alice", 1)))
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.NotErrorIs(t, err, limiter.ErrInDoubt)
	require.Empty(t, storetest.Load(t, s))
}

// awaitLockWait waits until a store waits for a lock in the server.
func awaitLockWait(t *testing.T, schema string) {
	t.Helper()
	conn := pgtest.Connect(t, schema)
	require.Eventually(t, func() bool {
		waiting := 0
		err := conn.QueryRow(t.Context(),
			"SELECT count(*) FROM pg_stat_activity WHERE application_name = 'gopher-equalizer' AND wait_event_type = 'Lock'").Scan(&waiting)
		require.NoError(t, err)
		return waiting > 0
	}, 10*time.Second, time.Millisecond)
}
