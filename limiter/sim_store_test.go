//go:build simulation

package limiter

import (
	"context"
	"errors"
	"maps"
	"slices"

	"gopher-equalizer/limiter/gcra"
)

// simStore is a store that a power failure can't harm. It fails in every way that limiter.Store
// allows, as the dice decide.
type simStore struct {
	w      *simWorld
	rows   map[Key]simRow
	spaces map[uint32]simSpace
	loaded map[uint32]simSpace // as they were when their rows were last loaded
	late   []simBatch          // in doubt, and still on their way
	away   bool
	// remembered are those of limits that a reload was to bring back, as they were before it. If
	// it isn't applied, the process goes on from them, whatever was noted meanwhile.
	remembered map[uint32]simSpace
}

// simRow is a row, with the wall clock's error when it was counted, and the least and the greatest
// error then and at the starts that have read it since.
type simRow struct {
	Record
	wall        simWall
	least, most int64
	wasRead     bool
	started     *simAccount // what a start made of it; nil: none has read it
}

// simAccount is credit that was counted at a moment, true time.
type simAccount struct {
	rate   *gcra.Rate
	credit int64
	at     int64
}

// at is when the row's tokens were counted, true time.
func (r simRow) at() int64 { return int64(r.At.Sub(simDawn)) - r.wall.skew }

// simSpace is a namespace, with the wall clock at the last stop.
type simSpace struct {
	Namespace
	wall simWall
}

// stoppedInOrder reports whether the last writer has said that it stops.
func (s *simStore) stoppedInOrder() bool {
	for id, n := range s.spaces {
		if n.Stopped.IsZero() && !s.w.limits[id-1].gone {
			return false
		}
	}
	return true
}

// simBatch is a batch, with the wall clock when it was made.
type simBatch struct {
	Batch
	wall simWall
}

var errSimAway = errors.New("away")

// arrive begins every call to the store. The store may be away. If not, late batches arrive first.
func (s *simStore) arrive() error {
	s.w.step(true)
	if s.away {
		return errSimAway
	}
	s.settle(true)
	return nil
}

// settle decides about the batches that are on their way.
func (s *simStore) settle(arrives bool) {
	for _, b := range s.late {
		if arrives {
			s.apply(b)
		}
	}
	s.late = nil
}

func (s *simStore) apply(b simBatch) {
	s.w.note("stored", b.ids(), "deleted", b.Deletes)
	for _, n := range b.Namespaces {
		s.spaces[n.ID] = simSpace{n, s.wallOf(n, b.wall)}
	}
	for _, r := range b.Puts {
		s.rows[r.Key] = b.row(r)
	}
	for _, key := range b.Deletes {
		delete(s.rows, key)
	}
}

// wallOf is the wall clock when the namespace's stop was noted, or the last one if it has none now.
// A reload that isn't applied notes the stop of before it again. That is as old as it was.
func (s *simStore) wallOf(n Namespace, now simWall) simWall {
	for _, was := range []simSpace{s.spaces[n.ID], s.remembered[n.ID]} {
		if n.Stopped.IsZero() || n.Stopped.Equal(was.Stopped) {
			return was.wall
		}
	}
	return now
}

func (s *simStore) Load(_ context.Context, namespace uint32, yield func(Record) error) error {
	if err := s.arrive(); err != nil {
		return err
	}
	s.loaded[namespace] = s.known(namespace)
	for _, key := range slices.SortedFunc(maps.Keys(s.rows), Key.Compare) {
		if key.Namespace != namespace {
			continue
		}
		s.w.step(true)
		if err := yield(s.rows[key].Record); err != nil {
			return err
		}
	}
	return nil
}

// known is a namespace as the process knows it.
func (s *simStore) known(namespace uint32) simSpace {
	if was, ok := s.remembered[namespace]; ok {
		return was
	}
	return s.spaces[namespace]
}

// remember keeps the namespaces of limits that there were not and that a reload is to bring.
func (s *simStore) remember(were, are [simLimits]bool) {
	for i, gone := range were {
		if id := uint32(i + 1); gone && !are[i] {
			s.remembered[id] = s.known(id)
		}
	}
}

func (s *simStore) Get(_ context.Context, key Key) (Record, bool, error) {
	if err := s.arrive(); err != nil {
		return Record{}, false, err
	}
	r, ok := s.rows[key]
	return r.Record, ok, nil
}

func (s *simStore) Namespaces(context.Context) (all []Namespace, err error) {
	if err := s.arrive(); err != nil {
		return nil, err
	}
	for _, id := range slices.Sorted(maps.Keys(s.spaces)) {
		all = append(all, s.spaces[id].Namespace)
	}
	return all, nil
}

func (s *simStore) Write(_ context.Context, batch Batch) error {
	batch.Puts, batch.Deletes = slices.Clone(batch.Puts), slices.Clone(batch.Deletes)
	batch.Namespaces = slices.Clone(batch.Namespaces)
	b := simBatch{batch, s.w.wall}
	if n := len(s.w.stack); n > 0 {
		b.wall = s.w.stack[n-1].wall
	}
	for _, n := range b.Namespaces {
		l := &s.w.limits[n.ID-1]
		l.letting = l.letting || l.gone && !n.Left.IsZero()
	}
	s.w.writes(batch)
	if err := s.arrive(); err != nil {
		return err
	}
	odds := 30
	isLeaving := slices.ContainsFunc(b.Namespaces, func(n Namespace) bool { return s.w.limits[n.ID-1].letting })
	if len(b.Puts)+len(b.Deletes) == 1 || isLeaving {
		odds = 12
	}
	switch s.w.dice.IntN(odds) {
	case 0: // refused
		return errSimAway
	case 1: // lost on its way
		return ErrInDoubt
	case 2:
		s.late = append(s.late, b)
		s.w.step(true)
		return ErrInDoubt
	case 3:
		s.apply(b)
		s.w.step(true)
		return ErrInDoubt
	}
	s.apply(b)
	s.w.step(true) // there may also be a crash before the response
	return nil
}

func (s *simStore) Close() error { return nil }

// read notes that a process has started from this row, and what it has made of it.
func (s *simStore) read(key Key, started simAccount, skew int64) {
	if row, ok := s.rows[key]; ok {
		row.wasRead, row.started = true, &started
		row.least, row.most = min(row.least, skew), max(row.most, skew)
		s.rows[key] = row
	}
}

// skewOf is the wall clock's error when the client's rows were counted.
func (s *simStore) skewOf(key Key) (least, most int64) {
	if row, ok := s.rows[key]; ok {
		return row.least, row.most
	}
	skew := s.spaces[key.Namespace].wall.skew
	return skew, skew
}

func (b simBatch) row(r Record) simRow {
	return simRow{Record: r, wall: b.wall, least: b.wall.skew, most: b.wall.skew}
}

// rowsOf are those that the client has, or may have in a moment.
func (s *simStore) rowsOf(key Key) (rows []simRow) {
	if row, ok := s.rows[key]; ok {
		rows = append(rows, row)
	}
	for _, b := range s.late {
		for _, r := range b.Puts {
			if r.Key == key {
				rows = append(rows, b.row(r))
			}
		}
	}
	return rows
}

// ids are the buckets whose rows are put.
func (b simBatch) ids() (ids []Key) {
	for _, r := range b.Puts {
		ids = append(ids, r.Key)
	}
	return ids
}
