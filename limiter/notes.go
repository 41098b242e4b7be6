package limiter

import (
	"context"
	"slices"
	"time"

	"gopher-equalizer/limiter/gcra"
)

// notePlan notes in the store that a strict limit is at work, and may change from now on.
func (s *Service) notePlan(ctx context.Context, l *Limit, to *LimitOptions) error {
	ctx, cancel := context.WithTimeout(ctx, s.options().StoreTimeout)
	defer cancel()
	if err := s.lockSettled(ctx); err != nil {
		return err
	}
	defer s.writing.unlock()
	switch {
	case s.closed:
		return ErrClosed
	case !l.loaded.Load():
		return errNotLoaded
	}
	n := l.namespace
	n.Strict = true
	n.Renumbered = slices.Concat(n.Renumbered, l.changes(to, span{from: s.clock.Wall()}))
	s.noteLater(n)
	//mutant:drop a-strict-limit-is-changed-before-that-is-noted
	if err := s.note(ctx, s.unnoted); err != nil {
		return err
	}
	l.namespace = n
	l.doubted.Store(false)
	return nil
}

// noteChanged has the namespace of a limit note what was changed, in place of what was planned. The
// caller holds the write lock.
func (s *Service) noteChanged(l *Limit, list []Renumbered) {
	if !l.loaded.Load() {
		l.unnoted = append(l.unnoted, list...)
		return
	}
	l.noteChanges(list)
	l.namespace.Strict = l.options().Strict
	//mutant:drop a-reload-is-not-noted
	s.noteLater(l.namespace)
}

// noteChanges adds changes to the namespace, in place of those that were planned.
func (l *Limit) noteChanges(list []Renumbered) {
	known := slices.DeleteFunc(slices.Clone(l.namespace.Renumbered), func(c Renumbered) bool { return c.isPlanned() })
	l.namespace.Renumbered = renumbered(known, list)
	l.service.noted.Store(true)
}

// planBy has what is planned begin by a moment at which rows are counted under the former numbers,
// and notes it with them. If the wall clock has stepped back since the plan, the rows would
// otherwise seem to be counted long before the change, and be credited at the former refill for all
// of that time. The caller holds the write lock.
func (l *Limit) planBy(wall time.Time) {
	at := wall.UTC().Truncate(time.Microsecond)
	isLate := func(c Renumbered) bool { return c.isPlanned() && c.From.After(at) }
	//mutant:true a-plan-is-left-where-the-clock-stepped-back
	if !slices.ContainsFunc(l.namespace.Renumbered, isLate) {
		return
	}
	l.namespace.Renumbered = slices.Clone(l.namespace.Renumbered)
	for i := range l.namespace.Renumbered {
		if c := &l.namespace.Renumbered[i]; isLate(*c) {
			c.From = at
		}
	}
	l.service.noteLater(l.namespace)
}

// endPlans notes of changes that were planned that they came before now, or never.
func (n *Namespace) endPlans(now time.Time) {
	n.Renumbered = slices.Clone(n.Renumbered)
	for i := range n.Renumbered {
		if c := &n.Renumbered[i]; c.isPlanned() {
			c.Until = later(c.From, storedTime(now))
		}
	}
}

// changes are those of the settings of a limit's buckets.
func (l *Limit) changes(to *LimitOptions, at span) (list []Renumbered) {
	add := func(tier string, was, is gcra.Settings) {
		if was != is {
			list = append(list, at.renumbered(tier, was, is))
		}
	}
	is := l.options()
	if to.Strict && !is.Strict {
		c := at.renumbered("", is.Settings, is.Settings)
		//mutant:false what-was-reserved-before-a-limit-became-strict-counts
		c.Unreserved = true
		list = append(list, c)
	}
	add("", is.Settings, to.Settings)
	for _, tier := range slices.Sorted(slices.Values(l.table.TierNames())) {
		add(tier, is.settingsOf(tier), to.settingsOf(tier))
	}
	return list
}

// renewedLimit is a limit whose buckets all follow the numbers of its options.
type renewedLimit struct {
	*Limit
	by *LimitOptions
}

// renewed are the limits whose buckets follow the present numbers, so that the next round has the
// rows of all tiers.
func (s *Service) renewed() (all []renewedLimit) {
	for _, l := range s.inOrder() {
		if by := l.options(); l.table.IsRenewed() {
			all = append(all, renewedLimit{l, by})
		}
	}
	return all
}

// forget drops changes that no row needs any more once a round has written those of renewed limits.
// The caller holds the write lock.
func (s *Service) forget(renewed []renewedLimit) {
	for _, l := range renewed {
		if l.options() != l.by { // The round may have begun before a reload, whose rows the next one has.
			continue
		}
		if list := needed(l.namespace.Renumbered, s.clock.Wall(), l.reserve); len(list) < len(l.namespace.Renumbered) {
			l.namespace.Renumbered = list
			s.noteLater(l.namespace)
		}
	}
	s.noted.Store(slices.ContainsFunc(s.inOrder(), func(l *Limit) bool { return len(l.namespace.Renumbered) > 0 }))
}

// noteReload notes in the store what a reload has changed, and lets go of limits that have left. A
// round has written what was dirty, also of the renewed ones.
func (s *Service) noteReload(ctx context.Context, renewed []renewedLimit) error {
	present := s.present.Load()
	if len(present.leaving) == 0 && !s.due.Load() && !s.noted.Load() {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), present.StoreTimeout)
	defer cancel()
	if err := s.lockSettled(ctx); err != nil {
		return err
	}
	defer s.writing.unlock()
	s.due.Store(false)
	if err := s.note(ctx, s.unnoted); err != nil {
		s.due.Store(true)
		return err
	}
	s.forget(renewed)
	for _, l := range present.leaving {
		if !slices.ContainsFunc(renewed, func(r renewedLimit) bool { return r.Limit == l }) {
			continue
		}
		if err := s.letLeave(ctx, l); err != nil {
			return err
		}
	}
	return nil
}
