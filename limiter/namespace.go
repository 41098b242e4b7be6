package limiter

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"
)

// assign gives a limit its namespace: the one that the store has of that name and fingerprint, or a
// new one. The caller holds the write lock, if there is anybody else.
func (s *Service) assign(l *Limit) {
	l.toHide = nil
	o := l.options()
	plain, own := indexOf(s.left, o.Name, o.Plain), indexOf(s.left, o.Name, o.Fingerprint)
	switch {
	case o.Secret != nil && plain >= 0 && (own < 0 || s.left[plain].leftAfter(s.left[own])):
		s.left = l.assignPlain(s.left, plain, own)
	case own >= 0:
		l.namespace = s.left[own]
		s.left = slices.Delete(s.left, own, own+1)
	default:
		s.lastID++
		l.namespace = Namespace{ID: s.lastID, LimitName: o.Name, Fingerprint: o.Fingerprint, Stopped: longAgo()}
	}
}

// inOrder are the limits that rounds flush, in the order of their namespaces, which is that of
// keys.
func (s *Service) inOrder() []*Limit {
	loaded := slices.DeleteFunc(s.present.Load().all(), func(l *Limit) bool { return !l.loaded.Load() })
	return slices.SortedFunc(slices.Values(loaded), byNamespace)
}

func byNamespace(a, b *Limit) int { return cmp.Compare(a.namespace.ID, b.namespace.ID) }

func indexOf(known []Namespace, limit, fingerprint string) int {
	return slices.IndexFunc(known, func(n Namespace) bool { return n.LimitName == limit && n.Fingerprint == fingerprint })
}

// adopt gives the buckets of a store that knew of one limit to that limit: to the one that was
// said, the only one, or "default". It takes that limit's key to be the one that they were made by,
// except that it may have become secret at the same time. So those of a secret key are taken to be
// plain: hashing them leaves hashes as they are.
func (s *Service) adopt(ctx context.Context, known []Namespace) error {
	i := slices.IndexFunc(known, func(n Namespace) bool { return n.LimitName == "" })
	if i < 0 {
		return nil
	}
	present := s.present.Load()
	name, err := present.Heir()
	if errors.Is(err, ErrMigrateTo) && s.isEmpty(ctx, known[i].ID) {
		name, err = s.Limits()[0].Name(), nil
	}
	if err != nil {
		return err
	}
	heir := present.named[name]
	known[i].LimitName, known[i].Fingerprint = heir.options().Name, heir.options().Fingerprint
	if heir.options().Secret != nil {
		known[i].Fingerprint = heir.options().Plain
	}
	s.logger.Info().Str("limit", heir.options().Name).Msg("the store's buckets become this limit's")
	return nil
}

var errFound = errors.New("found")

// isEmpty reports whether a namespace certainly has no buckets.
func (s *Service) isEmpty(ctx context.Context, namespace uint32) bool {
	return s.store.Load(ctx, namespace, func(Record) error { return errFound }) == nil
}

// leftAfter reports whether a limit had this namespace later than the other one.
func (n Namespace) leftAfter(other Namespace) bool {
	return !other.Left.IsZero() && (n.Left.IsZero() || n.Left.After(other.Left))
}

// noteLeft notes the namespaces that no limit has at a start.
func (s *Service) noteLeft() {
	for i := range s.left {
		if n := &s.left[i]; n.Left.IsZero() {
			n.Left = storedTime(s.clock.Wall())
			s.noteLater(*n)
			s.logger.Info().Str("limit", n.LimitName).
				Msg("there is no such limit any more, or it has another key: its former buckets stay in the store for now")
		}
	}
}

// Where the client_ids of a limit have become secret since its buckets were stored, the first round
// rewrites their rows, all in one transaction. A start that fails before that changes nothing.
// Until then the limit has the namespace of the plain ones, and its buckets have no plain
// client_ids in memory. Where there are buckets of an earlier time in which they were secret, too,
// the rows are put among those.

