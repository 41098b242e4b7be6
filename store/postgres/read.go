package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"gopher-equalizer/limiter"
	"gopher-equalizer/limiter/gcra"
	"gopher-equalizer/store"
)

const recordSQL = `
SELECT b.namespace, b.client_id, b.managed, coalesce(b.tier, ''), s.capacity, s.refill, s.kind, b.tokens,
	coalesce(b.reserved, 0), b.counted_at, coalesce(b.leases::text, '')
FROM buckets b LEFT JOIN settings s ON s.id = b.settings_id`

// Get implements limiter.Store.
func (s *Store) Get(ctx context.Context, key limiter.Key) (r limiter.Record, ok bool, err error) {
	err = s.call(ctx, func(ctx context.Context, c *session) error {
		rows, err := c.conn.Query(ctx, recordSQL+" WHERE b.namespace = $1 AND b.client_id = $2", int32(key.Namespace), key.ClientID)
		if err != nil {
			return wrapf(err, "read")
		}
		r, err = pgx.CollectExactlyOneRow(rows, c.replicas.toRecord)
		ok = err == nil
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		return wrapf(err, "read")
	})
	return r, ok, err
}

// Namespaces implements limiter.Store.
func (s *Store) Namespaces(ctx context.Context) (all []limiter.Namespace, err error) {
	err = s.call(ctx, func(ctx context.Context, c *session) error {
		rows, err := c.conn.Query(ctx, "SELECT id, limit_name, fingerprint, stopped, left_at, strict, renumbered FROM namespaces ORDER BY id")
		if err != nil {
			return wrapf(err, "read the namespaces")
		}
		all, err = pgx.CollectRows(rows, toNamespace)
		return wrapf(err, "read the namespaces")
	})
	return all, err
}

func toNamespace(row pgx.CollectableRow) (n limiter.Namespace, err error) {
	var stopped, left *time.Time
	var renumbered string
	if err = row.Scan(&n.ID, &n.LimitName, &n.Fingerprint, &stopped, &left, &n.Strict, &renumbered); err != nil {
		return n, err
	}
	n.Stopped, n.Left = orZero(stopped), orZero(left)
	return n, n.UnmarshalRenumbered([]byte(renumbered))
}

// orZero is the zero time for NULL.
func orZero(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.UTC()
}

// Load implements limiter.Store. It streams the rows, however many there are.
func (s *Store) Load(ctx context.Context, namespace uint32, yield func(limiter.Record) error) error {
	l := loading{namespace: namespace, yield: yield}
	err := s.call(ctx, l.load)
	if l.refused != nil {
		return l.refused
	}
	return err
}

// loading is a Load in progress.
type loading struct {
	namespace uint32
	yield     func(limiter.Record) error
	begun     bool  // whether yield was called
	broken    error // what went wrong after that
	refused   error // what yield returned
}

// load reads all rows in one statement. The server doesn't limit how long that takes, or how long
// yield takes once the server is done. After the first call of yield, load isn't retried: yield
// would get records twice.
func (l *loading) load(ctx context.Context, c *session) error {
	if l.begun {
		return l.broken
	}
	err := pgx.BeginTxFunc(ctx, c.conn, pgx.TxOptions{AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0"); err != nil {
			return err
		}
		rows, err := tx.Query(ctx, recordSQL+" WHERE b.namespace = $1", int32(l.namespace))
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			if err := l.row(rows, &c.replicas); err != nil {
				c.abandon() // otherwise the remaining rows would be read first
				return err
			}
		}
		return rows.Err()
	})
	l.broken = wrapf(err, "read")
	return l.broken
}

func (l *loading) row(rows pgx.Rows, replicas *roster) error {
	r, err := replicas.toRecord(rows)
	if err != nil {
		return err
	}
	l.begun = true
	l.refused = l.yield(r)
	return l.refused
}

// toRecord reads a row of recordSQL. What replicas held of it counts as spent, as they are dead.
// Errors name the client.
func (r *roster) toRecord(row pgx.CollectableRow) (limiter.Record, error) {
	var (
		record   limiter.Record
		capacity *int64
		refill   *string
		kind     *limiter.Kind
		b        locked
		column   string
	)
	err := row.Scan(&record.Namespace, &record.ClientID, &record.Managed, &record.Tier, &capacity, &refill, &kind, &b.Tokens,
		&record.Reserved, &b.At, &column)
	if err != nil {
		return limiter.Record{}, fmt.Errorf("a row that can't be read: %w", err)
	}
	if capacity == nil || refill == nil || kind == nil {
		return limiter.Record{}, wrapf(errNoSettings, "client %q", record.ClientID)
	}
	parsed, err := gcra.ParseRefill(*refill)
	if err != nil {
		return limiter.Record{}, fmt.Errorf("client %q: %w", record.ClientID, err)
	}
	b.Settings = gcra.Settings{Capacity: *capacity, Refill: parsed}
	if b.leases, err = leasesOf(record.ClientID, column); err != nil {
		return limiter.Record{}, err
	}
	if b.shareOut(r, 0, 0); b.Dead > 0 {
		b.Earn(b.DiedAt)
	}
	record.Settings, record.Kind, record.Tokens, record.At = b.Settings, *kind, b.Tokens, b.At.UTC()
	if err := store.Check(record); err != nil {
		return limiter.Record{}, err
	}
	return record, nil
}
