package postgres

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/jackc/pgx/v5"

	"gopher-equalizer/limiter"
	"gopher-equalizer/limiter/gcra"
)

// known are the rows of settings that a Ledger has seen. Rows of that table never change.
type known struct {
	mu   *sync.Mutex
	ids  map[gcra.Settings]int32
	byID map[int32]gcra.Settings
}

func newKnown() known {
	return known{&sync.Mutex{}, map[gcra.Settings]int32{}, map[int32]gcra.Settings{}}
}

func (k *known) note(id int32, s gcra.Settings) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.ids[s], k.byID[id] = id, s
}

func (k *known) id(s gcra.Settings) (id int32, ok bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	id, ok = k.ids[s]
	return id, ok
}

func (k *known) settings(id int32) (s gcra.Settings, ok bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	s, ok = k.byID[id]
	return s, ok
}

const (
	addSettingsSQL = `INSERT INTO @.settings (capacity, refill, kind) VALUES ($1, $2, 0) ON CONFLICT DO NOTHING`
	settingsIDSQL  = `SELECT id FROM @.settings WHERE capacity = $1 AND refill = $2 AND kind = 0`
	settingsSQL    = `SELECT id, capacity, refill, kind FROM @.settings WHERE id = ANY ($1::integer[])`
)

// intern gets an id for each of the settings. It isn't part of the transaction that needs them.
func (l *Ledger) intern(ctx context.Context, conn *pgx.Conn, all map[gcra.Settings]bool) error {
	for s := range all {
		if _, ok := l.known.id(s); ok {
			continue
		}
		if _, err := conn.Exec(ctx, l.o.in(addSettingsSQL), s.Capacity, s.Refill.String()); err != nil {
			return wrapf(err, "store the settings")
		}
		var id int32
		if err := conn.QueryRow(ctx, l.o.in(settingsIDSQL), s.Capacity, s.Refill.String()).Scan(&id); err != nil {
			return wrapf(err, "read the settings")
		}
		l.known.note(id, s)
	}
	return nil
}

// learn reads the settings that aren't known yet. bad are those that can't be read, by their ids.
func (l *Ledger) learn(ctx context.Context, conn *pgx.Conn, ids map[int32]bool) (bad map[int32]error, err error) {
	maps.DeleteFunc(ids, func(id int32, _ bool) bool { _, ok := l.known.settings(id); return ok })
	if len(ids) == 0 {
		return nil, nil
	}
	rows, err := conn.Query(ctx, l.o.in(settingsSQL), slices.Collect(maps.Keys(ids)))
	if err != nil {
		return nil, wrapf(err, "read the settings")
	}
	bad = map[int32]error{}
	var r settingsRow
	_, err = pgx.ForEachRow(rows, []any{&r.id, &r.capacity, &r.refill, &r.kind}, func() error {
		s, err := r.parse()
		if err == nil {
			l.known.note(r.id, s)
		} else {
			bad[r.id] = err
		}
		return nil
	})
	return bad, wrapf(err, "read the settings")
}

// settingsRow is a row of that table.
type settingsRow struct {
	id       int32
	capacity int64
	refill   string
	kind     limiter.Kind
}

func (r *settingsRow) parse() (gcra.Settings, error) {
	if r.kind != limiter.Rate {
		return gcra.Settings{}, fmt.Errorf("settings %d are of kind %d, which replicas can't share; want a rate", r.id, r.kind)
	}
	refill, err := gcra.ParseRefill(r.refill)
	if err != nil {
		return gcra.Settings{}, fmt.Errorf("settings %d: %w", r.id, err)
	}
	s := gcra.Settings{Capacity: r.capacity, Refill: refill}
	return s, s.Validate()
}
