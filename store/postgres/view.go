package postgres

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"gopher-equalizer/limiter/lease"
)

// stateSQL reads buckets as they are, without a lock. The replicas come from rosterSQL, in the same
// transaction, which sees what was there at one moment.
const stateSQL = `
SELECT b.namespace, b.client_id, b.managed, coalesce(b.tier, ''), b.tokens, b.counted_at, coalesce(b.leases::text, ''),
	b.settings_id, coalesce(s.capacity, 0), coalesce(s.refill, ''), coalesce(s.kind, 0)
FROM @.buckets b LEFT JOIN @.settings s ON s.id = b.settings_id`

// seen is a row of stateSQL.
type seen struct {
	locked
	key      lease.Key
	settings settingsRow
	now      time.Time
}

// view is what a transaction that only reads sees.
type view struct {
	*Ledger
	roster
}

// see reads a row. Settings are parsed once.
func (v *view) see(row pgx.CollectableRow) (s seen, err error) {
	var column string
	err = row.Scan(&s.key.Namespace, &s.key.ClientID, &s.managed, &s.tier, &s.Tokens, &s.At, &column,
		&s.settings.id, &s.settings.capacity, &s.settings.refill, &s.settings.kind)
	if err != nil {
		return seen{}, fmt.Errorf("a row that can't be read: %w", err)
	}
	s.leases, err = leasesOf(s.key.ClientID, column)
	if err := cmp.Or(err, checkTokens(s.key.ClientID, s.Tokens)); err != nil {
		return seen{}, err
	}
	s.now = v.now
	s.shareOut(&v.roster, 0, 0)
	is, ok := v.known.settings(s.settings.id)
	if !ok && s.settings.refill == "" {
		return seen{}, fmt.Errorf("client %q: %w", s.key.ClientID, errNoSettings)
	}
	if !ok {
		if is, err = s.settings.parse(); err != nil {
			return seen{}, fmt.Errorf("client %q: %w", s.key.ClientID, err)
		}
		v.known.note(s.settings.id, is)
	}
	s.Settings = is
	return s, nil
}

// state is what a bucket has by now; false if there is none.
func (s *seen) state(numbers *lease.Numbers) (lease.State, bool) {
	s.earn(s.now, numbers)
	return s.locked.state(), s.exists()
}

// read runs statements that only read, in one transaction and one round trip. All of them see what
// was there at one moment.
func (l *Ledger) read(ctx context.Context, queue func(work *batch)) error {
	return l.call(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		work := l.goOn()
		work.beginAs(beginReadSQL)
		queue(work)
		work.Queue("COMMIT")
		return wrapf(work.send(ctx, conn), "read")
	})
}

// view queues a statement that reads the replicas, for stateSQL behind it.
func (b *batch) view(l *Ledger) *view {
	v := &view{Ledger: l}
	b.queue(rosterSQL).QueryRow(v.roster.read)
	return v
}

// Get implements lease.Ledger.
func (l *Ledger) Get(ctx context.Context, key lease.Key, numbers *lease.Numbers) (state lease.State, ok bool, err error) {
	err = l.read(ctx, func(work *batch) {
		ok = false
		v := work.view(l)
		work.queue(stateSQL+" WHERE b.namespace = $1 AND b.client_id = $2", int32(key.Namespace), key.ClientID).Query(func(rows pgx.Rows) error {
			s, err := pgx.CollectExactlyOneRow(rows, v.see)
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
	e := &each{view: view{Ledger: l}, namespace: namespace, numbers: numbers, yield: yield}
	err := l.call(ctx, e.run)
	if e.refused != nil {
		return e.refused
	}
	return err
}

// each is an Each in progress.
type each struct {
	view
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
	err := pgx.BeginTxFunc(ctx, conn, pgx.TxOptions{BeginQuery: beginReadSQL}, func(tx pgx.Tx) error {
		settings := e.o.transactSettings()
		for i := range settings {
			settings[i] = "0"
		}
		if _, err := tx.Exec(ctx, setSQL, settings...); err != nil {
			return err
		}
		if err := e.roster.read(tx.QueryRow(ctx, e.o.in(rosterSQL))); err != nil {
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
