package limiter

import (
	"context"
	"maps"
	"math"
	"slices"
	"sync/atomic"
	"time"

	"gopher-equalizer/limiter/gcra"
	"gopher-equalizer/limiter/table"
)

// loadProgress is how many records a load restores between two lines of the log.
const loadProgress = 1_000_000

// load fills the limit's table. Each bucket is credited with what it has earned since it was
// stored, at the settings that it was stored with; then the present ones apply. After a crash what
// was reserved counts as spent, and if the limit is strict, clients without a bucket start empty.
func (l *Limit) load(ctx context.Context) error {
	to := &loader{
		Limit: l, gone: map[string]int64{}, turned: map[string][2]gcra.Settings{},
		histories:  histories(slices.Concat(l.namespace.Renumbered, l.unnoted)),
		unreserved: unreserved(l.namespace.Renumbered),
	}
	ctx, stop := whileItMoves(ctx, l.service.options().StoreTimeout, &to.rows)
	defer stop()
	start, from := l.clock.Monotonic(), l.clock.Wall()
	to.turnLast()
	defer func() { l.unnoted = append(l.unnoted, to.renumbered(span{from, l.clock.Wall()})...) }()
	if err := to.read(ctx, l.namespace.ID); err != nil {
		return err
	}
	if l.toHide != nil && l.toHide.ID != l.namespace.ID { // Older: restore passes over clients that it knows.
		to.histories = histories(l.toHide.Renumbered)
		if err := to.read(ctx, l.toHide.ID); err != nil {
			return err
		}
	}
	l.namespace.endPlans(l.clock.Wall()) // Behind every row's reading of the clock.
	l.startEmpty()
	to.log(time.Duration(l.clock.Monotonic() - start))
	return nil
}

// loader puts stored buckets into the table.
type loader struct {
	*Limit
	histories map[string]history
	// unreserved is when the limit became strict, so that older records reserve nothing that binds.
	unreserved time.Time

	rows   atomic.Int64                // how many were read
	cut    int64                       // how many buckets would take longer to fill than they may
	gone   map[string]int64            // how many buckets are of tiers that there are no more
	turned map[string][2]gcra.Settings // what buckets had and got, by the tier, as far as that differs
}

// read restores the rows of a namespace.
func (l *loader) read(ctx context.Context, namespace uint32) error {
	return l.service.store.Load(ctx, namespace, func(r Record) error {
		if n := l.rows.Add(1); n%loadProgress == 0 {
			l.service.logger.Info().Str("limit", l.Name()).Int64("buckets", n).Msg("loading")
		}
		if l.toHide != nil {
			r.ClientID = l.options().Secret(r.ClientID)
		}
		return l.restore(r)
	})
}

// log logs what was loaded.
func (l *loader) log(took time.Duration) {
	log := &l.service.logger
	if l.cut > 0 {
		log.Warn().Str("limit", l.Name()).Int64("buckets", l.cut).Dur("longest", gcra.MaxSpan).
			Msg("buckets of a former version take longer to fill than any may: their capacities are cut")
	}
	for tier, buckets := range l.gone {
		log.Warn().Str("limit", l.Name()).Str("tier", tier).Int64("buckets", buckets).
			Msg("there is no such tier any more: its buckets follow the limit's own numbers until there is")
	}
	log.Info().Str("limit", l.Name()).Int64("buckets", l.rows.Load()).Bool("after_a_stop", !l.hasCrashed()).
		Dur("duration", took).Msg("buckets loaded")
}

// hasCrashed reports whether the last run has crashed, as far as the store knows.
func (l *loader) hasCrashed() bool { return l.namespace.Stopped.IsZero() }

