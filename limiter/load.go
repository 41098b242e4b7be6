package limiter

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync/atomic"
	"time"

	"gopher-equalizer/limiter/gcra"
)

// loadProgress is after how many records a long load says how far it is.
const loadProgress = 1_000_000

// errNotLoaded refuses admin writes: they would not know what they change.
var errNotLoaded = errors.New("the stored buckets have not been read yet")

var errStrictLater = errors.New("strict: what is reserved must be read before anything is spent, so the store must be there at the start")

// load fills the table from the store. Each bucket is credited with what it earned since it
// was stored, at the settings it was stored with; then the present ones apply. After a crash what
// was reserved counts as spent, and if the service is strict, clients without a bucket start empty.
func (s *Service) load(ctx context.Context) error {
	var n atomic.Int64
	ctx, stop := whileItMoves(ctx, s.o.StoreTimeout, &n)
	defer stop()
	start := s.clock.Monotonic()
	stopped, err := s.store.Stopped(ctx)
	if err != nil {
		return fmt.Errorf("read how the last run ended: %w", err)
	}
	l := loader{s, !stopped.IsZero()}
	err = s.store.Load(ctx, func(r Record) error {
		if n.Add(1)%loadProgress == 0 {
			s.log.Info().Int64("buckets", n.Load()).Msg("loading")
		}
		return l.restore(r)
	})
	if err != nil {
		return fmt.Errorf("load the buckets: %w", err)
	}
	s.startEmpty(stopped)
	if s.o.Strict {
		s.flushEarly() // what isn't reserved can't be spent
		if err := s.note(ctx, Batch{}); err != nil {
			return fmt.Errorf("note the start, before anything is spent: %w", err)
		}
	}
	s.loaded.Store(true)
	s.log.Info().Int64("buckets", n.Load()).Bool("after_a_stop", l.stopped).Dur("duration", nanoseconds(s.clock.Monotonic()-start)).Msg("buckets loaded")
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

// startEmpty has clients without a bucket start with nothing, if the last run may have forgotten what they spent: in
// a crash of a strict one, or of one before it, so short a time ago that an empty bucket would not be full yet. They start with
// what their overflow bucket holds.
func (s *Service) startEmpty(stopped time.Time) {
	t, wall := s.table, s.clock.Wall()
	now := s.clock.Monotonic() // read after wall, as in restore
	empty := min(t.defaults.Span, max(0, int64(stopped.Sub(wall))))
	if stopped.IsZero() && s.o.Strict {
		empty = t.defaults.Span
	}
	if empty == 0 {
		return
	}
	t.emptyUntil.Store(now + empty)
	for i := range t.overflow {
		t.overflow[i].delay(now + empty)
	}
}

// loader puts stored buckets into the table.
type loader struct {
	*Service
	stopped bool // the last run ended in order
}

// restore puts a stored bucket into the table. What changed by loading is dirty, and so is what the clock
// contradicts, or has too little reserved; and an unmanaged bucket that is full, whose row the flush then
// deletes, and the reaper it.
//
// If the store comes late the client may have a bucket already: what it spent of that is
// taken from the stored one. A bucket marked stored was restored by a load that broke off.
func (l loader) restore(r Record) error {
	if err := r.Settings.Validate(); err != nil {
		return fmt.Errorf("client %q: %w", r.ClientID, err)
	}
	if n := len(r.ClientID); n > MaxClientID {
		return fmt.Errorf("client %q: its client_id has %d bytes, want at most %d", r.ClientID, n, MaxClientID)
	}
	t, wall := l.table, l.clock.Wall()
	now := l.clock.Monotonic() // read after wall: what lies between isn't credited twice
	c := t.claim(r.ClientID)
	defer c.release()
	if b := c.live(); b != nil && b.has(stored) {
		return nil
	}
	was, is := t.ratesOf(r)
	credit := was.Convert(creditOf(r, was, wall, l.stopped), is)
	late := false
	marks := stored
	if r.Managed {
		marks |= managed
	}
	b := c.replace(is, marks, now, func(live gcra.Holding) int64 {
		if live.Rate != nil {
			late = true
			credit = max(0, credit-live.Rate.Convert(live.Rate.Span-live.Credit, is))
		}
		return is.TAT(credit, live.At)
	})
	short := l.o.Strict && l.restoreLimit(b, r, was, is)
	taken := !l.stopped && r.Reserved > 0 // or else an orderly stop would leave the row as it is
	if late || short || taken || was != is || r.At.After(wall) || !r.Managed && credit == is.Span {
		c.soil(b, now)
	}
	return nil
}

// restoreLimit gives a bucket the limit that its row sets, if it sets one. short says that little of it is left. Under
// other settings than the row's nothing can be spent before the row is written again.
func (l loader) restoreLimit(b *bucket, r Record, was, is *gcra.Rate) (short bool) {
	if math.IsInf(r.Reserved, 1) {
		return false
	}
	if was != is {
		b.setLimit(0)
		return true
	}
	// In this order: what lies between is not reserved twice.
	now, wall := l.clock.Monotonic(), l.clock.Wall()
	left := was.FromTokens(r.Tokens) + earnedBy(r, wall) - was.Reserved(r.Reserved) // after a crash, by now
	limit := now + was.Span - left
	b.setLimit(limit)
	return limit-max(b.tat(), now) < l.reserve(was)*was.Interval/2
}

// ratesOf is what a record was stored with, and what its bucket is to have.
func (t *table) ratesOf(r Record) (was, is *gcra.Rate) {
	switch {
	case r.Managed:
		was = gcra.NewRate(r.Settings)
		return was, was
	case r.Settings == t.defaults.Settings:
		return t.defaults, t.defaults
	}
	return gcra.NewRate(r.Settings), t.defaults
}

// creditOf is what a record holds by now. A clock that stepped back earns nothing and costs
// nothing; one that stepped forward fills the bucket at most.
func creditOf(r Record, was *gcra.Rate, wall time.Time, stopped bool) int64 {
	held := was.FromTokens(r.Tokens)
	if !stopped {
		if math.IsInf(r.Reserved, 1) {
			return 0
		}
		held -= was.Reserved(r.Reserved)
	}
	return min(was.Span, max(0, held+earnedBy(r, wall)))
}

// earnedBy is the time since the record's tokens were counted, and at most what could fill any bucket.
func earnedBy(r Record, wall time.Time) int64 {
	return min(max(0, int64(wall.Sub(r.At))), gcra.MaxSpan)
}
