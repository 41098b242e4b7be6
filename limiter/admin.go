package limiter

import (
	"context"
	"errors"
	"fmt"
	"math"

	"gopher-equalizer/limiter/gcra"
	"gopher-equalizer/limiter/table"
)

// Get returns the client's bucket. ErrNotFound: it has none. ErrInDoubt: an admin write of this
// bucket broke off, and it isn't known yet whether the store has it.
func (s *Service) Get(clientID string) (Snapshot, error) {
	if d := s.doubt.Load(); d != nil && d.clientID == clientID {
		return Snapshot{}, fmt.Errorf("%w: the last write of this bucket broke off, "+
			"and the store has not responded since", ErrInDoubt)
	}
	now, wall := s.clock.Monotonic(), s.clock.Wall()
	seen, ok := s.table.Find(clientID, now)
	if !ok {
		return Snapshot{}, ErrNotFound
	}
	return snapshotOf(seen, now, wall), nil
}

// Create makes a managed bucket, and takes over a live unmanaged one. Capacity and refill default
// to the limit's, tokens to the capacity. ErrManaged: there is a managed one; ErrFull: past the
// cap; gcra.ErrSettings: the values are impossible. After these, ErrStore and ErrClosed nothing was
// changed. After ErrInDoubt, Get returns what is there once that is known.
func (s *Service) Create(ctx context.Context, clientID string, c Change) (Written, error) {
	return s.put(ctx, clientID, func(present *table.Observation) (plan, error) {
		if present != nil && present.Bucket.Has(table.Managed) {
			return plan{}, ErrManaged
		}
		if c.Tokens == nil {
			full := s.settingsAfter(nil, c).Capacity
			c.Tokens = &full
		}
		return s.plan(nil, c)
	})
}

// Put makes or changes a bucket, which is managed from then on. What the change leaves out stays as
// it is. If the client has no bucket, it is as in Create. Errors are those of Create, without
// ErrManaged.
func (s *Service) Put(ctx context.Context, clientID string, c Change) (Written, error) {
	return s.put(ctx, clientID, func(present *table.Observation) (plan, error) {
		return s.plan(present, c)
	})
}

// Patch changes a bucket that exists, managed or not; it is managed from then on.
// ErrNotFound: it doesn't. Other errors are those of Put.
func (s *Service) Patch(ctx context.Context, clientID string, c Change) (Written, error) {
	return s.put(ctx, clientID, func(present *table.Observation) (plan, error) {
		if present == nil {
			return plan{}, ErrNotFound
		}
		return s.plan(present, c)
	})
}

// Delete removes a bucket and returns it as it was. The client starts over on the defaults.
// ErrNotFound: it has none.
func (s *Service) Delete(ctx context.Context, clientID string) (Snapshot, error) {
	if err := s.lockForAdmin(ctx); err != nil {
		return Snapshot{}, err
	}
	defer s.writing.unlock()
	now, wall := s.clock.Monotonic(), s.clock.Wall()
	seen, ok := s.table.Find(clientID, now)
	if !ok {
		return Snapshot{}, ErrNotFound
	}
	was := snapshotOf(seen, now, wall)
	err := s.adminWrite(ctx, Batch{Deletes: []string{clientID}}, clientID, func(_ Record, ok bool) {
		if !ok {
			s.table.Remove(clientID, s.clock.Monotonic())
		}
	})
	if err != nil {
		return Snapshot{}, err
	}
	s.table.Remove(clientID, s.clock.Monotonic())
	return was, nil
}

