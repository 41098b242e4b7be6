package limiter

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// addedLimit is a limit that there wasn't, and the namespace as it was before: zero if it was new,
// or isn't known yet.
type addedLimit struct {
	*Limit
	was Namespace
}

var errStrictAdded = errors.New("strict: what is reserved must be read before anything is spent, so the store must be there")

// errHides refuses a limit whose rows are those of another one, which still writes them.
var errHides = errors.New("its client_ids can't be hashed while the limit that has them in plain is at work or leaving; want a restart")

// hides reports whether another limit is this one without hashed client_ids.
func (l *Limit) hides(other *Limit) bool {
	o, p := l.options(), other.options()
	return o.Secret != nil && p.Name == o.Name && p.Fingerprint == o.Plain
}

// loadAdded loads a limit's rows. If the store is away, they are loaded later.
func (s *Service) loadAdded(ctx context.Context, was *setup, added *addedLimit) error {
	l := added.Limit
	strict := l.options().Strict
	if slices.ContainsFunc(was.all(), l.hides) {
		return errHides
	}
	locking, cancel := context.WithTimeout(ctx, s.options().StoreTimeout)
	defer cancel()
	err := s.lockSettled(locking)
	if err == nil {
		defer s.writing.unlock()
		err = s.bringAdded(ctx, added)
	}
	switch {
	case errors.Is(err, ErrClosed):
		return err
	case err != nil && strict:
		return fmt.Errorf("%w: %w", errStrictAdded, err)
	case err != nil:
		s.logger.Warn().Err(err).Str("limit", l.Name()).Msg("the limit begins without its buckets, which are loaded later")
	}
	return nil
}

// bringAdded loads a limit. After an error it has no namespace. The caller holds the write lock.
func (s *Service) bringAdded(ctx context.Context, added *addedLimit) error {
	l := added.Limit
	switch {
	case s.closed:
		return ErrClosed
	case !s.knows:
		return errNotLoaded
	}
	s.assign(l)
	added.was = l.namespace
	err := s.bring(ctx, []*Limit{l})
	s.noteStore(err)
	if err != nil {
		s.unassign(added)
	}
	return err
}

// unassign makes a limit's namespace one without a limit again. The caller holds the write lock.
func (s *Service) unassign(added *addedLimit) {
	was := added.was
	if was.Left.IsZero() {
		was.Left = storedTime(s.clock.Wall())
	}
	s.left = append(s.left, was)
	if to := added.toHide; to != nil && to.ID != was.ID {
		s.left = append(s.left, *to)
	}
	added.namespace, added.toHide = Namespace{}, nil
	s.noteLater(was)
}
