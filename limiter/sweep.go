package limiter

import (
	"context"
	"errors"
	"slices"
)

// sweep deletes rows of limits that there are no more: the unmanaged ones, once Options.LimitsKept
// have passed since a start first missed the limit. It deletes a batch after each round, so that it
// never takes the store for long. What an operator wrote stays.
func (s *Service) sweep(ctx context.Context) {
	if s.options().LimitsKept <= 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.options().StoreTimeout)
	defer cancel()
	if s.lockSettled(ctx) != nil {
		return
	}
	defer s.writing.unlock()
	due := s.clock.Wall().Add(-s.options().LimitsKept)
	i := slices.IndexFunc(s.left, func(n Namespace) bool { return !s.swept[n.ID] && n.Left.Before(due) })
	if i < 0 {
		return
	}
	n, err := s.sweepBatch(ctx, s.left[i].ID)
	if err == nil && n == 0 {
		s.logger.Info().Str("limit", s.left[i].LimitName).Msg("the limit left long ago, and its unmanaged buckets are deleted")
		s.swept[s.left[i].ID] = true
	}
}

var errEnough = errors.New("enough for a batch")

// sweepBatch deletes some unmanaged rows. The caller holds the write lock.
func (s *Service) sweepBatch(ctx context.Context, namespace uint32) (n int, err error) {
	var batch Batch
	err = s.store.Load(ctx, namespace, func(r Record) error {
		if !r.Managed {
			batch.Deletes = append(batch.Deletes, r.Key)
		}
		if len(batch.Deletes) == flushBatch {
			return errEnough
		}
		return nil
	})
	s.noteStore(withoutEnough(err))
	if err = withoutEnough(err); err != nil {
		return 0, err
	}
	slices.SortFunc(batch.Deletes, Key.Compare)
	return len(batch.Deletes), s.write(ctx, batch)
}

func withoutEnough(err error) error {
	if errors.Is(err, errEnough) {
		return nil
	}
	return err
}
