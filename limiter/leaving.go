package limiter

import (
	"context"
	"slices"
	"time"
)

// stay has limits that come back before they have left not leave.
func (s *Service) stay(ctx context.Context, o *Options) (*setup, error) {
	if len(s.present.Load().leaving) == 0 {
		return s.present.Load(), nil
	}
	ctx, cancel := context.WithTimeout(ctx, s.options().StoreTimeout)
	defer cancel()
	if err := s.writing.lock(ctx); err != nil {
		return nil, err
	}
	defer s.writing.unlock()
	present := s.present.Load()
	for i := range o.Limits {
		if l := present.find(&o.Limits[i]); l != nil {
			l.leaving.Store(0)
		}
	}
	return present, nil
}

// leave has limits leave that are in no setup.
func (s *Service) leave(limits []*Limit) {
	now := max(1, s.clock.Monotonic())
	for _, l := range limits {
		l.leaving.CompareAndSwap(0, now)
	}
}

// letLeave ends a limit that there is no more, once all that was spent from it is stored, and no
// taker has it any more. It notes that in the store. The caller holds the write lock.
func (s *Service) letLeave(ctx context.Context, l *Limit) error {
	since := l.leaving.Load()
	late := s.clock.Monotonic() - since
	//mutant:false a-limit-leaves-before-its-spending-is-stored
	if since == 0 || !l.loaded.Load() || l.table.Stats().Dirty > 0 || late < int64(s.options().FlushInterval) {
		return nil
	}
	gone := l.stopped()
	gone.Left = storedTime(s.clock.Wall())
	if err := s.note(ctx, append(slices.Clone(s.unnoted), gone)); err != nil {
		l.doubted.Store(true)
		s.noteLater(l.namespace) // It may come back.
		return err
	}
	s.left = append(s.left, gone)
	s.changing.Lock()
	defer s.changing.Unlock()
	without := *s.present.Load()
	without.leaving = slices.DeleteFunc(slices.Clone(without.leaving), func(other *Limit) bool { return other == l })
	s.present.Store(&without)
	s.logger.Info().Str("limit", l.Name()).Dur("after", time.Duration(late)).
		Msg("the limit has left, and all that was spent is stored")
	return nil
}
