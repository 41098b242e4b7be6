package postgres

import (
	"context"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
)

// The settings of a transaction. Rows are found by an index, however many keys there are, and
// however few rows the server believes that there are. A process that was stopped between two
// batches must not keep others waiting for long. Values come as text, in one format.
const (
	beginSQL     = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE"
	beginReadSQL = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
	setSQL       = `SELECT set_config('statement_timeout', $1, true), set_config('lock_timeout', $1, true),
		set_config('idle_in_transaction_session_timeout', $2, true),
		set_config('enable_hashjoin', 'off', true), set_config('enable_mergejoin', 'off', true),
		set_config('enable_seqscan', 'off', true),
		set_config('datestyle', 'ISO', true), set_config('extra_float_digits', '1', true),
		set_config('synchronous_commit', CASE current_setting('synchronous_commit') WHEN 'off' THEN 'on'
			ELSE current_setting('synchronous_commit') END, true)`
)

// longestPause is how long a process may pause within a transaction.
const longestPause = time.Second

// transactSettings are the arguments of setSQL.
func (o Options) transactSettings() []any {
	text := func(d time.Duration) string { return strconv.FormatInt(max(1, d.Milliseconds()), 10) }
	return []any{text(o.Timeout), text(min(o.Timeout, longestPause))}
}

// batch is a transaction, or a part of one, whose statements are sent together. It is one message,
// which the server has as a whole before it begins. If a batch of several messages stopped in the
// middle, the server would keep its locks: none of its timeouts is about that.
type batch struct {
	pgx.Batch
	of *pool
}

// begin returns a batch that begins a transaction.
func (p *pool) begin() *batch {
	b := p.goOn()
	b.begin()
	return b
}

// goOn returns a batch for a transaction that has begun.
func (p *pool) goOn() *batch { return &batch{of: p} }

func (b *batch) begin() { b.beginAs(beginSQL) }

func (b *batch) beginAs(begin string) {
	b.Queue(begin)
	b.Queue(setSQL, b.of.o.transactSettings()...)
}

// queue adds a statement that has tables as @.NAME.
func (b *batch) queue(statement string, args ...any) *pgx.QueuedQuery {
	return b.Queue(b.of.o.in(statement), args...)
}

// send sends a batch that leaves its transaction open. If it fails, the transaction is over.
func (b *batch) send(ctx context.Context, conn *pgx.Conn) error {
	err := conn.SendBatch(ctx, &b.Batch).Close()
	if err != nil {
		rollBack(ctx, conn)
	}
	return err
}

// rollBack ends a transaction, or the connection.
func rollBack(ctx context.Context, conn *pgx.Conn) {
	if _, err := conn.Exec(ctx, "ROLLBACK"); err != nil {
		abandon(conn)
	}
}

// commit sends a batch whose last statement is the COMMIT. A statement that fails keeps the server
// from what comes behind it.
func (b *batch) commit(ctx context.Context, conn *pgx.Conn) error {
	b.Queue("COMMIT")
	if err := context.Cause(ctx); err != nil { // from here on it may be in doubt
		rollBack(ctx, conn)
		return err
	}
	err := outcome(conn.SendBatch(ctx, &b.Batch).Close(), b.of.doubt)
	if err != nil && !isInDoubt(err) {
		rollBack(ctx, conn)
	}
	return err
}
