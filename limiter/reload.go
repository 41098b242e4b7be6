package limiter

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// Reload is what Prepare has made ready: the limits as they are to be. Either Apply or Discard ends
// it.
type Reload struct {
	service *Service
	was, to *setup
	kept    []keptLimit
	added   []addedLimit
}

// keptLimit is a limit that stays, and its options from then on.
type keptLimit struct {
	*Limit
	to      *LimitOptions
	planned bool // the store may have a note of it
}

// Prepare checks what the limits are to be, and makes and loads those that are new. Nothing is
// changed before Apply. A limit is kept if its name and fingerprint are. Then its *Limit stays,
// with every token spent. Prepare waits for the end of another Reload.
//
// If the store is away, a new limit begins without its rows, which are loaded later. A strict one
// is refused then. Options.Clock, Volatile, LoadLater, Logger, MigrateTo and Replica stay.
// ErrClosed: the Service is stopping. Other errors name the limit and what can't be changed.
func (s *Service) Prepare(ctx context.Context, o Options) (*Reload, error) {
	select {
	case s.preparing <- struct{}{}:
	case <-ctx.Done():
		return nil, fmt.Errorf("waiting for the reload before this one: %w", context.Cause(ctx))
	}
	r, err := s.prepare(ctx, o)
	if err != nil {
		<-s.preparing
		return nil, err
	}
	return r, nil
}

func (s *Service) prepare(ctx context.Context, o Options) (*Reload, error) {
	is := s.options()
	o.Clock, o.Aside, o.Volatile, o.Logger, o.MigrateTo, o.Replica = is.Clock, is.Aside, is.Volatile, is.Logger, is.MigrateTo, is.Replica
	o.LoadLater, o.Limits = false, slices.Clone(o.Limits)
	if err := o.validate(); err != nil {
		return nil, err
	}
	o.LoadLater = is.LoadLater
	was, err := s.stay(ctx, &o)
	if err != nil {
		return nil, err
	}
	r := s.compare(was, o)
	if err := r.check(ctx); err != nil {
		r.letGo()
		return nil, err
	}
	for i := range r.added {
		if err := s.loadAdded(ctx, r.was, &r.added[i]); err != nil {
			r.letGo()
			return nil, fmt.Errorf("limit %q: %w", r.added[i].Name(), err)
		}
	}
	return r, nil
}

// compare finds out what is kept, and makes what is new.
func (s *Service) compare(was *setup, o Options) *Reload {
	r := &Reload{service: s, was: was, to: &setup{Options: o, named: map[string]*Limit{}}}
	for i := range r.to.Limits {
		limit := &r.to.Limits[i]
		l := was.find(limit)
		switch {
		case l != nil:
			r.kept = append(r.kept, keptLimit{Limit: l, to: limit})
		case limit.Sharing != nil: // It is found in the ledger by the next round.
			l = newLimit(s, &r.to.Options, limit)
		default:
			l = newLimit(s, &r.to.Options, limit)
			r.added = append(r.added, addedLimit{Limit: l})
		}
		r.to.add(l)
	}
	return r
}

// check returns an error if only a restart can change a limit like that. It makes the tables of
// others ready for other numbers.
func (r *Reload) check(ctx context.Context) error {
	for i := range r.kept {
		k := &r.kept[i]
		is := k.options()
		if r.to.Volatile && is.Strict != k.to.Strict {
			return fmt.Errorf("limit %q: %w", k.Name(), errStrictVolatile)
		}
		renumbers := !is.sameNumbers(k.to)
		if k.to.Strict && (renumbers || !is.Strict || k.doubted.Load()) {
			k.planned = true
			if err := r.service.notePlan(ctx, k.Limit, k.to); err != nil {
				return fmt.Errorf("limit %q: %w: %w", k.Name(), errStrictAway, err)
			}
		}
		if renumbers {
			k.table.Renew(nil)
		}
	}
	return nil
}

var errStrictVolatile = errors.New("strict can't be changed while this process runs, since its store ends with it; want a restart")

var errStrictAway = errors.New("strict: its numbers, and that it is strict, are noted in the store before they count, so the store must be there")

// Limit is the one of that name as it will be after Apply; nil if there is none.
func (r *Reload) Limit(name string) *Limit { return r.to.named[name] }

// Apply makes it so. It writes to memory only, and is over at once: buckets follow new numbers one
// by one, whenever somebody meets them. Limits that there are no more may still be taken from for
// a flush interval. They go once that is stored.
func (r *Reload) Apply() {
	s := r.service
	for i := range r.kept {
		r.change(&r.kept[i])
	}
	r.to.follow()
	s.changing.Lock()
	r.to.leaving = slices.DeleteFunc(s.present.Load().all(), func(l *Limit) bool { return slices.Contains(r.to.limits, l) })
	s.leave(r.to.leaving)
	s.present.Store(r.to)
	s.changing.Unlock()
	s.share(r.to)
	signal(s.renew)
	if r.to.FlushInterval != r.was.FlushInterval {
		signal(s.retimed)
	}
	s.flushEarly()
	<-s.preparing
}

// change has a limit work by its new options.
func (r *Reload) change(k *keptLimit) {
	s, is := r.service, k.options()
	if k.lease != nil {
		k.changeShared(is)
		return
	}
	k.table.SetMax(k.to.MaxBuckets)
	if is.sameNumbers(k.to) && is.Strict == k.to.Strict {
		k.o.Store(k.to)
		return
	}
	// The change comes between the two readings. Rows are counted before the second one, as long as
	// they are under the former numbers.
	at := span{from: s.clock.Wall()}
	if !is.sameNumbers(k.to) {
		k.table.Renumber(k.to.Settings, k.to.Tiers, s.clock)
	}
	at.until = s.clock.Wall()
	list := k.changes(k.to, at)
	k.o.Store(k.to)
	s.applied.add(func() { s.noteChanged(k.Limit, list) })
	s.due.Store(true)
}

// Discard lets go of what was prepared. It waits for a call to the store that is under way.
func (r *Reload) Discard() {
	r.letGo()
	<-r.service.preparing
}

func (r *Reload) letGo() {
	s := r.service
	s.leave(r.was.leaving)
	for i := range r.kept {
		if k := &r.kept[i]; k.planned {
			s.applied.add(func() { s.noteChanged(k.Limit, nil) })
			s.due.Store(true)
		}
	}
	if !slices.ContainsFunc(r.added, func(a addedLimit) bool { return a.namespace.ID != 0 }) {
		return
	}
	s.writing <- struct{}{}
	defer s.writing.unlock()
	s.due.Store(true)
	for i := range r.added {
		if r.added[i].namespace.ID != 0 {
			s.unassign(&r.added[i])
		}
	}
}