// assignPlain has the limit begin from the plain namespace, and says where its rows are to go. It
// returns the namespaces that have no limit yet.
func (l *Limit) assignPlain(known []Namespace, plain, own int) []Namespace {
	l.namespace = known[plain]
	to := l.namespace
	if own >= 0 {
		to = known[own]
	}
	to.Fingerprint = l.options().Fingerprint
	l.toHide = &to
	return slices.DeleteFunc(known, func(n Namespace) bool { return n.ID == l.namespace.ID || n.ID == to.ID })
}

// isHiding reports whether rows of any limit are to be rewritten.
func (s *Service) isHiding() bool {
	return slices.ContainsFunc(s.present.Load().all(), func(l *Limit) bool { return l.toHide != nil })
}

// hide rewrites the rows of all limits whose client_ids have become secret.
func (s *Service) hide(ctx context.Context) error {
	for _, l := range s.present.Load().all() {
		if l.toHide == nil {
			continue
		}
		if err := s.hideLimit(ctx, l); err != nil {
			return fmt.Errorf("limit %q: hash the client_ids that are stored: %w", l.Name(), err)
		}
	}
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
	to.Stopped, to.Left, to.Strict = time.Time{}, time.Time{}, from.Strict
	if from.ID != to.ID {
		to.Renumbered = renumbered(to.Renumbered, from.Renumbered)
	}
	batch.Namespaces = slices.DeleteFunc(slices.Clone(s.unnoted), func(n Namespace) bool { return n.ID == from.ID || n.ID == to.ID })
	batch.Namespaces = append(batch.Namespaces, to)
	if from.ID != to.ID {
		from.Left = storedTime(s.clock.Wall())
		batch.Namespaces = append(batch.Namespaces, from)
		s.left = append(s.left, from)
	}
	timeout := s.options().StoreTimeout * time.Duration(1+len(batch.Puts)/minFlushBatch)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), timeout)
	defer cancel()
	if err := s.write(ctx, batch); err != nil {
		return err
	}
	l.namespace, l.toHide = to, nil
	s.logger.Info().Str("limit", l.Name()).Int("buckets", len(batch.Puts)).
		Msg("the store keeps client_ids of this limit as hashes from now on")
	return nil
}

// hidden is the batch that moves a limit's rows to where they are to be, under the hashes of their
// client_ids.
func (s *Service) hidden(ctx context.Context, l *Limit) (b Batch, err error) {
	var n atomic.Int64
	ctx, stop := whileItMoves(ctx, s.options().StoreTimeout, &n)
	defer stop()
	err = s.store.Load(ctx, l.namespace.ID, func(r Record) error {
		n.Add(1)
		was := r.Key
		if r.Key = (Key{l.toHide.ID, l.options().Secret(r.ClientID)}); r.Key != was {
			b.Deletes = append(b.Deletes, was)
			b.Puts = append(b.Puts, r)
		}
		return nil
	})
	slices.SortFunc(b.Deletes, Key.Compare)
	slices.SortFunc(b.Puts, func(a, b Record) int { return a.Key.Compare(b.Key) })
	return b, err
}

// stopped is the limit's namespace once nobody takes from the limit, and all is stored.
func (l *Limit) stopped() Namespace {
	namespace := l.namespace
	namespace.Stopped = longAgo()
	now, wall := l.clock.Monotonic(), l.clock.Wall()
	//mutant:false who-has-no-row-starts-full-after-a-stop-that-follows-a-crash
	if untilFull := l.table.EmptyUntil() - now; untilFull > 0 {
		namespace.Stopped = storedTime(wall.Add(time.Duration(untilFull)))
		is := l.options().Settings // which that is counted under
		at := span{wall, wall}.renumbered("", is, is)
		namespace.Renumbered = renumbered(namespace.Renumbered, []Renumbered{at})
	}
	return namespace
}
