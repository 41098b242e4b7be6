package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"gopher-equalizer/limiter"
	"gopher-equalizer/store"
)

// The statements of a write. The first holds the epoch until the end of the transaction, and
// finds nothing if it isn't ours any more.
const (
	fenceSQL = `SELECT FROM writer WHERE epoch = $1 FOR SHARE`

	putSQL = `
INSERT INTO buckets (client_id, managed, settings_id, tokens, counted_at, reserved)
SELECT * FROM unnest($1::text[], $2::boolean[], $3::integer[], $4::double precision[], $5::timestamptz[], $6::double precision[])
ON CONFLICT (client_id) DO UPDATE SET managed = excluded.managed, settings_id = excluded.settings_id,
	tokens = excluded.tokens, counted_at = excluded.counted_at, reserved = excluded.reserved`

	stoppedSQL = `UPDATE writer SET stopped = $1::timestamptz WHERE stopped IS DISTINCT FROM $1::timestamptz`

	deleteSQL = `DELETE FROM buckets WHERE client_id = ANY ($1::text[])`
)

// Write implements limiter.Store. It takes two round trips: all that is to be done, whose
// failure is certain to leave nothing, and the COMMIT.
func (s *Store) Write(ctx context.Context, batch limiter.Batch) error {
	return s.call(ctx, func(ctx context.Context, c *session) error {
		for {
			err := c.write(ctx, batch)
			if !isRetryable(err) || ctx.Err() != nil {
				return wrapf(err, "write")
			}
		}
	})
}

func (c *session) write(ctx context.Context, batch limiter.Batch) error {
	if len(batch.Puts)+len(batch.Deletes) == 0 && c.says(batch.Stopped) {
		return nil
	}
	if err := c.intern(ctx, batch.Puts); err != nil {
		return err
	}
	work := &pgx.Batch{}
	work.BeginTx(pgx.TxOptions{IsoLevel: pgx.ReadCommitted, AccessMode: pgx.ReadWrite})
	work.Queue(fenceSQL, c.epoch).Exec(func(tag pgconn.CommandTag) error {
		if tag.RowsAffected() == 0 {
			return store.ErrSuperseded
		}
		return nil
	})
	if len(batch.Puts) > 0 {
		work.Queue(putSQL, c.columns(batch.Puts)...)
	}
	if len(batch.Deletes) > 0 {
		work.Queue(deleteSQL, batch.Deletes)
	}
	if !c.says(batch.Stopped) {
		work.Queue(stoppedSQL, orNull(batch.Stopped))
	}
	results := c.conn.SendBatch(ctx, work)
	tx := results.Tx()
	if err := results.Close(); err != nil {
		_ = tx.Rollback(ctx) // closes the connection if it can't
		return c.whoInstead(ctx, err)
	}
	if err := context.Cause(ctx); err != nil { // the last moment to be certain
		_ = tx.Rollback(ctx)
		return err
	}
	err := commitError(tx.Commit(ctx))
	if err == nil {
		c.stopped = &batch.Stopped
	}
	return err
}

// says reports whether it is known that the store says so of its last writer.
func (c *session) says(stopped time.Time) bool { return c.stopped != nil && c.stopped.Equal(stopped) }

// orNull is NULL for the zero time.
func orNull(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// columns are the records as the arrays of putSQL.
func (c *session) columns(puts []limiter.Record) []any {
	var (
		clientIDs = make([]string, len(puts))
		managed   = make([]bool, len(puts))
		settings  = make([]int32, len(puts))
		tokens    = make([]float64, len(puts))
		countedAt = make([]time.Time, len(puts))
		reserved  = make([]*float64, len(puts))
	)
	for i, r := range puts {
		clientIDs[i], managed[i], settings[i] = r.ClientID, r.Managed, c.settings[r.Settings]
		tokens[i], countedAt[i] = r.Tokens, r.At
		if r.Reserved != 0 {
			reserved[i] = &puts[i].Reserved
		}
	}
	return []any{clientIDs, managed, settings, tokens, countedAt, reserved}
}

// whoInstead adds to the error of a writer that was superseded who took its place.
func (c *session) whoInstead(ctx context.Context, err error) error {
	if !errors.Is(err, store.ErrSuperseded) {
		return err
	}
	w, readErr := readWriter(ctx, c.conn)
	if readErr != nil {
		return err
	}
	return w.superseded()
}

// commitError tells what the error of a COMMIT means. Only a server that says that it rolled
// back leaves no doubt. (pgconn.SafeToRetry is no help: it says of a COMMIT whose answer
// was cut off that it was never sent.)
func commitError(err error) error {
	var refused *pgconn.PgError
	switch {
	case err == nil, errors.Is(err, pgx.ErrTxCommitRollback):
		return err
	case errors.As(err, &refused) && rolledBack(refused):
		return err
	}
	return fmt.Errorf("%w: %w", limiter.ErrInDoubt, err)
}

// rolledBack says whether a server's error to a COMMIT is its word that it did not commit: it
// goes on with the session, and does not say that it doesn't know itself.
func rolledBack(err *pgconn.PgError) bool {
	severity := err.SeverityUnlocalized
	if severity == "" {
		severity = err.Severity
	}
	return severity == "ERROR" && err.Code != completionUnknown && class(err.Code) != connectionClass
}
