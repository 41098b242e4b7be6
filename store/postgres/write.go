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

// The statements of a write. The first one locks the epoch until the end of the transaction. It
// finds no row if another writer has raised the epoch.
const (
	fenceSQL = `SELECT FROM writer WHERE epoch = $1 FOR SHARE`

	// A MERGE suffices, since there is one writer. An INSERT ... ON CONFLICT would lock each row
	// before it changes it, which costs half again as much WAL. In most batches all buckets have
	// the same settings, which are then sent once.
	putSQL = `
MERGE INTO buckets b USING unnest($1::text[], $2::double precision[], $3::timestamptz[], $4::boolean[], $5::integer[], $6::double precision[])
	AS put (client_id, tokens, counted_at, managed, settings_id, reserved)` + mergeSQL

	putAlikeSQL = `
MERGE INTO buckets b USING (
	SELECT client_id, tokens, counted_at, $4::boolean AS managed, $5::integer AS settings_id, $6::double precision AS reserved
	FROM unnest($1::text[], $2::double precision[], $3::timestamptz[]) AS u (client_id, tokens, counted_at)) AS put` + mergeSQL

	mergeSQL = `
ON b.client_id = put.client_id
WHEN MATCHED THEN UPDATE SET managed = put.managed, settings_id = put.settings_id,
	tokens = put.tokens, counted_at = put.counted_at, reserved = put.reserved
WHEN NOT MATCHED THEN INSERT (client_id, managed, settings_id, tokens, counted_at, reserved)
	VALUES (put.client_id, put.managed, put.settings_id, put.tokens, put.counted_at, put.reserved)`

	stoppedSQL = `UPDATE writer SET stopped = $1::timestamptz WHERE stopped IS DISTINCT FROM $1::timestamptz`

	deleteSQL = `DELETE FROM buckets WHERE client_id = ANY ($1::text[])`
)

// Write implements limiter.Store. It takes two round trips. The first has all statements, and if it
// fails, nothing is stored. The second is the COMMIT.
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
		c.queuePuts(work, batch.Puts)
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
	if err := context.Cause(ctx); err != nil { // from here on the write may be in doubt
		_ = tx.Rollback(ctx)
		return err
	}
	err := commitError(tx.Commit(ctx))
	if err == nil {
		c.stopped = &batch.Stopped
	}
	return err
}

// says reports whether the store is known to have this note about its last writer.
func (c *session) says(stopped time.Time) bool { return c.stopped != nil && c.stopped.Equal(stopped) }

// orNull is NULL for the zero time.
func orNull(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// queuePuts queues putSQL, or putAlikeSQL if that suffices, with the records as arrays.
func (c *session) queuePuts(work *pgx.Batch, puts []limiter.Record) {
	clientIDs, tokens, countedAt := make([]string, len(puts)), make([]float64, len(puts)), make([]time.Time, len(puts))
	first, alike := puts[0], true
	for i, r := range puts {
		clientIDs[i], tokens[i], countedAt[i] = r.ClientID, r.Tokens, r.At
		alike = alike && r.Managed == first.Managed && r.Settings == first.Settings && r.Reserved == first.Reserved
	}
	if alike {
		work.Queue(putAlikeSQL, clientIDs, tokens, countedAt, first.Managed, c.settings[first.Settings], reservedOf(&first))
		return
	}
	managed, settings, reserved := make([]bool, len(puts)), make([]int32, len(puts)), make([]*float64, len(puts))
	for i, r := range puts {
		managed[i], settings[i], reserved[i] = r.Managed, c.settings[r.Settings], reservedOf(&puts[i])
	}
	work.Queue(putSQL, clientIDs, tokens, countedAt, managed, settings, reserved)
}

// reservedOf is NULL if nothing is reserved.
func reservedOf(r *limiter.Record) *float64 {
	if r.Reserved == 0 {
		return nil
	}
	return &r.Reserved
}

// whoInstead adds the name of the new writer to the error of a superseded one.
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

// commitError wraps the error of a COMMIT. It is in doubt unless the server reported a rollback.
// pgconn.SafeToRetry doesn't help: if the response to a COMMIT was cut off, it reports that the
// COMMIT was never sent.
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

// rolledBack reports whether a server's error to a COMMIT means that it did not commit: the server
// keeps the session, and the error isn't that the outcome is unknown.
func rolledBack(err *pgconn.PgError) bool {
	severity := err.SeverityUnlocalized
	if severity == "" {
		severity = err.Severity
	}
	return severity == "ERROR" && err.Code != completionUnknown && class(err.Code) != connectionClass
}
