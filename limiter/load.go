package limiter

import (
	"context"
	"fmt"
	"math"
	"slices"
	"sync/atomic"
	"time"

	"gopher-equalizer/limiter/gcra"
	"gopher-equalizer/limiter/table"
)

// loadProgress is how many records a load restores between two lines of the log.
const loadProgress = 1_000_000

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
	if err := service.load(ctx); err != nil {
		return nil, err
	}
	return service, nil
}

// load fills the tables from the store. That the limits are at work is noted there with the next
// batch, or, if one is strict, before anything is spent. The caller holds the write lock, if there
// is anybody else.
func (s *Service) load(ctx context.Context) error {
	known, err := s.knownNamespaces(ctx)
	if err != nil {
		return fmt.Errorf("read which limits there were: %w", err)
	}
	if err := s.assign(ctx, known); err != nil {
		return err
	}
	for _, l := range s.rounds.limits {
		if err := l.load(ctx); err != nil {
			return fmt.Errorf("load the buckets of limit %q: %w", l.Name(), err)
		}
	}
	s.unnoted = s.begun()
	if s.isHiding() {
		s.flushEarly()
	}
	if s.IsStrict() {
		s.flushEarly() // What isn't reserved can't be spent.
		//mutant:drop a-start-is-not-noted
		if err := s.note(ctx, s.unnoted); err != nil {
			return fmt.Errorf("note the start, before anything is spent: %w", err)
		}
	}
	s.loaded.Store(true)
	return nil
}

// IsStrict reports whether any limit is strict.
func (s *Service) IsStrict() bool {
	return slices.ContainsFunc(s.limits, func(l *Limit) bool { return l.o.Strict })
}

func (s *Service) knownNamespaces(ctx context.Context) ([]Namespace, error) {
	ctx, cancel := context.WithTimeout(ctx, s.o.StoreTimeout)
	defer cancel()
	return s.store.Namespaces(ctx)
}

// load fills the limit's table. Each bucket is credited with what it has earned since it was
// stored, at the settings that it was stored with; then the present ones apply. After a crash what
// was reserved counts as spent, and if the limit is strict, clients without a bucket start empty.
func (l *Limit) load(ctx context.Context) error {
	var n atomic.Int64
	ctx, stop := whileItMoves(ctx, l.service.o.StoreTimeout, &n)
	defer stop()
	start, stopped := l.clock.Monotonic(), l.namespace.Stopped
	to := loader{l, !stopped.IsZero(), map[string]int64{}}
	log := &l.service.o.Logger
	restore := func(r Record) error {
		if n.Add(1)%loadProgress == 0 {
			log.Info().Str("limit", l.Name()).Int64("buckets", n.Load()).Msg("loading")
		}
		if l.toHide != nil {
			r.ClientID = l.o.Secret(r.ClientID)
		}
		return to.restore(r)
	}
	if err := l.service.store.Load(ctx, l.namespace.ID, restore); err != nil {
		return err
	}
	if l.toHide != nil && l.toHide.ID != l.namespace.ID { // Older: restore passes over clients that it knows.
		if err := l.service.store.Load(ctx, l.toHide.ID, restore); err != nil {
			return err
		}
	}
	l.startEmpty(stopped)
	for tier, buckets := range to.gone {
		log.Warn().Str("limit", l.Name()).Str("tier", tier).Int64("buckets", buckets).
			Msg("there is no such tier any more: its buckets follow the limit's own numbers until there is")
	}
	log.Info().Str("limit", l.Name()).Int64("buckets", n.Load()).Bool("after_a_stop", to.stopped).
		Dur("duration", time.Duration(l.clock.Monotonic()-start)).Msg("buckets loaded")
	return nil
}

// loadIfLate loads what Options.LoadLater put off. It holds the write lock, so admin writes wait.
// Takers don't.
func (s *Service) loadIfLate(ctx context.Context) error {
	if s.loaded.Load() {
		return nil
	}
	if err := s.writing.lock(ctx); err != nil {
		return err
	}
	defer s.writing.unlock()
	err := s.load(ctx)
	s.noteStore(err)
	return err
}

// startEmpty starts unknown clients with empty buckets if a crash may have lost what they spent: a
// crash of a strict run, or of one before it, so short a time ago that an empty bucket wouldn't be
// full yet.
func (l *Limit) startEmpty(stopped time.Time) {
	span, wall := l.table.Defaults().Span, l.clock.Wall()
	now := l.clock.Monotonic() // Read after wall, as in restore.
	empty := min(span, max(0, int64(stopped.Sub(wall))))
	//mutant:false who-has-no-row-starts-full-after-a-crash
	if stopped.IsZero() && l.o.Strict {
		empty = span
	}
	if empty > 0 {
		l.table.StartEmpty(now + empty)
	}
}

