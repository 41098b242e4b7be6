package limiter

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// Open loads what the store holds, unless Options.LoadLater puts that off, and returns a Service.
// The caller must Run it, Close it at the end, and then close the store.
func Open(ctx context.Context, o Options, s Store) (*Service, error) {
	service, err := newService(o, s)
	if err != nil {
		return nil, err
	}
	if o.LoadLater {
		why := errNotLoaded.Error()
		service.failure.Store(&why)
		return service, nil
	}
	if err := service.join(ctx); err != nil {
		return nil, err
	}
	if err := service.load(ctx); err != nil {
		return nil, err
	}
	return service, nil
}

// load fills the tables of limits that aren't loaded yet from the store. The caller holds the write
// lock, if there is anybody else.
func (s *Service) load(ctx context.Context) error {
	isFirst := !s.knows
	if err := s.know(ctx); err != nil {
		return err
	}
	if err := s.bring(ctx, s.notLoaded()); err != nil {
		return err
	}
	if isFirst {
		s.noteLeft()
	}
	return nil
}

// notLoaded are the limits whose buckets aren't loaded yet.
func (s *Service) notLoaded() []*Limit {
	return slices.DeleteFunc(s.present.Load().all(), func(l *Limit) bool { return l.loaded.Load() })
}

// bring gives limits their namespaces, and loads their buckets. That they are at work is noted in
// the store with the next batch, or, if one is strict, before anything is spent.
func (s *Service) bring(ctx context.Context, limits []*Limit) error {
	for _, l := range limits {
		if l.namespace.ID == 0 {
			s.assign(l)
		}
	}
	limits = slices.SortedFunc(slices.Values(limits), byNamespace)
	for _, l := range limits {
		if err := l.load(ctx); err != nil {
			return fmt.Errorf("load the buckets of limit %q: %w", l.Name(), err)
		}
	}
	strict := false
	for _, l := range limits {
		l.begin()
		s.noteLater(l.namespace)
		strict = strict || l.options().Strict
	}
	if strict || s.isHiding() {
		s.flushEarly() // What isn't reserved can't be spent.
	}
	if strict {
		//mutant:drop a-start-is-not-noted
		if err := s.note(ctx, s.unnoted); err != nil {
			return fmt.Errorf("note the start, before anything is spent: %w", err)
		}
	}
	for _, l := range limits {
		l.loaded.Store(true)
	}
	return nil
}

// begin notes in the limit's namespace that this writer is at work.
func (l *Limit) begin() {
	n := &l.namespace
	if n.Strict != l.options().Strict || len(l.unnoted)+len(n.Renumbered) > 0 {
		l.service.due.Store(true)
		l.service.noted.Store(true)
	}
	n.Stopped, n.Left, n.Strict = time.Time{}, time.Time{}, l.options().Strict
	n.Renumbered, l.unnoted = renumbered(n.Renumbered, l.unnoted), nil
}

// know reads which namespaces there are, unless that is known.
func (s *Service) know(ctx context.Context) error {
	if s.knows {
		return nil
	}
	known, err := s.knownNamespaces(ctx)
	if err != nil {
		return fmt.Errorf("read which limits there were: %w", err)
	}
	if err := s.adopt(ctx, known); err != nil {
		return err
	}
	for _, n := range known {
		s.lastID = max(s.lastID, n.ID)
	}
	s.left, s.knows = known, true
	return nil
}

func (s *Service) knownNamespaces(ctx context.Context) ([]Namespace, error) {
	ctx, cancel := context.WithTimeout(ctx, s.options().StoreTimeout)
	defer cancel()
	return s.store.Namespaces(ctx)
}

// loadIfLate loads what Options.LoadLater or a reload put off. It holds the write lock, so admin
// writes wait. Takers don't.
func (s *Service) loadIfLate(ctx context.Context) error {
	if len(s.notLoaded()) == 0 {
		return nil
	}
	if err := s.lockSettled(ctx); err != nil {
		return err
	}
	defer s.writing.unlock()
	err := s.load(ctx)
	s.noteStore(err)
	return err
}
