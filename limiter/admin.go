package limiter

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"gopher-equalizer/limiter/gcra"
	"gopher-equalizer/limiter/table"
)

// Get returns the client's bucket under a limit. ErrNoLimit: there is no such limit. ErrNotFound:
// it has no bucket. ErrInDoubt: an admin write of this bucket broke off, and it isn't known yet
// whether the store has it.
func (s *Service) Get(limit, clientID string) (Snapshot, error) {
	l, err := s.limit(limit)
	if err != nil {
		return Snapshot{}, err
	}
	if l.lease != nil {
		return s.getShared(l, clientID)
	}
	if d := s.doubt.Load(); d != nil && d.covers(l.table, clientID) {
		return Snapshot{}, fmt.Errorf("%w: the last write of this bucket broke off, "+
			"and the store has not responded since", ErrInDoubt)
	}
	now, wall := s.clock.Monotonic(), s.clock.Wall()
	seen, ok := l.table.Find(clientID, now)
	if !ok {
		return Snapshot{}, ErrNotFound
	}
	return l.snapshotOf(seen, now, wall), nil
}

// Defaults returns the settings of an unknown client's bucket under a limit. ErrNoLimit: there is
// no such limit.
func (s *Service) Defaults(limit string) (gcra.Settings, error) {
	l, err := s.limit(limit)
	if err != nil {
		return gcra.Settings{}, err
	}
	return l.Defaults(), nil
}

// Condition is what must hold of a client's bucket for an admin write to change it. It gets the
// bucket that there is, or nil, while no other admin write runs. The write ends with its error.
type Condition func(present *Snapshot) error

// Create makes a managed bucket, and takes over a live unmanaged one. Capacity and refill default
// to the limit's, tokens to the capacity. ErrNoLimit: there is no such limit; ErrManaged: there is
// a managed bucket; ErrFull: past the cap; gcra.ErrSettings: the values are impossible. After
// these, ErrStore, ErrClosed and the errors of the conditions nothing was changed. After
// ErrInDoubt, Get returns what is there once that is known.
func (s *Service) Create(ctx context.Context, limit, clientID string, c Change, only ...Condition) (Written, error) {
	return s.put(ctx, limit, clientID, func(l *Limit, present *standing) (plan, error) {
		if present != nil && present.managed {
			return plan{}, ErrManaged
		}
		p, err := l.plan(nil, c)
		if err == nil && p.tokens == nil {
			p.tokens = &p.rate.Capacity
		}
		return p, err
	}, only...)
}

// Put makes or changes a bucket, which is managed from then on. What the change leaves out stays as
// it is. If the client has no bucket, it is as in Create. Errors are those of Create, without
// ErrManaged.
func (s *Service) Put(ctx context.Context, limit, clientID string, c Change, only ...Condition) (Written, error) {
	return s.put(ctx, limit, clientID, func(l *Limit, present *standing) (plan, error) {
		return l.plan(present, c)
	}, only...)
}

// Patch changes a bucket that exists, managed or not; it is managed from then on.
// ErrNotFound: it doesn't. Other errors are those of Put.
func (s *Service) Patch(ctx context.Context, limit, clientID string, c Change, only ...Condition) (Written, error) {
	return s.put(ctx, limit, clientID, func(l *Limit, present *standing) (plan, error) {
		if present == nil {
			return plan{}, ErrNotFound
		}
		return l.plan(present, c)
	}, only...)
}

// Delete removes a bucket and returns it as it was. The client starts over on the defaults.
// ErrNotFound: it has none. Other errors are those of Create.
func (s *Service) Delete(ctx context.Context, limit, clientID string, only ...Condition) (Snapshot, error) {
	l, err := s.limit(limit)
	if err != nil {
		return Snapshot{}, err
	}
	if l.lease != nil {
		return s.deleteShared(ctx, l, clientID, only)
	}
	if err := s.lockForAdmin(ctx, l); err != nil {
		return Snapshot{}, err
	}
	defer s.writing.unlock()
	now, wall := s.clock.Monotonic(), s.clock.Wall()
	seen, ok := l.table.Find(clientID, now)
	if !ok {
		return Snapshot{}, ErrNotFound
	}
	was := l.snapshotOf(seen, now, wall)
	if err := firstUnmet(only, &was); err != nil {
		return Snapshot{}, err
	}
	if err := s.deleteRows(ctx, l, []Key{l.key(clientID)}); err != nil {
		return Snapshot{}, err
	}
	return was, nil
}

