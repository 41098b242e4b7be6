package limiter

import (
	"context"
	"fmt"

	"gopher-equalizer/limiter/table"
)

// lockSettled takes the write lock with no admin write in doubt. If one is, it asks the store,
// whose response outwaits what may be left of the broken call. On an error the lock isn't held.
func (s *Service) lockSettled(ctx context.Context) error {
	if err := s.writing.lock(ctx); err != nil {
		return err
	}
	if err := s.settle(ctx); err != nil {
		s.writing.unlock()
		return err
	}
	return nil
}

// settle finds out whether the store has the write in doubt.
func (s *Service) settle(ctx context.Context) error {
	d := s.doubt.Load()
	if d == nil {
		return nil
	}
	//mutant:drop no-barrier-after-an-ambiguous-commit
	if err := s.follow(ctx, d); err != nil {
		return err
	}
	s.doubt.Store(nil)
	return nil
}

// follow does in memory what the write did in the store, if it did.
func (s *Service) follow(ctx context.Context, d *doubtedWrite) error {
	found, ok, err := s.store.Get(ctx, d.clientID)
	s.storeAnswered(err)
	if err != nil {
		return fmt.Errorf("reading again what a broken write left: %w", err)
	}
	switch {
	case d.record == nil && !ok:
		s.table.Remove(d.clientID, s.clock.Monotonic())
	case d.record != nil && ok && d.record.same(found):
		s.apply(d.clientID, d.plan)
	}
	return nil
}

// write sends a batch to the store, and notes how the store is. The caller holds the write lock.
func (s *Service) write(ctx context.Context, batch Batch) error {
	if len(batch.Puts)+len(batch.Deletes) == 0 {
		return nil
	}
	return s.writeAlways(ctx, batch)
}

// writeAlways is write of a batch that says something even if it is empty.
func (s *Service) writeAlways(ctx context.Context, batch Batch) error {
	err := s.store.Write(ctx, batch)
	s.storeAnswered(err)
	return err
}

// note writes a batch without buckets.
func (s *Service) note(ctx context.Context, batch Batch) error {
	ctx, cancel := context.WithTimeout(ctx, s.o.StoreTimeout)
	defer cancel()
	if err := s.lockSettled(ctx); err != nil {
		return err
	}
	defer s.writing.unlock()
	return s.writeAlways(ctx, batch)
}

// apply does in memory what the store has taken, relative to the live tokens. What was spent while
// the store was writing stays spent, and is dirty.
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
