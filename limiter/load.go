package limiter

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// loadProgress is after how many records a long load says how far it is.
const loadProgress = 1_000_000

// errNotLoaded refuses admin writes: they would not know what they change.
var errNotLoaded = errors.New("the stored buckets have not been read yet")

// load fills the table from the store. Each bucket is credited with what it earned since it
// was stored, at the settings it was stored with; then the present ones apply.
func (s *Service) load(ctx context.Context) error {
	start, n := s.clock.Monotonic(), 0
	now, wall := start, s.clock.Wall()
	err := s.store.Load(ctx, func(r Record) error {
		if n++; n%loadProgress == 0 {
			s.log.Info().Int("buckets", n).Msg("loading")
		}
		return s.table.restore(r, now, wall)
	})
	if err != nil {
		return fmt.Errorf("load the buckets: %w", err)
	}
	s.loaded.Store(true)
	s.log.Info().Int("buckets", n).Dur("duration", nanoseconds(s.clock.Monotonic()-start)).Msg("buckets loaded")
	return nil
}

// loadIfLate loads what Options.LoadLater put off. It holds the write lock, and has no deadline
// of its own: a large store takes as long as it takes, and nobody but admin writes waits.
func (s *Service) loadIfLate(ctx context.Context) error {
	if s.loaded.Load() {
		return nil
	}
	if err := s.writing.lock(ctx); err != nil {
		return err
	}
	defer s.writing.unlock()
	err := s.load(ctx)
	s.storeAnswered(err)
	return err
}

// restore puts a stored bucket into the table. What changed by loading is dirty, and an
// unmanaged bucket that is full is dirty too: the flush then deletes its row, and the
// reaper the bucket.
//
// If the store comes late the client may have a bucket already: what it spent of that is
// taken from the stored one. A bucket marked stored was restored by a load that broke off.
func (t *table) restore(r Record, now int64, wall time.Time) error {
	if err := r.Settings.Validate(); err != nil {
		return fmt.Errorf("client %q: %w", r.ClientID, err)
	}
	if b, _ := t.shard(t.hash(r.ClientID)).buckets.Load(r.ClientID); b != nil && b.has(stored) {
		return nil
	}
	was, is := t.ratesOf(r)
	credit := was.convert(creditOf(r, was, wall), is)
	late := false
	b := t.replace(r.ClientID, is, r.Managed, now, func(live int64, of *rate) int64 {
		if of == nil {
			return credit
		}
		late = true
		return max(0, credit-of.convert(of.span-live, is))
	})
	b.set(stored)
	if late || was != is || !r.Managed && credit == is.span {
		t.redirty(b, now)
	}
	return nil
}

// ratesOf is what a record was stored with, and what its bucket is to have.
func (t *table) ratesOf(r Record) (was, is *rate) {
	switch {
	case r.Managed:
		was = newRate(r.Settings)
		return was, was
	case r.Settings == t.defaults.Settings:
		return t.defaults, t.defaults
	}
	return newRate(r.Settings), t.defaults
}

// creditOf is what a record holds by now. A clock that stepped back earns nothing and costs
// nothing; one that stepped forward fills the bucket at most.
func creditOf(r Record, was *rate, wall time.Time) int64 {
	earned := min(max(0, int64(wall.Sub(r.At))), was.span)
	return min(was.span, was.fromTokens(r.Tokens)+earned)
}
