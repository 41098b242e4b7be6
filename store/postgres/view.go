package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"gopher-equalizer/limiter/lease"
)

// stateSQL reads buckets as they are, without a lock.
const stateSQL = `
SELECT b.namespace, b.client_id, b.managed, coalesce(b.tier, ''), b.tokens, b.counted_at,
	b.settings_id, coalesce(s.capacity, 0), coalesce(s.refill, ''), coalesce(s.kind, 0),
	coalesce(l.held, 0)::bigint, coalesce(l.dead, 0)::bigint, coalesce(l.died_at, 'epoch'), coalesce(l.ends, 0), clock_timestamp()
FROM @.buckets b LEFT JOIN @.settings s ON s.id = b.settings_id LEFT JOIN LATERAL (
	SELECT sum(l.held) FILTER (WHERE r.died_at IS NULL) AS held, sum(l.held) FILTER (WHERE r.died_at IS NOT NULL) AS dead,
		max(r.died_at) AS died_at, count(r.died_at) AS ends
	FROM @.leases l JOIN @.replicas r ON r.id = l.replica
	WHERE l.namespace = b.namespace AND l.client_id = b.client_id) l ON true`

// seen is a row of stateSQL.
type seen struct {
	locked
	key      lease.Key
	settings settingsRow
	ends     int64 // how many leases are of replicas that are dead
	now      time.Time
}

// see reads a row. Settings are parsed once.
func (l *Ledger) see(row pgx.CollectableRow) (s seen, err error) {
	err = row.Scan(&s.key.Namespace, &s.key.ClientID, &s.managed, &s.tier, &s.Tokens, &s.At,
		&s.settings.id, &s.settings.capacity, &s.settings.refill, &s.settings.kind,
		&s.Others, &s.Dead, &s.DiedAt, &s.ends, &s.now)
	if err != nil {
		return seen{}, fmt.Errorf("a row that can't be read: %w", err)
	}
	if err := checkTokens(s.key.ClientID, s.Tokens); err != nil {
		return seen{}, err
	}
	is, ok := l.known.settings(s.settings.id)
	if !ok && s.settings.refill == "" {
		return seen{}, errNoSettings(s.key.ClientID)
	}
	if !ok {
		if is, err = s.settings.parse(); err != nil {
			return seen{}, fmt.Errorf("client %q: %w", s.key.ClientID, err)
		}
		l.known.note(s.settings.id, is)
	}
	s.Settings = is
	return s, nil
}

// state is what a bucket has by now; false if there is none.
func (s *seen) state(numbers *lease.Numbers) (lease.State, bool) {
	s.earn(s.now, numbers)
	return s.locked.state(), s.exists()
}

// read runs statements that only read, in one transaction and one round trip.
func (l *Ledger) read(ctx context.Context, queue func(work *batch)) error {
	return l.call(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		work := l.begin()
		queue(work)
		work.Queue("COMMIT")
		return wrapf(work.send(ctx, conn), "read")
	})
}

// Get implements lease.Ledger.
func (l *Ledger) Get(ctx context.Context, key lease.Key, numbers *lease.Numbers) (state lease.State, ok bool, err error) {
	err = l.read(ctx, func(work *batch) {
		ok = false
		work.queue(stateSQL+" WHERE b.namespace = $1 AND b.client_id = $2", int32(key.Namespace), key.ClientID).Query(func(rows pgx.Rows) error {
			s, err := pgx.CollectExactlyOneRow(rows, l.see)
			if errors.Is(err, pgx.ErrNoRows) {
				return nil
			}
			if err == nil {
				state, ok = s.state(numbers)
			}
			return err
		})
	})
	if err != nil || !ok {
		return lease.State{}, false, err
	}
	return state, true, nil
}

// Each implements lease.Ledger. It streams the rows, however many there are. The server limits
// neither how long that takes nor how long yield does.
func (l *Ledger) Each(
	ctx context.Context, namespace uint32, numbers *lease.Numbers, yield func(clientID string, s lease.State) error,
) error {
	e := &each{Ledger: l, namespace: namespace, numbers: numbers, yield: yield}
	err := l.call(ctx, e.run)
	if e.refused != nil {
		return e.refused
	}
	return err
}

// each is an Each in progress.
type each struct {
	*Ledger
	namespace uint32
	numbers   *lease.Numbers
	yield     func(clientID string, s lease.State) error
	begun     bool  // whether yield was called
	broken    error // what went wrong after that
	refused   error // what yield returned
}

// run isn't tried again after the first call of yield, which would get buckets twice.
func (e *each) run(ctx context.Context, conn *pgx.Conn) error {
	if e.begun {
		return e.broken
	}
	err := pgx.BeginTxFunc(ctx, conn, pgx.TxOptions{AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		settings := e.o.transactSettings()
		for i := range settings {
			settings[i] = "0"
		}
		if _, err := tx.Exec(ctx, setSQL, settings...); err != nil {
			return err
		}
		rows, err := tx.Query(ctx, e.o.in(stateSQL+" WHERE b.namespace = $1"), int32(e.namespace))
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			if err := e.row(rows); err != nil {
				abandon(conn) // otherwise the remaining rows would be read first
				return err
			}
		}
		return rows.Err()
	})
	e.broken = wrapf(err, "read")
	return e.broken
}

func (e *each) row(rows pgx.Rows) error {
	s, err := e.see(rows)
	if err != nil {
		return err
	}
	if state, ok := s.state(e.numbers); ok {
		e.begun = true
		e.refused = e.yield(s.key.ClientID, state)
	}
	return e.refused
}
