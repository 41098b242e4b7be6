package limiter

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// defaultHeir is the limit that gets the buckets of a store that knew of one limit only, where
// nobody says which one does.
const defaultHeir = "default"

// assign gives each limit its namespace: the one that the store has of that name and fingerprint,
// or a new one. It notes which namespaces are left without a limit. The caller holds the write
// lock, if there is anybody else.
func (s *Service) assign(ctx context.Context, known []Namespace) error {
	if err := s.adopt(ctx, known); err != nil {
		return err
	}
	last := uint32(0)
	for _, n := range known {
		last = max(last, n.ID)
	}
	for _, l := range s.limits {
		l.toHide = nil
		plain, own := indexOf(known, l.o.Name, l.o.Plain), indexOf(known, l.o.Name, l.o.Fingerprint)
		switch {
		case l.o.Secret != nil && plain >= 0 && (own < 0 || known[plain].leftAfter(known[own])):
			known = l.assignPlain(known, plain, own)
		case own >= 0:
			l.namespace = known[own]
			known = slices.Delete(known, own, own+1)
		default:
			last++
			l.namespace = Namespace{ID: last, Limit: l.o.Name, Fingerprint: l.o.Fingerprint, Stopped: longAgo()}
		}
	}
	s.left = known
	s.order()
	return nil
}

// order has rounds take the limits in the order of their namespaces, which is that of keys.
func (s *Service) order() {
	s.rounds.limits = slices.SortedFunc(slices.Values(s.limits), func(a, b *Limit) int {
		return cmp.Compare(a.namespace.ID, b.namespace.ID)
	})
}

func indexOf(known []Namespace, limit, fingerprint string) int {
	return slices.IndexFunc(known, func(n Namespace) bool { return n.Limit == limit && n.Fingerprint == fingerprint })
}

// adopt gives the buckets of a store that knew of one limit to that limit: to the one that was
// said, the only one, or "default". It takes that limit's key to be the one that they were made by,
// except that it may have become secret at the same time. So those of a secret key are taken to be
// plain: hashing them leaves hashes as they are.
func (s *Service) adopt(ctx context.Context, known []Namespace) error {
	i := slices.IndexFunc(known, func(n Namespace) bool { return n.Limit == "" })
	if i < 0 {
		return nil
	}
	name, err := s.o.Heir()
	if errors.Is(err, ErrMigrateTo) && s.isEmpty(ctx, known[i].ID) {
		name, err = s.limits[0].o.Name, nil
	}
	if err != nil {
		return err
	}
	heir := s.named[name]
	known[i].Limit, known[i].Fingerprint = heir.o.Name, heir.o.Fingerprint
	if heir.o.Secret != nil {
		known[i].Fingerprint = heir.o.Plain
	}
	s.o.Logger.Info().Str("limit", heir.o.Name).Msg("the store's buckets become this limit's")
	return nil
}

// Heir is the name of the limit that gets the buckets of a store that knew of one limit only. Its
// error wraps ErrMigrateTo. A store that is told of it asks before it makes a new layout, which the
// former version can't read.
func (o *Options) Heir() (name string, err error) {
	has := func(name string) bool {
		return slices.ContainsFunc(o.Limits, func(l LimitOptions) bool { return l.Name == name })
	}
	switch {
	case has(o.MigrateTo):
		return o.MigrateTo, nil
	case o.MigrateTo != "":
		return "", fmt.Errorf("%w; there is no limit %q, want one of %s", ErrMigrateTo, o.MigrateTo, o.names())
	case len(o.Limits) == 1:
		return o.Limits[0].Name, nil
	case has(defaultHeir):
		return defaultHeir, nil
	}
	return "", fmt.Errorf("%w: one of %s", ErrMigrateTo, o.names())
}

func (o *Options) names() string {
	names := make([]string, len(o.Limits))
	for i, l := range o.Limits {
		names[i] = l.Name
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
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

// begun are the namespaces as they are to be while this Service is at work: each of its limits has
// one, and has not stopped. Others are left.
func (s *Service) begun() (all []Namespace) {
	for _, l := range s.rounds.limits {
		l.namespace.Stopped, l.namespace.Left = time.Time{}, time.Time{}
		all = append(all, l.namespace)
	}
	for i := range s.left {
		if n := &s.left[i]; n.Left.IsZero() {
			n.Left = storedTime(s.clock.Wall())
			all = append(all, *n)
			s.o.Logger.Info().Str("limit", n.Limit).
				Msg("there is no such limit any more, or it has another key: its former buckets stay in the store for now")
		}
	}
	return all
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