// loader puts stored buckets into the table.
type loader struct {
	*Limit
	stopped bool             // whether the last run stopped in order
	gone    map[string]int64 // how many buckets are of tiers that there are no more
}

// restore puts a stored bucket into the table. The bucket is dirty if loading changed it, if the
// clock contradicts its row, or if its row reserves too little. An unmanaged bucket that is full is
// dirty, too: the flush then deletes its row, and the reaper the bucket.
//
// If the store comes late, the client may have a bucket already. What was spent from it is then
// taken off the stored one. A bucket marked Stored was restored by a load that broke off.
func (l loader) restore(r Record) error {
	if err := l.check(r); err != nil {
		return err
	}
	wall := l.clock.Wall()
	now := l.clock.Monotonic() // Read after wall: what lies between isn't credited twice.
	c := l.table.Claim(r.ClientID)
	defer c.Release()
	if b := c.Live(); b != nil && b.Has(table.Stored) {
		return nil
	}
	was, is := l.ratesOf(r)
	credit := was.Convert(creditOf(r, was, wall, l.stopped), is)
	late := false
	b := c.Replace(is, marksOf(r), now, func(live gcra.Holding) int64 {
		if live.Rate != nil {
			late = true
			credit = max(0, credit-live.Rate.Convert(live.Rate.Span-live.Credit, is))
		}
		return is.TAT(credit, live.At)
	})
	short := l.o.Strict && l.restoreLimit(b, r, was, is)
	//mutant:false what-a-crash-took-is-given-back-by-a-stop
	taken := !l.stopped && r.Reserved > 0 // So that the row changes before an orderly stop.
	if late || short || taken || was != is || r.At.After(wall) || !r.Managed && credit == is.Span {
		c.MarkDirty(b, now)
	}
	return nil
}

func (l loader) check(r Record) error {
	if err := r.Settings.Validate(); err != nil {
		return fmt.Errorf("client %q: %w", r.ClientID, err)
	}
	if r.Kind != Rate {
		return fmt.Errorf("client %q: its tokens come back in a way that this version doesn't know "+
			"(kind %d); upgrade", r.ClientID, r.Kind)
	}
	if n := len(r.ClientID); n > MaxClientID {
		return fmt.Errorf("client %q: its client_id has %d bytes, want at most %d", r.ClientID, n, MaxClientID)
	}
	return nil
}

// restoreLimit gives a bucket the limit of its row, if there is one. It reports whether little of
// it is left. If the settings have changed, nothing can be spent before the row is written again.
func (l loader) restoreLimit(b *table.Bucket, r Record, was, is *gcra.Rate) (short bool) {
	if math.IsInf(r.Reserved, 1) {
		return false
	}
	if was != is {
		b.SetLimit(0)
		return true
	}
	// In this order: what lies between isn't reserved twice.
	now, wall := l.clock.Monotonic(), l.clock.Wall()
	//mutant:less a-limit-is-restored-too-high
	left := was.FromTokens(r.Tokens) + earnedBy(r, wall) - was.Reserved(r.Reserved) // after a crash
	limit := now + was.Span - left
	b.SetLimit(limit)
	return limit-max(b.TAT(), now) < l.reserve(was)*was.Interval/2
}

// ratesOf returns the rate that a record was stored with, and the one that its bucket gets.
func (l loader) ratesOf(r Record) (was, is *gcra.Rate) {
	defaults := l.table.Defaults()
	switch {
	case r.Tier != "":
		if l.isGone(r.Tier) {
			l.gone[r.Tier]++
		}
		if is = l.rateOfTier(r.Tier); r.Settings == is.Settings {
			return is, is
		}
		return gcra.NewRate(r.Settings), is
	case r.Managed:
		was = gcra.NewRate(r.Settings)
		return was, was
	case r.Settings == defaults.Settings:
		return defaults, defaults
	}
	return gcra.NewRate(r.Settings), defaults
}

func marksOf(r Record) table.Mark {
	if r.Managed {
		return table.Stored | table.Managed
	}
	return table.Stored
}

// creditOf is what a record holds by now. A clock that stepped back earns nothing and costs
// nothing. One that stepped forward fills the bucket at most.
func creditOf(r Record, was *gcra.Rate, wall time.Time, stopped bool) int64 {
	held := was.FromTokens(r.Tokens)
	if !stopped {
		if math.IsInf(r.Reserved, 1) {
			return 0
		}
		held -= was.Reserved(r.Reserved)
	}
	//mutant:unclamp what-is-reserved-is-owed
	return min(was.Span, max(0, held+earnedBy(r, wall)))
}

// earnedBy is the time since the record's tokens were counted, at most what fills any bucket.
func earnedBy(r Record, wall time.Time) int64 {
	//mutant:unclamp a-clock-that-stepped-back-costs-what-was-earned
	return min(max(0, int64(wall.Sub(r.At))), gcra.MaxSpan)
}