// firstUnmet returns the error of the first condition that doesn't hold.
func firstUnmet(conditions []Condition, present *Snapshot) error {
	for _, c := range conditions {
		if err := c(present); err != nil {
			return err
		}
	}
	return nil
}

// deleteRows deletes rows, which are in the order of their keys, and then their buckets; l is nil
// if there is no such limit any more. The caller holds the write lock.
func (s *Service) deleteRows(ctx context.Context, l *Limit, keys []Key) error {
	var buckets *table.Table
	if l != nil {
		buckets = l.table
	}
	follow := func() {
		for _, key := range keys {
			if buckets != nil {
				buckets.Remove(key.ClientID)
			}
		}
	}
	err := s.adminWrite(ctx, Batch{Deletes: keys}, &doubtedWrite{buckets, keys, func(_ Record, ok bool) {
		if !ok {
			follow()
		}
	}})
	if err == nil {
		follow()
	}
	return err
}

// put is how operators change a bucket: under the write lock, first in the store and then in
// memory. planFor gets the bucket that exists now; nil if none does.
func (s *Service) put(
	ctx context.Context, limit, clientID string, planFor func(l *Limit, present *standing) (plan, error),
	only ...Condition,
) (w Written, err error) {
	l, err := s.limit(limit)
	if err != nil {
		return Written{}, err
	}
	if l.lease != nil {
		return s.putShared(ctx, l, clientID, planFor, only)
	}
	if err := s.lockForAdmin(ctx, l); err != nil {
		return Written{}, err
	}
	defer s.writing.unlock()

	now, wall := s.clock.Monotonic(), s.clock.Wall()
	seen, ok := l.table.Find(clientID, now)
	full := seen.Bucket == nil && l.table.Stats().Buckets >= l.options().MaxBuckets
	// A full bucket doesn't exist, but may still be there if nobody has reaped it.
	was, present := gcra.Holding{At: now}, (*standing)(nil)
	if ok {
		was, present = seen.Holding(now), &standing{seen.Rate, seen.Bucket.Has(table.Managed)}
		before := l.snapshotOf(seen, now, wall)
		w.Before = &before
	}
	p, err := planFor(l, present)
	if err != nil {
		return Written{}, err
	}
	if full {
		return Written{}, fmt.Errorf("%w: there are %d already", ErrFull, l.options().MaxBuckets)
	}
	if err := firstUnmet(only, w.Before); err != nil {
		return Written{}, err
	}
	p.at, p.from = was.At, was.Rate
	p.stored = p.arrival(p.rate, was)
	wall = wall.Add(time.Duration(was.At - now))
	record := recordOf(p.rate, l.key(clientID), true, p.content(was), wall)
	l.planBy(wall)
	if w.Snapshot, err = s.carryOut(ctx, l, p, record); err != nil {
		return Written{}, err
	}
	return w, nil
}

// carryOut writes the record that a plan comes to, and then makes the change in memory. The caller
// holds the write lock.
func (s *Service) carryOut(ctx context.Context, l *Limit, p plan, record Record) (Snapshot, error) {
	if l.options().Strict {
		record.Reserved = math.Inf(1) // Takers go on while it is written.
	}
	err := s.adminWrite(ctx, Batch{Puts: []Record{record}}, &doubtedWrite{l.table, []Key{record.Key}, func(found Record, ok bool) {
		if ok && record.same(found) {
			l.apply(record.ClientID, p)
		}
	}})
	if err != nil {
		return Snapshot{}, err
	}
	return l.apply(record.ClientID, p), nil
}

