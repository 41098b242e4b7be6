// Package memory is the store that forgets: it keeps buckets until the process ends.
package memory

import (
	"context"
	"maps"
	"slices"
	"strings"

	"gopher-equalizer/limiter"
	"gopher-equalizer/store/internal/gate"
)

// Store keeps buckets in a map. Calls fail only if it is closed or their context has ended.
type Store struct {
	gate *gate.Gate
	// The following fields are owned by the admitted call.
	records    map[limiter.Key]limiter.Record
	namespaces map[uint32]limiter.Namespace
}

// New returns an empty store.
func New() *Store {
	return &Store{
		gate: gate.New(), records: map[limiter.Key]limiter.Record{}, namespaces: map[uint32]limiter.Namespace{},
	}
}

// Load implements limiter.Store. yield must not call the store.
func (s *Store) Load(ctx context.Context, namespace uint32, yield func(limiter.Record) error) error {
	ctx, cancel, err := s.gate.Enter(ctx)
	if err != nil {
		return err
	}
	defer cancel()
	defer s.gate.Leave()
	for _, r := range s.records {
		if err := context.Cause(ctx); err != nil {
			return err
		}
		if r.Namespace != namespace {
			continue
		}
		if err := yield(r); err != nil {
			return err
		}
	}
	return nil
}

// Get implements limiter.Store.
func (s *Store) Get(ctx context.Context, key limiter.Key) (limiter.Record, bool, error) {
	_, cancel, err := s.gate.Enter(ctx)
	if err != nil {
		return limiter.Record{}, false, err
	}
	defer cancel()
	defer s.gate.Leave()
	r, ok := s.records[key]
	return r, ok, nil
}

// Namespaces implements limiter.Store.
func (s *Store) Namespaces(ctx context.Context) ([]limiter.Namespace, error) {
	_, cancel, err := s.gate.Enter(ctx)
	if err != nil {
		return nil, err
	}
	defer cancel()
	defer s.gate.Leave()
	var all []limiter.Namespace
	for _, id := range slices.Sorted(maps.Keys(s.namespaces)) {
		all = append(all, s.namespaces[id])
	}
	return all, nil
}

// Write implements limiter.Store. "Durable" means: until the process ends.
func (s *Store) Write(ctx context.Context, batch limiter.Batch) error {
	_, cancel, err := s.gate.Enter(ctx)
	if err != nil {
		return err
	}
	defer cancel()
	defer s.gate.Leave()
	for _, n := range batch.Namespaces {
		s.namespaces[n.ID] = n
	}
	for _, r := range batch.Puts {
		r.ClientID = strings.Clone(r.ClientID) // it may lie in a large piece of memory
		s.records[r.Key] = r
	}
	for _, key := range batch.Deletes {
		delete(s.records, key)
	}
	return nil
}

// Close implements limiter.Store. It never fails.
func (s *Store) Close() error {
	s.gate.End()
	return nil
}
