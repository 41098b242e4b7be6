package postgres

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/jackc/pgx/v5"

	"gopher-equalizer/limiter/lease"
	"gopher-equalizer/store"
)

// Ledger is a lease.Ledger in a schema that several processes share. It has the tables of a Store,
// and one of replicas. What these hold of a bucket is in the bucket's row (leases.go).
//
// Nothing here belongs to a session, so a connection pooler may give each transaction to another
// server process: a transaction brings its settings, tables have the schema's name before theirs,
// and no statement has a name in the server. Nobody takes advisory locks.
//
// Who changes a bucket, or a lease of it, holds a lock on the row. It reads who the replicas are in
// a statement of its own behind that, which sees all whose leases the row has. Replicas expel each
// other by died_at, which a replica's round keeps them from while it lasts.
type Ledger struct {
	pool
	known  known
	doubts doubts
	ready  atomic.Bool // whether the tables are there
}

// ledgerCalls is how many calls run at once, each with a connection of its own. A round makes one
// after the other. No connection is kept for it, so it waits where operators' calls have them all.
const ledgerCalls = 4

// NewLedger returns a ledger that connects when it is first used. Its errors are about the options.
func NewLedger(o Options) (*Ledger, error) {
	if err := o.check(); err != nil {
		return nil, o.explain(err)
	}
	return &Ledger{pool: newPool(o, ledgerCalls, lease.ErrInDoubt), known: newKnown()}, nil
}

var _ lease.Ledger = (*Ledger)(nil)

// Connect returns once the tables are there, and replicas have the schema. It retries for up to
// Options.ConnectTimeout, unless IsFinal reports that this can't help. An error that wraps
// store.ErrHeld names a process that doesn't share the schema.
func (l *Ledger) Connect(ctx context.Context) error {
	return l.o.keepTrying(ctx, func(ctx context.Context) error {
		return whileHeld(ctx, func() error {
			return l.call(ctx, func(context.Context, *pgx.Conn) error { return nil })
		})
	})
}

// Close ends the calls under way, and the connections. It fails only if a call doesn't end.
func (l *Ledger) Close() error { return l.close() }

// call lets f use a connection of a schema that is the replicas', after what is in doubt.
func (l *Ledger) call(ctx context.Context, f func(ctx context.Context, conn *pgx.Conn) error) error {
	return l.pool.call(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		if !l.ready.Load() {
			if err := l.prepare(ctx, conn); err != nil {
				return err
			}
			l.ready.Store(true)
		}
		if err := l.doubts.outwait(ctx, conn); err != nil {
			return err
		}
		return f(ctx, conn)
	})
}

// prepare brings the schema up to date, and makes it the replicas'.
func (l *Ledger) prepare(ctx context.Context, conn *pgx.Conn) error {
	if err := checkServer(ctx, conn); err != nil {
		return err
	}
	if err := (migration{conn: conn, o: l.o, guard: l.guard}).migrate(ctx); err != nil {
		return err
	}
	return l.sharing(ctx, conn, func(pgx.Tx) error { return nil })
}

// guard refuses to change tables that a process works with which doesn't share them.
func (l *Ledger) guard(ctx context.Context, tx querier) error {
	owner, found, err := l.o.findLockOwner(ctx, tx)
	if err != nil || !found {
		return err
	}
	return fmt.Errorf("%w: one that doesn't share it, on PostgreSQL's process %d (%s)", store.ErrHeld, owner.pid, owner.application)
}

// sharing calls f with a transaction in which the schema is the replicas', and commits it. No other
// call of sharing runs meanwhile, in any process.
func (l *Ledger) sharing(ctx context.Context, conn *pgx.Conn, f func(tx pgx.Tx) error) error {
	tx, err := conn.BeginTx(ctx, pgx.TxOptions{BeginQuery: beginSQL})
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, setSQL, l.o.transactSettings()...)
	if err == nil {
		err = l.share(ctx, tx)
	}
	if err == nil {
		err = f(tx)
	}
	if err == nil {
		err = context.Cause(ctx) // from here on it may be in doubt
	}
	if err != nil {
		_ = tx.Rollback(ctx) // closes the connection if it can't
		return err
	}
	err = outcome(tx.Commit(ctx), lease.ErrInDoubt)
	l.doubts.note(err, l.waitFor(lockWriterSQL))
	return err
}

// fence fails if the schema isn't the replicas' any more, and keeps it theirs until the end of the
// transaction.
func (b *batch) fence() {
	b.queue("SELECT FROM @.writer WHERE shared FOR SHARE").QueryRow(func(row pgx.Row) error {
		err := row.Scan()
		if errors.Is(err, pgx.ErrNoRows) {
			return errNotShared
		}
		return err
	})
}

var errNotShared = fmt.Errorf("%w: one that doesn't share the schema has taken it", store.ErrHeld)