// plan checks the change of a bucket; nil if there is none.
func (l *Limit) plan(present *standing, c Change) (plan, error) {
	rate, err := l.rateAfter(present, c)
	if err != nil {
		return plan{}, err
	}
	if c.Tokens != nil && (*c.Tokens < 0 || *c.Tokens > rate.Capacity) {
		return plan{}, fmt.Errorf("%w: tokens %d; want 0 to the capacity, %d",
			gcra.ErrSettings, *c.Tokens, rate.Capacity)
	}
	return plan{rate: rate, tokens: c.Tokens}, nil
}

// rateAfter is the rate that the change gives a bucket. A bucket that is in a tier stays in it
// unless the change says a number of its own.
func (l *Limit) rateAfter(present *standing, c Change) (*gcra.Rate, error) {
	rate := l.table.Defaults()
	if present != nil {
		rate = present.rate
	}
	switch {
	case c.Tier != nil && (c.Capacity != nil || c.Refill != nil):
		return nil, fmt.Errorf("%w: a tier says the capacity and the refill; want either it or them", gcra.ErrSettings)
	case c.Tier != nil && !l.has(*c.Tier):
		return nil, fmt.Errorf("%w: unexpected tier %q; want one of %s", gcra.ErrSettings, *c.Tier, l.wantedTiers())
	case c.Tier != nil:
		return l.table.Tier(*c.Tier), nil
	case c.Capacity == nil && c.Refill == nil:
		return rate, nil
	}
	settings := rate.Settings
	if c.Capacity != nil {
		settings.Capacity = *c.Capacity
	}
	if c.Refill != nil {
		settings.Refill = *c.Refill
	}
	if err := settings.Validate(); err != nil {
		return nil, err
	}
	return gcra.NewRate(settings), nil
}

// lockForAdmin takes the write lock for an admin write of a limit's buckets; l is nil if there is
// no such limit any more.
func (s *Service) lockForAdmin(ctx context.Context, l *Limit) error {
	if err := s.lockSettled(ctx); err != nil {
		return fmt.Errorf("%w: %w", ErrStore, err)
	}
	err := s.refusesAdmin(l)
	if err != nil {
		s.writing.unlock()
	}
	return err
}

// errHiding refuses admin writes until the limit's rows are rewritten: theirs would be among plain
// ones.
var errHiding = errors.New("the client_ids of this limit are being hashed")

func (s *Service) refusesAdmin(l *Limit) error {
	switch {
	case s.closed:
		return ErrClosed
	case !s.knows, l != nil && !l.loaded.Load():
		return fmt.Errorf("%w: %w", ErrStore, errNotLoaded)
	case l != nil && l.toHide != nil:
		return fmt.Errorf("%w: %w", ErrStore, errHiding)
	}
	return nil
}

// adminWrite is writeBucket with the errors that operators get.
func (s *Service) adminWrite(ctx context.Context, batch Batch, inDoubt *doubtedWrite) error {
	err := s.writeBucket(ctx, batch, inDoubt)
	if err == nil || errors.Is(err, ErrInDoubt) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrStore, err)
}

// apply makes in memory the change that is stored, relative to the live tokens. Tokens that were
// spent while the store was writing stay spent, and are dirty.
func (l *Limit) apply(clientID string, p plan) Snapshot {
	now := l.clock.Monotonic()
	c := l.table.Claim(clientID)
	defer c.Release()
	seen := c.Replace(p.rate, table.Managed|table.Stored, now, p.arrival)
	arrival := max(seen.TAT, now)
	// Under other numbers than when it was written, the row comes to something else.
	if arrival != max(p.stored, now) || seen.Rate != p.rate || l.options().Strict && arrival > now {
		//mutant:drop an-admin-write-leaves-what-was-spent-meanwhile-clean
		c.MarkDirty(seen.Bucket, now)
	}
	return l.snapshotOf(seen, now, l.clock.Wall())
}
