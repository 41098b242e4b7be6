package limiter

import (
	"context"
	"errors"
	"fmt"

	"gopher-equalizer/limiter/gcra"
)

// Create makes a managed bucket, and takes over a live unmanaged one. Capacity and refill
// default to the limit's, tokens to the capacity. ErrManaged: there is a managed one;
// ErrFull: past the cap; gcra.ErrSettings: the values can't be. For these, ErrStore and ErrClosed
// nothing was changed; after ErrInDoubt, Get says what is.
func (s *Service) Create(ctx context.Context, clientID string, c Change) (Written, error) {
	return s.put(ctx, clientID, func(present *sight) (plan, error) {
		if present != nil && present.bucket.has(managed) {
			return plan{}, ErrManaged
		}
		if c.Tokens == nil {
			full := s.settingsAfter(nil, c).Capacity
			c.Tokens = &full
		}
		return s.plan(nil, c)
	})
}

// Put makes or changes a bucket, which is managed from then on. What the change leaves out
// stays as it is, or is as in Create where the client has no bucket. Errors are those of Create,
// but for ErrManaged.
func (s *Service) Put(ctx context.Context, clientID string, c Change) (Written, error) {
	return s.put(ctx, clientID, func(present *sight) (plan, error) { return s.plan(present, c) })
}

// Patch changes a bucket that exists, managed or not; it is managed from then on.
// ErrNotFound: it doesn't. Other errors are those of Put.
func (s *Service) Patch(ctx context.Context, clientID string, c Change) (Written, error) {
	return s.put(ctx, clientID, func(present *sight) (plan, error) {
		if present == nil {
			return plan{}, ErrNotFound
		}
		return s.plan(present, c)
	})
}

// Delete removes a bucket, which it returns as it was: the client starts over on the defaults.
// ErrNotFound: it has none.
func (s *Service) Delete(ctx context.Context, clientID string) (Snapshot, error) {
	if err := s.lockForAdmin(ctx); err != nil {
		return Snapshot{}, err
	}
	defer s.writing.unlock()
	now, wall := s.clock.Monotonic(), s.clock.Wall()
	seen, ok := s.table.find(clientID, now)
	if !ok {
		return Snapshot{}, ErrNotFound
	}
	was := seen.snapshot(now, wall)
	err := s.adminWrite(ctx, Batch{Deletes: []string{clientID}}, &doubtedWrite{clientID: clientID})
	if err != nil {
		return Snapshot{}, err
	}
	s.table.remove(clientID, s.clock.Monotonic())
	return was, nil
}

// put is the one way in which operators change a bucket: under the write lock, to the
// store, then to memory. planFor is given the bucket that exists now, nil for none.
func (s *Service) put(ctx context.Context, clientID string, planFor func(present *sight) (plan, error)) (w Written, err error) {
	if err := s.lockForAdmin(ctx); err != nil {
		return Written{}, err
	}
	defer s.writing.unlock()

	now, wall := s.clock.Monotonic(), s.clock.Wall()
	seen, ok := s.table.find(clientID, now)
	full := seen.bucket == nil && s.table.count.Load() >= s.o.MaxBuckets
	was, present := gcra.Holding{At: now}, (*sight)(nil) // it may be there though it holds nothing
	if ok {
		was, present = seen.rate.Holding(seen.tat, now), &seen
		before := seen.snapshot(now, wall)
		w.Before = &before
	}
	p, err := planFor(present)
	if err != nil {
		return Written{}, err
	}
	if full {
		return Written{}, fmt.Errorf("%w: there are %d already", ErrFull, s.o.MaxBuckets)
	}
	p.at, p.creates = was.At, !ok
	p.stored = p.arrival(was)
	record := recordOf(p.rate, clientID, true, p.content(was), wall)
	if s.o.Strict {
		record.Reserved = everything() // takers go on while it is written
	}
	if err := s.adminWrite(ctx, Batch{Puts: []Record{record}}, &doubtedWrite{clientID, &record, p}); err != nil {
		return Written{}, err
	}
	w.Snapshot = s.apply(clientID, p)
	return w, nil
}

// plan is what an admin write makes of a bucket.
type plan struct {
	rate   *gcra.Rate
	tokens *int64 // nil: those that the bucket has
	// at is the moment that the plan was made for, and creates says that there was no bucket then.
	at      int64
	creates bool
	// stored is the arrival time of what goes to the store.
	stored int64
}

// plan checks the change against the bucket that it is for, nil for none.
func (s *Service) plan(present *sight, c Change) (plan, error) {
	settings := s.settingsAfter(present, c)
	if err := settings.Validate(); err != nil {
		return plan{}, err
	}
	if c.Tokens != nil && (*c.Tokens < 0 || *c.Tokens > settings.Capacity) {
		return plan{}, fmt.Errorf("%w: tokens %d; want 0 to the capacity, %d", gcra.ErrSettings, *c.Tokens, settings.Capacity)
	}
	return plan{rate: gcra.NewRate(settings), tokens: c.Tokens}, nil
}

func (s *Service) settingsAfter(present *sight, c Change) gcra.Settings {
	settings := s.o.Settings
	if present != nil {
		settings = present.rate.Settings
	}
	if c.Capacity != nil {
		settings.Capacity = *c.Capacity
	}
	if c.Refill != nil {
		settings.Refill = *c.Refill
	}
	return settings
}

// content is the credit that the new bucket gets where the old one held was.
func (p plan) content(was gcra.Holding) int64 {
	switch {
	case p.tokens != nil:
		return *p.tokens * p.rate.Interval
	case was.Rate == nil:
		return p.rate.Span
	case p.creates:
		// The client came while the store was writing: its new bucket lacks what it spent.
		return p.rate.Span - was.Rate.Convert(was.Rate.Span-was.Credit, p.rate)
	}
	return was.Rate.Convert(was.Credit, p.rate)
}

// arrival is the arrival time of the new bucket where the old one held was. Tokens that were asked
// for are those of the moment that is in the store.
func (p plan) arrival(was gcra.Holding) int64 {
	at := was.At
	if p.tokens != nil {
		at = p.at
	}
	return p.rate.TAT(p.content(was), at)
}

// apply does in memory what the store has taken, relative to the live tokens: what was spent
// while the store was writing stays spent, and is dirty.
func (s *Service) apply(clientID string, p plan) Snapshot {
	now := s.clock.Monotonic()
	c := s.table.claim(clientID)
	defer c.release()
	b := c.replace(p.rate, managed|stored, now, p.arrival)
	tat := b.tat()
	if arrival := max(tat, now); arrival != max(p.stored, now) || s.o.Strict && arrival > now {
		c.soil(b, now)
	}
	return sight{b, p.rate, tat}.snapshot(now, s.clock.Wall())
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

// adminWrite writes one bucket's row. inDoubt is what is remembered if the store can't say
// whether it took it.
func (s *Service) adminWrite(ctx context.Context, batch Batch, inDoubt *doubtedWrite) error {
	err := s.write(ctx, batch)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, ErrInDoubt):
		s.doubt.Store(inDoubt)
		return err
	}
	return fmt.Errorf("%w: %w", ErrStore, err)
}
