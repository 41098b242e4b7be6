package limiter

import (
	"context"
	"fmt"
	"time"
)

// loadProgress is after how many records a long load says how far it is.
const loadProgress = 1_000_000

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
	s.log.Info().Int("buckets", n).Dur("duration", nanoseconds(s.clock.Monotonic()-start)).Msg("buckets loaded")
	return nil
}

// restore puts a stored bucket into the table, before there are any takers.
//
// A clock that stepped back earns it nothing and costs it nothing; one that stepped forward
// fills it at most. What changed by loading is dirty, and an unmanaged bucket that is full
// is dirty too: the flush then deletes its row, and the reaper the bucket.
func (t *table) restore(r Record, now int64, wall time.Time) error {
	if err := r.Settings.Validate(); err != nil {
		return fmt.Errorf("client %q: %w", r.ClientID, err)
	}
	was, is := newRate(r.Settings), t.defaults
	if r.Managed {
		is = was
	} else if r.Settings == t.defaults.Settings {
		was = t.defaults
	}
	earned := min(max(0, int64(wall.Sub(r.At))), was.span)
	credit := was.convert(min(was.span, was.fromTokens(r.Tokens)+earned), is)

	b := newBucket(r.ClientID, is, is.tat(credit, now), r.Managed)
	b.set(stored)
	s := t.shard(t.hash(r.ClientID))
	s.buckets.Store(r.ClientID, b)
	t.count.Add(1)
	t.countManaged(false, r.Managed)
	if !r.Managed && (credit == is.span || was != is) {
		s.dirty.add(b, now)
	}
	return nil
}
