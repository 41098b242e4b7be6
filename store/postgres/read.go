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
SELECT b.client_id, b.managed, s.capacity, s.refill, b.tokens, coalesce(b.reserved, 0), b.counted_at
FROM buckets b LEFT JOIN settings s ON s.id = b.settings_id`

// Get implements limiter.Store.
func (s *Store) Get(ctx context.Context, clientID string) (r limiter.Record, ok bool, err error) {
	err = s.call(ctx, func(ctx context.Context, c *session) error {
		rows, err := c.conn.Query(ctx, recordSQL+" WHERE b.client_id = $1", clientID)
		if err != nil {
			return wrapf(err, "read")
		}
		r, err = pgx.CollectExactlyOneRow(rows, toRecord)
		ok = err == nil
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		return wrapf(err, "read")
	})
	return r, ok, err
}

// Stopped implements limiter.Store.
func (s *Store) Stopped(ctx context.Context) (stopped time.Time, err error) {
	err = s.call(ctx, func(ctx context.Context, c *session) error {
		var at *time.Time
		if err := c.conn.QueryRow(ctx, "SELECT stopped FROM writer").Scan(&at); err != nil {
			return wrapf(err, "read how the last writer ended")
		}
		if at != nil {
			stopped = at.UTC()
		}
		return nil
	})
	return stopped, err
}

// Load implements limiter.Store. It streams the rows, however many there are.
func (s *Store) Load(ctx context.Context, yield func(limiter.Record) error) error {
	l := loading{yield: yield}
	err := s.call(ctx, l.load)
	if l.refused != nil {
		return l.refused
	}
	return err
}

// loading is a Load in progress.
type loading struct {
	yield   func(limiter.Record) error
	begun   bool  // whether yield was called
	broken  error // what went wrong after that
	refused error // what yield returned
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
		rows, err := tx.Query(ctx, recordSQL)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			if err := l.row(rows); err != nil {
				c.abandon() // otherwise the remaining rows would be read first
				return err
			}
		}
		return rows.Err()
	})
	l.broken = wrapf(err, "read")
	return l.broken
}

func (l *loading) row(rows pgx.Rows) error {
	r, err := toRecord(rows)
	if err != nil {
		return err
	}
	l.begun = true
	l.refused = l.yield(r)
	return l.refused
}

// toRecord reads a row of recordSQL. Errors name the client.
func toRecord(row pgx.CollectableRow) (limiter.Record, error) {
	var (
		r        limiter.Record
		capacity *int64
		refill   *string
		at       time.Time
	)
	if err := row.Scan(&r.ClientID, &r.Managed, &capacity, &refill, &r.Tokens, &r.Reserved, &at); err != nil {
		return limiter.Record{}, fmt.Errorf("a row that can't be read: %w", err)
	}
	if capacity == nil || refill == nil {
		return limiter.Record{}, fmt.Errorf("client %q: its row of settings is gone", r.ClientID)
	}
	parsed, err := gcra.ParseRefill(*refill)
	if err != nil {
		return limiter.Record{}, fmt.Errorf("client %q: %w", r.ClientID, err)
	}
	r.Settings = gcra.Settings{Capacity: *capacity, Refill: parsed}
	r.At = at.UTC()
	if err := store.Check(r); err != nil {
		return limiter.Record{}, err
	}
	return r, nil
}
