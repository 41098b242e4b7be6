package limiter

import (
	"context"
	"fmt"
)

// doubtedWrite is an admin write of which the store can't say whether it holds. There is at most
// one, since nothing else is written before it is settled.
type doubtedWrite struct {
	clientID string
	record   *Record // what was to be put; nil: the row was to be deleted
	plan     plan
}

// lockSettled takes the write lock with no admin write in doubt: it asks the store first, whose
// answer outwaits what may be left of the broken call. On an error the lock is not held.
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

// settle does in memory what the write in doubt did in the store, if it did.
func (s *Service) settle(ctx context.Context) error {
	d := s.doubt.Load()
	if d == nil {
		return nil
	}
	found, ok, err := s.store.Get(ctx, d.clientID)
	s.storeAnswered(err)
	if err != nil {
		return fmt.Errorf("reading again what a broken write left: %w", err)
	}
	switch {
	case d.record == nil && !ok:
		s.table.remove(d.clientID, s.clock.Monotonic())
	case d.record != nil && ok && d.record.same(found):
		s.apply(d.clientID, d.plan)
	}
	s.doubt.Store(nil)
	return nil
}

// same says whether the store gave back what was written.
func (r Record) same(other Record) bool {
	return r.ClientID == other.ClientID && r.Managed == other.Managed && r.Settings == other.Settings &&
		r.Tokens == other.Tokens && r.Reserved == other.Reserved && r.At.Equal(other.At)
}