// restore puts a stored bucket into the table. The bucket is dirty if loading changed it, if the
// clock contradicts its row, or if its row reserves too little. An unmanaged bucket that is full is
// dirty, too: the flush then deletes its row, and the reaper the bucket.
//
// If the store comes late, the client may have a bucket already. What was spent from it is then
// taken off the stored one. A bucket marked Stored was restored by a load that broke off.
func (l *loader) restore(r Record) error {
	isCut, err := l.check(&r)
	if err != nil {
		return err
	}
	if l.isGone(r.Tier) {
		l.gone[r.Tier]++
	}
	wall := l.clock.Wall()
	now := l.clock.Monotonic() // Read after wall: what lies between isn't credited twice.
	c := l.table.Claim(r.ClientID)
	defer c.Release()
	if b := c.Live(); b != nil && b.Has(table.Stored) {
		return nil
	}
	was, changed := l.account(r, wall, l.hasCrashed())
	if l.hasCrashed() && l.reservesAll(r) {
		was.credit = min(0, was.credit)
	}
	credit, late := int64(0), false
	seen := c.Replace(was.rate, marksOf(r), now, func(is *gcra.Rate, live gcra.Holding) int64 {
		//mutant:unclamp what-is-reserved-is-owed
		credit = max(0, was.turn(is).credit)
		if live.Rate != nil {
			late = true
			credit = max(0, credit-live.Rate.Convert(live.Rate.Span-live.Credit, is))
		}
		return is.TAT(credit, live.At)
	})
	is := seen.Rate
	short := l.options().Strict && l.restoreLimit(&c, seen, r)
	//mutant:false what-a-crash-took-is-given-back-by-a-stop
	taken := l.hasCrashed() && (r.Reserved > 0 || l.reservesAll(r)) // So that the row changes before an orderly stop.
	if was.rate.Settings != is.Settings {
		changed = true
		l.turned[r.Tier] = [2]gcra.Settings{was.rate.Settings, is.Settings}
	}
	// A reservation that doesn't bind any more is to go.
	unbound := !l.options().Strict && r.Reserved > 0
	if late || short || taken || unbound || changed || isCut || r.At.After(wall) || !r.Managed && credit == is.Span {
		c.MarkDirty(seen.Bucket, now)
	}
	return nil
}

// turnLast notes where the last change that is known left other settings than the present ones, so
// that each change begins with those that the one before it left, also if no row has them.
func (l *loader) turnLast() {
	for tier, h := range l.histories {
		if was, is := h[len(h)-1].Is, l.options().settingsOf(tier); was != is {
			l.turned[tier] = [2]gcra.Settings{was, is}
		}
	}
}

// renumbered are the changes since the last run.
func (l *loader) renumbered(at span) (list []Renumbered) {
	for _, tier := range slices.Sorted(maps.Keys(l.turned)) {
		list = append(list, at.renumbered(tier, l.turned[tier][0], l.turned[tier][1]))
	}
	return list
}

// restoreLimit gives a bucket the limit of its row, if there is one. It reports whether little of
// it is left.
func (l *loader) restoreLimit(c *table.Claim, seen table.Observation, r Record) (short bool) {
	if math.IsInf(r.Reserved, 1) {
		return false
	}
	// In this order: what lies between isn't reserved twice.
	now, wall := l.clock.Monotonic(), l.clock.Wall()
	left, _ := l.account(r, wall, true)
	//mutant:less a-limit-is-restored-too-high
	credit := left.turn(seen.Rate).credit
	limit := now + seen.Rate.Span - credit
	c.SetLimit(seen.Bucket, limit, seen)
	return limit-max(seen.TAT, now) < l.reserve(seen.Rate)*seen.Rate.Interval/2
}

func marksOf(r Record) table.Mark {
	if r.Managed {
		return table.Stored | table.Managed
	}
	return table.Stored
}

// startEmpty starts unknown clients with empty buckets if a crash may have lost what they spent: a
// crash of a strict run, or of one before it, so short a time ago that an empty bucket wouldn't be
// full yet.
func (l *Limit) startEmpty() {
	stopped := l.namespace.Stopped
	is, was, wall := l.table.Defaults(), gcra.NewRate(l.lastSettings()), l.clock.Wall()
	now := l.clock.Monotonic() // Read after wall, as in restore.
	empty := was.Since(now+min(was.Span, max(0, int64(stopped.Sub(wall)))), now, is, true) - now
	//mutant:false who-has-no-row-starts-full-after-a-crash
	if stopped.IsZero() && l.options().Strict {
		empty = is.Span
	}
	if empty > 0 {
		l.table.StartEmpty(now + empty)
	}
}

// lastSettings are the settings of unmanaged buckets until now, as far as the store knows.
func (l *Limit) lastSettings() gcra.Settings {
	for _, c := range slices.Backward(l.namespace.Renumbered) {
		if c.Tier == "" {
			return c.Is
		}
	}
	return l.options().Settings
}