// put is how operators change a bucket: under the write lock, first in the store and then in
// memory. planFor gets the bucket that exists now; nil if none does.
func (s *Service) put(
	ctx context.Context, clientID string, planFor func(present *table.Observation) (plan, error),
) (w Written, err error) {
	if err := s.lockForAdmin(ctx); err != nil {
		return Written{}, err
	}
	defer s.writing.unlock()

	now, wall := s.clock.Monotonic(), s.clock.Wall()
	seen, ok := s.table.Find(clientID, now)
	full := seen.Bucket == nil && s.table.Stats().Buckets >= s.o.MaxBuckets
	// A full bucket doesn't exist, but may still be there if nobody has reaped it.
	was, present := gcra.Holding{At: now}, (*table.Observation)(nil)
	if ok {
		was, present = seen.Rate.Holding(seen.TAT, now), &seen
		before := snapshotOf(seen, now, wall)
		w.Before = &before
	}
	p, err := planFor(present)
	if err != nil {
		return Written{}, err
	}
	if full {
		return Written{}, fmt.Errorf("%w: there are %d already", ErrFull, s.o.MaxBuckets)
	}
	p.at, p.from = was.At, was.Rate
	p.stored = p.arrival(was)
	record := recordOf(p.rate, clientID, true, p.content(was), wall)
	if s.o.Strict {
		//mutant:drop an-admin-write-reserves-nothing
		record.Reserved = math.Inf(1) // Takers go on while it is written.
	}
	err = s.adminWrite(ctx, Batch{Puts: []Record{record}}, clientID, func(found Record, ok bool) {
		if ok && record.same(found) {
			s.apply(clientID, p)
		}
	})
	if err != nil {
		return Written{}, err
	}
	w.Snapshot = s.apply(clientID, p)
	return w, nil
}

// plan checks the change of a bucket; nil if there is none.
func (s *Service) plan(present *table.Observation, c Change) (plan, error) {
	settings := s.settingsAfter(present, c)
	if err := settings.Validate(); err != nil {
		return plan{}, err
	}
	if c.Tokens != nil && (*c.Tokens < 0 || *c.Tokens > settings.Capacity) {
		return plan{}, fmt.Errorf("%w: tokens %d; want 0 to the capacity, %d",
			gcra.ErrSettings, *c.Tokens, settings.Capacity)
	}
	return plan{rate: gcra.NewRate(settings), tokens: c.Tokens}, nil
}

func (s *Service) settingsAfter(present *table.Observation, c Change) gcra.Settings {
	settings := s.o.Settings
	if present != nil {
		settings = present.Rate.Settings
	}
	if c.Capacity != nil {
		settings.Capacity = *c.Capacity
	}
	if c.Refill != nil {
		settings.Refill = *c.Refill
	}
	return settings
}

// lockForAdmin takes the write lock for an admin write.
func (s *Service) lockForAdmin(ctx context.Context) error {
	if err := s.lockSettled(ctx); err != nil {
		return fmt.Errorf("%w: %w", ErrStore, err)
	}
	switch {
	case s.closed:
		s.writing.unlock()
		return ErrClosed
	case !s.loaded.Load():
		s.writing.unlock()
		return fmt.Errorf("%w: %w", ErrStore, errNotLoaded)
	}
	return nil
}

// adminWrite is writeBucket with the errors that operators get.
func (s *Service) adminWrite(
	ctx context.Context, batch Batch, clientID string, follow func(found Record, ok bool),
) error {
	err := s.writeBucket(ctx, batch, clientID, follow)
	if err == nil || errors.Is(err, ErrInDoubt) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrStore, err)
}

// apply makes in memory the change that is stored, relative to the live tokens. Tokens that were
// spent while the store was writing stay spent, and are dirty.
func (s *Service) apply(clientID string, p plan) Snapshot {
	now := s.clock.Monotonic()
	c := s.table.Claim(clientID)
	defer c.Release()
	b := c.Replace(p.rate, table.Managed|table.Stored, now, p.arrival)
	tat := b.TAT()
	if arrival := max(tat, now); arrival != max(p.stored, now) || s.o.Strict && arrival > now {
		//mutant:drop an-admin-write-leaves-what-was-spent-meanwhile-clean
		c.MarkDirty(b, now)
	}
	return snapshotOf(table.Observation{Bucket: b, Rate: p.rate, TAT: tat}, now, s.clock.Wall())
}
