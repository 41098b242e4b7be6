package limiter

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"
)

// Where the client_ids of a limit have become secret since its buckets were stored, the first round
// rewrites their rows, all in one transaction. A start that fails before that changes nothing.
// Until then the limit has the namespace of the plain ones, and its buckets have no plain
// client_ids in memory. Where there are buckets of an earlier time in which they were secret, too,
// the rows are put among those.

// errHiding refuses admin writes until then: their rows would be among plain ones.
var errHiding = errors.New("the client_ids of this limit are being hashed")

// assignPlain has the limit begin from the plain namespace, and says where its rows are to go. It
// returns the namespaces that have no limit yet.
func (l *Limit) assignPlain(known []Namespace, plain, own int) []Namespace {
	l.namespace = known[plain]
	to := l.namespace
	if own >= 0 {
		to = known[own]
	}
	to.Fingerprint = l.o.Fingerprint
	l.toHide = &to
	return slices.DeleteFunc(known, func(n Namespace) bool { return n.ID == l.namespace.ID || n.ID == to.ID })
}

// isHiding reports whether rows of any limit are to be rewritten.
func (s *Service) isHiding() bool {
	return slices.ContainsFunc(s.limits, func(l *Limit) bool { return l.toHide != nil })
}

// hide rewrites the rows of all limits whose client_ids have become secret.
func (s *Service) hide(ctx context.Context) error {
	for _, l := range s.limits {
		if l.toHide == nil {
			continue
		}
		if err := s.hideLimit(ctx, l); err != nil {
			return fmt.Errorf("limit %q: hash the client_ids that are stored: %w", l.Name(), err)
		}
	}
	s.order()
	return nil
}

func (s *Service) hideLimit(ctx context.Context, l *Limit) error {
	if err := s.lockSettled(ctx); err != nil {
		return err
	}
	defer s.writing.unlock()
	from, to := l.namespace, *l.toHide
	batch, err := s.hidden(ctx, l)
	s.noteStore(err)
	if err != nil {
		return err
	}
	to.Stopped, to.Left = time.Time{}, time.Time{}
	batch.Namespaces = slices.DeleteFunc(slices.Clone(s.unnoted), func(n Namespace) bool { return n.ID == from.ID || n.ID == to.ID })
	batch.Namespaces = append(batch.Namespaces, to)
	if from.ID != to.ID {
		from.Left = storedTime(s.clock.Wall())
		batch.Namespaces = append(batch.Namespaces, from)
		s.left = append(s.left, from)
	}
	timeout := s.o.StoreTimeout * time.Duration(1+len(batch.Puts)/minFlushBatch)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), timeout)
	defer cancel()
	if err := s.write(ctx, batch); err != nil {
		return err
	}
	l.namespace, l.toHide = to, nil
	s.o.Logger.Info().Str("limit", l.Name()).Int("buckets", len(batch.Puts)).
		Msg("the store keeps client_ids of this limit as hashes from now on")
	return nil
}

// hidden is the batch that moves a limit's rows to where they are to be, under the hashes of their
// client_ids.
func (s *Service) hidden(ctx context.Context, l *Limit) (b Batch, err error) {
	var n atomic.Int64
	ctx, stop := whileItMoves(ctx, s.o.StoreTimeout, &n)
	defer stop()
	err = s.store.Load(ctx, l.namespace.ID, func(r Record) error {
		n.Add(1)
		was := r.Key
		if r.Key = (Key{l.toHide.ID, l.o.Secret(r.ClientID)}); r.Key != was {
			b.Deletes = append(b.Deletes, was)
			b.Puts = append(b.Puts, r)
		}
		return nil
	})
	slices.SortFunc(b.Deletes, Key.Compare)
	slices.SortFunc(b.Puts, func(a, b Record) int { return a.Key.Compare(b.Key) })
	return b, err
}
