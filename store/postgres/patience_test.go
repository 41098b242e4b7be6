package postgres

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/limiter"
	"gopher-equalizer/store/postgres/pgtest"
	"gopher-equalizer/store/storetest"
)

// brief is what a session's timeouts are set to, and tooLong is longer than they allow.
const brief, tooLong = "200ms", "300ms"

// awaitTooLong returns once a server process has waited for too long, for a lock or for us.
func awaitTooLong(t *testing.T, schema string, pid uint32) {
	t.Helper()
	conn := pgtest.Connect(t, schema)
	require.Eventually(t, func() bool {
		waits := false
		err := conn.QueryRow(t.Context(), `SELECT EXISTS (SELECT FROM pg_stat_activity WHERE pid = $1
			AND (wait_event_type = 'Lock' OR state = 'idle in transaction') AND state_change < now() - $2::interval)`,
			pid, tooLong).Scan(&waits)
		require.NoError(t, err)
		return waits
	}, 10*time.Second, 10*time.Millisecond)
}

// A load may take longer than any other statement, in the server and in its yield.
func TestALoadTakesItsTime(t *testing.T) {
	schema := server.Schema(t)
	s := open(t, at(t, schema))
	storetest.Write(t, s, put(storetest.Record("alice", 1)))
	conn := s.session.conn
	_, err := conn.Exec(t.Context(), "SET statement_timeout = '"+brief+"'; SET idle_in_transaction_session_timeout = '"+brief+"'")
	require.NoError(t, err)

	release := lockTables(t, schema)
	_, _, err = s.Get(t.Context(), storetest.Keys("alice")[0])
	require.ErrorContains(t, err, "statement timeout")
	loaded := make(chan error, 1)
	go func() { loaded <- s.Load(t.Context(), 1, func(limiter.Record) error { return nil }) }()
	awaitTooLong(t, schema, conn.PgConn().PID())
	release()
	require.NoError(t, <-loaded)

	yielded := 0
	require.NoError(t, s.Load(t.Context(), 1, func(limiter.Record) error {
		yielded++
		awaitTooLong(t, schema, conn.PgConn().PID())
		return nil
	}))
	require.Equal(t, 1, yielded)
	require.Same(t, conn, s.session.conn, "it had to connect again")
}

// So may a migration. This one waits for another session that makes a table of the same name.
func TestAMigrationTakesItsTime(t *testing.T) {
	schema := server.Schema(t)
	o := at(t, schema)
	other := pgtest.Connect(t, schema)
	_, err := other.Exec(t.Context(), "CREATE SCHEMA "+o.Schema)
	require.NoError(t, err)
	tx, err := other.Begin(t.Context())
	require.NoError(t, err)
	_, err = tx.Exec(t.Context(), "CREATE TABLE buckets (x integer)")
	require.NoError(t, err)

	conn := pgtest.Connect(t, schema)
	_, err = conn.Exec(t.Context(), "SET statement_timeout = '"+brief+"'")
	require.NoError(t, err)
	migrated := make(chan error, 1)
	go func() { migrated <- migration{conn: conn, o: o}.migrate(t.Context()) }()
	awaitTooLong(t, schema, conn.PgConn().PID())
	require.NoError(t, tx.Rollback(t.Context()))
	require.NoError(t, <-migrated)
	storetest.Write(t, open(t, o), put(storetest.Record("alice", 1)))
}

// A context that ended may have cut the connection at any moment, also after the response.
func TestAConnectionWhoseCallRanOutOfTimeIsDropped(t *testing.T) {
	s := open(t, at(t, server.Schema(t)))
	epoch := s.session.epoch
	ctx, timeUp := context.WithCancel(t.Context())
	require.NoError(t, s.call(ctx, func(context.Context, *session) error {
		timeUp()
		return nil
	}))
	require.Nil(t, s.session)
	storetest.Get(t, s, "alice")
	require.Equal(t, epoch+1, s.session.epoch)
}

// The connection of a call that hangs is cut when its context ends. Neither pgx nor we send
// anything more on it.
func TestACallThatHangsIsCut(t *testing.T) {
	s := open(t, at(t, server.Schema(t)))
	err := s.call(within(t, 50*time.Millisecond), func(ctx context.Context, c *session) error {
		_, err := c.conn.Exec(ctx, "SELECT pg_sleep(20)", pgx.QueryExecModeExec)
		require.ErrorIs(t, c.conn.PgConn().Conn().SetDeadline(time.Time{}), net.ErrClosed)
		return err
	})
	require.ErrorIs(t, err, context.DeadlineExceeded)
	storetest.Get(t, s, "alice") // makes the server end the sleeping statement
}
