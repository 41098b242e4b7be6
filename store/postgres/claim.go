package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"gopher-equalizer/store"
)

// backend is a server process that serves, or served, a connection.
type backend struct {
	pid   int32
	start time.Time
}

// claim makes the schema this connection's own, in three steps:
//
//   - It takes the advisory lock. If a lost connection of ours still has it, the server is told to
//     end that connection. The lock is released when what that was doing, such as a commit, is
//     done.
//   - It brings the tables up to date, the first time.
//   - It raises the epoch. That waits for every transaction that has seen the epoch before, and
//     fences off later ones, even if the lock is lost. It waits for replicas (shared.go).
func (s *Store) claim(ctx context.Context, c *session) error {
	if err := s.introduce(ctx, c); err != nil {
		return err
	}
	if err := s.lock(ctx, c); err != nil {
		return err
	}
	s.own = s.own[len(s.own)-1:] // earlier ones can't have the lock any more
	if !s.claimed {
		if err := (migration{conn: c.conn, o: s.o}).migrate(ctx); err != nil {
			return err
		}
	}
	epoch, err := s.awaitReplicas(ctx, c)
	if err != nil {
		return err
	}
	c.epoch, s.claimed = epoch, true
	return nil
}

// introduce notes which server process serves this connection, so that it isn't taken for another
// writer's when the connection is lost.
func (s *Store) introduce(ctx context.Context, c *session) error {
	if err := s.o.setUp(ctx, c.conn); err != nil {
		return err
	}
	var b backend
	err := c.conn.QueryRow(ctx, "SELECT pid, backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid()").Scan(&b.pid, &b.start)
	if err != nil {
		return fmt.Errorf("look at the connection: %w", err)
	}
	if err := checkServer(ctx, c.conn); err != nil {
		return err
	}
	s.own = append(s.own, b)
	return nil
}

// oldestVersion is the first one with MERGE.
const oldestVersion = 150_000

// checkServer refuses servers, and databases, that can't keep buckets.
func checkServer(ctx context.Context, conn *pgx.Conn) error {
	var version int
	var name, encoding string
	err := conn.QueryRow(ctx, `SELECT current_setting('server_version_num')::integer, current_setting('server_version'),
		current_setting('server_encoding')`).Scan(&version, &name, &encoding)
	if err != nil {
		return wrapf(err, "look at the server")
	}
	if err := checkVersion(version, name); err != nil {
		return err
	}
	return checkEncoding(encoding)
}

func checkVersion(version int, name string) error {
	if version < oldestVersion {
		return errFinal{fmt.Errorf("the server is PostgreSQL %s; want %d or newer", name, oldestVersion/10_000)}
	}
	return nil
}

// checkEncoding refuses what lacks characters that a client_id may have: one such client would keep
// all others of its batch from being stored. SQL_ASCII takes all bytes as they come.
func checkEncoding(encoding string) error {
	if encoding != "UTF8" && encoding != "SQL_ASCII" {
		return errFinal{fmt.Errorf("the database's encoding is %s, which lacks characters that client_ids may have; "+
			"want one that was made with ENCODING 'UTF8'", encoding)}
	}
	return nil
}

// lockPoll is the time between two attempts to take the lock. Waiting for it in the server
// would run into our own timeouts there.
const lockPoll = 50 * time.Millisecond

// lock takes the advisory lock. It waits for another process until ctx ends.
func (s *Store) lock(ctx context.Context, c *session) error {
	return whileHeld(ctx, func() error { return s.tryLock(ctx, c) })
}

// whileHeld calls try again as long as another process holds what it wants, until ctx ends.
func whileHeld(ctx context.Context, try func() error) error {
	poll := time.NewTicker(lockPoll)
	defer poll.Stop()
	var held error
	for {
		err := try()
		if ctx.Err() != nil && held != nil {
			return held // this attempt's error is only that there was no time left
		}
		if !errors.Is(err, store.ErrHeld) {
			return err
		}
		held = err
		select {
		case <-poll.C:
		case <-ctx.Done():
			return held
		}
	}
}

// tryLock makes one attempt. An error that wraps store.ErrHeld names the holder of the lock. If
// that is a lost connection of this store, tryLock has told the server to end it.
func (s *Store) tryLock(ctx context.Context, c *session) error {
	got := false
	if err := c.conn.QueryRow(ctx, "SELECT pg_try_advisory_lock($1)", s.o.lockKey()).Scan(&got); err != nil || got {
		return wrapf(err, "take the lock")
	}
	owner, found, err := s.o.findLockOwner(ctx, c.conn)
	switch {
	case err != nil:
		return err
	case !found:
		return fmt.Errorf("%w: which has just let go", store.ErrHeld)
	case !s.isOwn(owner.backend):
		return s.heldBy(ctx, c, owner)
	}
	if _, err := c.conn.Exec(ctx, "SELECT pg_terminate_backend($1)", owner.pid); err != nil {
		return fmt.Errorf("end a lost connection of ours: %w", err)
	}
	return fmt.Errorf("%w: a lost connection of this one, PostgreSQL's process %d, which the server has yet to end", store.ErrHeld, owner.pid)
}

// heldBy is the error that names the holder of the schema. A writer that lost the schema while it
// was away is superseded as soon as another has raised the epoch.
func (s *Store) heldBy(ctx context.Context, c *session, owner lockOwner) error {
	w, err := readWriter(ctx, c.conn)
	if err != nil {
		return err
	}
	if s.claimed && w.instance != s.instance {
		return w.superseded()
	}
	return s.tell(fmt.Errorf("%w: %s, on PostgreSQL's process %d (%s)", store.ErrHeld, w.describe(), owner.pid, owner.application))
}

// tell logs, once, what a start waits for.
func (s *Store) tell(held error) error {
	if !s.told && !s.claimed {
		s.told = true
		s.o.Logger.Warn().Err(s.explain(held)).Stringer("connect_timeout", s.o.ConnectTimeout).Msg("waiting for the schema")
	}
	return held
}

func (s *Store) isOwn(b backend) bool {
	for _, own := range s.own {
		if own.pid == b.pid && own.start.Equal(b.start) {
			return true
		}
	}
	return false
}

// lockOwner is the server process that has the lock.
type lockOwner struct {
	backend
	application string
}

func (o Options) findLockOwner(ctx context.Context, conn querier) (owner lockOwner, found bool, err error) {
	var start *time.Time // hidden from other roles
	err = conn.QueryRow(ctx, `
		SELECT a.pid, a.backend_start, a.application_name
		FROM pg_locks l JOIN pg_stat_activity a USING (pid)
		WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
			AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
			AND (l.classid::bigint << 32) | l.objid::bigint = $1`, o.lockKey()).Scan(&owner.pid, &start, &owner.application)
	if errors.Is(err, pgx.ErrNoRows) {
		return lockOwner{}, false, nil
	}
	if start != nil {
		owner.start = *start
	}
	return owner, err == nil, wrapf(err, "see who has the lock")
}
