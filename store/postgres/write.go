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
MERGE INTO buckets b USING unnest($1::text[], $2::double precision[], $3::timestamptz[], $4::boolean[], $5::integer[],
	$6::double precision[], $7::integer[], $8::text[])
	AS put (client_id, tokens, counted_at, managed, settings_id, reserved, namespace, tier)` + mergeSQL

	putAlikeSQL = `
MERGE INTO buckets b USING (
	SELECT client_id, tokens, counted_at, $4::boolean AS managed, $5::integer AS settings_id,
		$6::double precision AS reserved, $7::integer AS namespace, $8::text AS tier
	FROM unnest($1::text[], $2::double precision[], $3::timestamptz[]) AS u (client_id, tokens, counted_at)) AS put` + mergeSQL

	mergeSQL = `
ON b.namespace = put.namespace AND b.client_id = put.client_id
WHEN MATCHED THEN UPDATE SET managed = put.managed, settings_id = put.settings_id,
	tokens = put.tokens, counted_at = put.counted_at, reserved = put.reserved, tier = put.tier, leases = NULL
WHEN NOT MATCHED THEN INSERT (client_id, managed, settings_id, tokens, counted_at, reserved, namespace, tier)
	VALUES (put.client_id, put.managed, put.settings_id, put.tokens, put.counted_at, put.reserved, put.namespace, put.tier)`

	namespaceSQL = `
INSERT INTO namespaces (id, limit_name, fingerprint, stopped, left_at, strict, renumbered)
	VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (id) DO UPDATE SET limit_name = $2, fingerprint = $3, stopped = $4, left_at = $5, strict = $6, renumbered = $7`

	deleteSQL = `
DELETE FROM buckets b USING unnest($1::integer[], $2::text[]) AS gone (namespace, client_id)
WHERE b.namespace = gone.namespace AND b.client_id = gone.client_id`
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
	for _, n := range batch.Namespaces {
		renumbered, err := n.MarshalRenumbered()
		if err != nil {
			return err
		}
		work.Queue(namespaceSQL, int32(n.ID), n.LimitName, n.Fingerprint, orNull(n.Stopped), orNull(n.Left), n.Strict, string(renumbered))
	}
	if len(batch.Puts) > 0 {
		c.queuePuts(work, batch.Puts)
	}
	if len(batch.Deletes) > 0 {
		queueDeletes(work, batch.Deletes)
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
	return commitError(tx.Commit(ctx))
}

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
	for i := range puts {
		r := &puts[i]
		clientIDs[i], tokens[i], countedAt[i] = r.ClientID, r.Tokens, r.At
		alike = alike && isAlike(r, &first)
	}
	if alike {
		work.Queue(putAlikeSQL, clientIDs, tokens, countedAt, first.Managed, c.settings[settingsOf(&first)], reservedOf(&first),
			int32(first.Namespace), tierOf(&first))
		return
	}
	managed, settings, reserved := make([]bool, len(puts)), make([]int32, len(puts)), make([]*float64, len(puts))
	namespaces, tiers := make([]int32, len(puts)), make([]*string, len(puts))
	for i := range puts {
		r := &puts[i]
		managed[i], settings[i], reserved[i] = r.Managed, c.settings[settingsOf(r)], reservedOf(r)
		namespaces[i], tiers[i] = int32(r.Namespace), tierOf(r)
	}
	work.Queue(putSQL, clientIDs, tokens, countedAt, managed, settings, reserved, namespaces, tiers)
}

// isAlike reports whether two records differ only in what putAlikeSQL has an array for.
func isAlike(r, other *limiter.Record) bool {
	return r.Namespace == other.Namespace && r.Kind == other.Kind && r.Managed == other.Managed && r.Tier == other.Tier &&
		r.Settings == other.Settings && r.Reserved == other.Reserved
}

func queueDeletes(work *pgx.Batch, deletes []limiter.Key) {
	namespaces, clientIDs := make([]int32, len(deletes)), make([]string, len(deletes))
	for i, key := range deletes {
		namespaces[i], clientIDs[i] = int32(key.Namespace), key.ClientID
	}
	work.Queue(deleteSQL, namespaces, clientIDs)
}

// reservedOf is NULL if nothing is reserved.
func reservedOf(r *limiter.Record) *float64 {
	if r.Reserved == 0 {
		return nil
	}
	return &r.Reserved
}

// tierOf is NULL if there is none.
func tierOf(r *limiter.Record) *string {
	if r.Tier == "" {
		return nil
	}
	return &r.Tier
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

// commitError wraps the error of a COMMIT of the store.
func commitError(err error) error { return outcome(err, limiter.ErrInDoubt) }

// outcome is the error of a COMMIT. It wraps doubt unless the server reported a rollback.
// pgconn.SafeToRetry doesn't help: if the response to a COMMIT was cut off, it reports that the
// COMMIT was never sent.
func outcome(err, doubt error) error {
	var refused *pgconn.PgError
	switch {
	case err == nil, errors.Is(err, pgx.ErrTxCommitRollback):
		return err
	case errors.As(err, &refused) && rolledBack(refused):
		return err
	}
	return fmt.Errorf("%w: %w", doubt, err)
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
