package postgres

import (
	"context"
	"errors"
	"strconv"

	"github.com/jackc/pgx/v5"
)

// errPooler is final: the lock that keeps a second writer out of the schema belongs to a session.
var errPooler = errFinal{errors.New("a connection pooler is between here and PostgreSQL, such as PgBouncer in transaction mode, " +
	"which gives a session's transactions to different server processes: there the lock that keeps a second writer out belongs to nobody; " +
	"want PostgreSQL itself, a pool with pool_mode = session, or replicas that share the schema (store.shared)")}

// poolerRounds is how often the test for a pooler is repeated, since another client of the pooler
// may hide what it does once.
const poolerRounds = 5

// checkPooler refuses a pooler that gives a server process to one client's transaction, and then to
// another client's. A session of one's own keeps its process. In such a pool the process changes
// between two transactions, or serves a second connection while the first is open.
//
// A pooler is recognized by the process number that it makes up for the connection. The statements
// here use the simple protocol: prepared statements don't outlive a transaction in such a pool.
func (s *Store) checkPooler(ctx context.Context, c *session, config *pgx.ConnConfig) error {
	pid, err := serverProcess(ctx, c.conn)
	if err != nil || pid == c.conn.PgConn().PID() {
		return err
	}
	other, err := s.o.dial(ctx, config)
	if err != nil {
		return nil // a pool of sessions may have no second connection for us
	}
	second := &session{conn: other}
	defer second.abandon()
	for range poolerRounds {
		shared, err := s.sharesProcess(ctx, c, second, pid)
		if shared {
			return errPooler
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// sharesProcess reports whether the first connection has another process than before, or the second
// one has the same process. In a pool of sessions that are all taken, the second connection may
// wait for its process for ever.
func (s *Store) sharesProcess(ctx context.Context, first, second *session, before uint32) (bool, error) {
	brief, cancel := context.WithTimeout(ctx, s.o.Timeout)
	defer cancel()
	if pid, err := serverProcess(brief, second.conn); err == nil && pid == before {
		return true, nil
	}
	for range 2 { // twice, since a pool that takes its processes in turn may be back at the first
		if pid, err := serverProcess(ctx, first.conn); err != nil || pid != before {
			return err == nil, err
		}
	}
	return false, nil
}

// serverProcess is the number of the process that serves the connection at the moment.
func serverProcess(ctx context.Context, conn *pgx.Conn) (uint32, error) {
	results, err := conn.PgConn().Exec(ctx, "SELECT pg_backend_pid()").ReadAll()
	if err != nil {
		return 0, wrapf(err, "look at the connection")
	}
	n, err := strconv.ParseUint(string(results[0].Rows[0][0]), 10, 32)
	return uint32(n), wrapf(err, "look at the connection")
}
