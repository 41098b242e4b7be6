// Package memory is the store that forgets: it keeps buckets until the process ends.
package memory

import (
	"context"
	"strings"
	"time"

	"gopher-equalizer/limiter"
	"gopher-equalizer/store/internal/gate"
)

// Store keeps buckets in a map. Calls fail only if it is closed or their context has ended.
type Store struct {
	gate    *gate.Gate
	records map[string]limiter.Record // owned by the admitted call, like the following fields
	stopped time.Time
}

// New returns an empty store.
func New() *Store {
	return &Store{gate: gate.New(), records: map[string]limiter.Record{}, stopped: time.Unix(0, 0).UTC()}
}

// Load implements limiter.Store. yield must not call the store.
func (s *Store) Load(ctx context.Context, yield func(limiter.Record) error) error {
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
		if err := yield(r); err != nil {
			return err
		}
	}
	return nil
}

// Get implements limiter.Store.
func (s *Store) Get(ctx context.Context, clientID string) (limiter.Record, bool, error) {
	_, cancel, err := s.gate.Enter(ctx)
	if err != nil {
		return limiter.Record{}, false, err
	}
	defer cancel()
	defer s.gate.Leave()
	r, ok := s.records[clientID]
	return r, ok, nil
}

// Stopped implements limiter.Store.
func (s *Store) Stopped(ctx context.Context) (time.Time, error) {
	_, cancel, err := s.gate.Enter(ctx)
	if err != nil {
		return time.Time{}, err
	}
	defer cancel()
	defer s.gate.Leave()
	return s.stopped, nil
}

// Write implements limiter.Store. "Durable" means: until the process ends.
func (s *Store) Write(ctx context.Context, batch limiter.Batch) error {
	_, cancel, err := s.gate.Enter(ctx)
	if err != nil {
		return err
	}
	defer cancel()
	defer s.gate.Leave()
	for _, r := range batch.Puts {
		r.ClientID = strings.Clone(r.ClientID) // it may lie in a large piece of memory
		s.records[r.ClientID] = r
	}
	for _, clientID := range batch.Deletes {
		delete(s.records, clientID)
	}
	s.stopped = batch.Stopped
	return nil
}

// Close implements limiter.Store. It never fails.
func (s *Store) Close() error {
	s.gate.End()
	return nil
}
