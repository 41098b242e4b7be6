package limiter

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"
)

// loadProgress is after how many records a long load says how far it is.
const loadProgress = 1_000_000

// errNotLoaded refuses admin writes: they would not know what they change.
var errNotLoaded = errors.New("the stored buckets have not been read yet")

// load fills the table from the store. Each bucket is credited with what it earned since it
// was stored, at the settings it was stored with; then the present ones apply.
func (s *Service) load(ctx context.Context) error {
	var n atomic.Int64
	ctx, stop := whileItMoves(ctx, s.o.StoreTimeout, &n)
	defer stop()
	start := s.clock.Monotonic()
	err := s.store.Load(ctx, func(r Record) error {
		if n.Add(1)%loadProgress == 0 {
			s.log.Info().Int64("buckets", n.Load()).Msg("loading")
		}
		return s.table.restore(r, s.clock.Monotonic(), s.clock.Wall())
	})
	if err != nil {
		return fmt.Errorf("load the buckets: %w", err)
	}
	s.loaded.Store(true)
	s.log.Info().Int64("buckets", n.Load()).Dur("duration", nanoseconds(s.clock.Monotonic()-start)).Msg("buckets loaded")
	return nil
}

// whileItMoves is a context that ends when count stood still for timeout, or for less than twice that. A load takes
// as long as there are buckets, so it has no other deadline; a store that hangs must still not hang it.
func whileItMoves(parent context.Context, timeout time.Duration, count *atomic.Int64) (ctx context.Context, stop func()) {
	ctx, cancel := context.WithCancelCause(parent)
	done := make(chan struct{})
	go func() {
		defer close(done)
		ticker := time.NewTicker(timeout)
		defer ticker.Stop()
		for last := int64(-1); ; {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
			}
			now := count.Load()
			if now == last {
				cancel(fmt.Errorf("%w: nothing came for %v", context.DeadlineExceeded, timeout))
				return
			}
			last = now
		}
	}()
	return ctx, func() { cancel(context.Canceled); <-done }
}

// loadIfLate loads what Options.LoadLater put off. It holds the write lock, so admin writes wait; takers don't.
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

// restore puts a stored bucket into the table. What changed by loading is dirty, and so is what the clock
// contradicts; and an unmanaged bucket that is full, whose row the flush then deletes, and the reaper it.
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
	b := t.replace(r.ClientID, is, r.Managed, now, func(live holding) int64 {
		if live.rate != nil {
			late = true
			credit = max(0, credit-live.rate.convert(live.rate.span-live.credit, is))
		}
		return is.tat(credit, live.at)
	})
	b.set(stored)
	if late || was != is || r.At.After(wall) || !r.Managed && credit == is.span {
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
