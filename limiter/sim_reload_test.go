//go:build simulation

package limiter

import (
	"context"
	"errors"
	"math/big"
	"slices"
	"time"

	"gopher-equalizer/limiter/gcra"
)

// simTier is the one tier that limits may have.
const simTier = "gold"

// simReload is a time that passes before, within and after a reload. A change is noted with the
// span of time in which it came, at least a microsecond. There are never two in one.
const simReload = 2 * int64(time.Microsecond)

// simLimit is a limit as the world has it.
type simLimit struct {
	*Limit    // nil: there is none, and it has left
	gone      bool
	crashed   bool // while it was leaving
	failed    bool // a reload that was to bring it back, so the store may have it at work
	letting   bool // it may have left, so nobody takes from it any more
	changes   []simChange
	wasStrict bool // buckets may still have limits
}

// simChange is a change of the settings that buckets follow.
type simChange struct {
	at   int64 // true time
	tier string
	is   *gcra.Rate
}

func (l *simLimit) leave(w *simWorld, inOrder bool) {
	if l.gone && l.Limit != nil {
		l.Limit, l.crashed = nil, l.crashed && !inOrder
	}
}

// present are the options, with the limits that there are.
func (w *simWorld) present() Options { return w.with(w.o, w.gone()) }

func (w *simWorld) gone() (gone [simLimits]bool) {
	for i := range w.limits {
		gone[i] = w.limits[i].gone
	}
	return gone
}

func (w *simWorld) with(o Options, gone [simLimits]bool) Options {
	all := o.Limits
	o.Limits = nil
	for i, l := range all {
		if !gone[i] {
			o.Limits = append(o.Limits, l)
		}
	}
	return o
}

// rateOf is what a limit's buckets have that are in a tier, or unmanaged if it is "".
func (w *simWorld) rateOf(limit int, tier string) *gcra.Rate {
	return gcra.NewRate(w.o.Limits[limit].settingsOf(tier)).In(tier)
}

// mayLeave reports whether a flush may let a limit go.
func (w *simWorld) mayLeave() bool {
	return slices.ContainsFunc(w.limits[:], func(l simLimit) bool { return l.gone && l.Limit != nil })
}

// isLoading reports whether a reload is being prepared. What it loads is of one reading of the
// wall clock.
func (w *simWorld) isLoading() bool { return len(w.s.preparing) > 0 && w.prepared == nil }

// mayHaveLeft reports whether the store may have it that a limit has left. It is soon over.
func (w *simWorld) mayHaveLeft() bool {
	return slices.ContainsFunc(w.limits[:], func(l simLimit) bool { return l.letting })
}

// haveLeft returns which limits have gone since it was last called.
func (w *simWorld) haveLeft() (left [simLimits]bool) {
	for i := range w.limits {
		l := &w.limits[i]
		if l.Limit != nil && l.gone && !slices.Contains(w.s.present.Load().leaving, l.Limit) {
			w.note("left", i)
			l.crashed = false
			l.leave(w, true)
			left[i] = true
		}
	}
	return left
}

// renew has all buckets of a limit follow its present numbers.
func (w *simWorld) renew() {
	c := w.sameOrOther()
	if !w.reloads || w.limits[c.limit].Limit == nil || w.locked(w.here()...) {
		return
	}
	w.during(&simOp{}, func() {
		w.note("renew")
		w.table(c).Renew(nil)
	})
}

// simPrepared is a reload that is prepared, and neither applied nor discarded.
type simPrepared struct {
	*Reload
	o      Options
	gone   [simLimits]bool
	failed [simLimits]bool // as it was before
	load   simLoad
}

// simRates are what a client's bucket and its limit had until a change.
type simRates struct {
	until    int   // by how many changes there were
	at       int64 // when that was
	is       *gcra.Rate
	defaults *gcra.Rate
	tier     *gcra.Rate
}

// reload prepares a reload, or ends the one that is prepared.
func (w *simWorld) reload() {
	switch {
	case !w.reloads:
	case w.prepared != nil:
		w.endReload()
	default:
		w.prepare()
	}
}

// prepare prepares other limits. It must not wait for anybody.
func (w *simWorld) prepare() {
	if len(w.s.preparing) > 0 || w.locked(w.here()...) {
		return
	}
	p := &simPrepared{}
	p.o, p.gone = w.changed()
	if len(w.s.writing) > 0 && w.needsStore(p) {
		return
	}
	w.during(&simOp{}, func() {
		w.now += simReload
		began := w.now
		for i := range w.limits {
			l := &w.limits[i]
			p.failed[i], l.failed = l.failed, l.failed || l.gone && !p.gone[i] // unless it is applied
		}
		w.store.remember(w.gone(), p.gone)
		r, err := w.s.Prepare(context.Background(), w.with(p.o, p.gone))
		switch {
		case errors.Is(err, errSimAway) || errors.Is(err, ErrInDoubt):
			w.note("reload that failed")
			return
		case err != nil:
			w.fail("reload: %v", err)
		}
		p.Reload, p.load = r, simLoad{began, w.now, w.wall}
		w.prepared = p
		w.note("prepared", p.gone, p.o.Limits)
		w.now += simReload
	})
}

// needsStore reports whether Prepare takes the write lock.
func (w *simWorld) needsStore(p *simPrepared) bool {
	for i, is := range p.o.Limits {
		if w.limits[i].gone || !p.gone[i] && is.Strict {
			return true
		}
	}
	return false
}

// endReload applies what is prepared, or discards it.
func (w *simWorld) endReload() {
	p := w.prepared
	isLoaded := !slices.ContainsFunc(p.to.limits, func(l *Limit) bool { return !l.loaded.Load() })
	switch {
	case w.dice.IntN(8) == 0 || !isLoaded:
		w.discard(p)
	case w.flushing && p.gone != w.gone(): // A limit would leave while takers have it.
	case !slices.ContainsFunc(w.stack, w.wouldWait):
		w.apply(p)
	}
}

func (w *simWorld) discard(p *simPrepared) {
	if len(w.s.writing) > 0 {
		return // It would wait.
	}
	w.during(&simOp{}, func() {
		w.prepared = nil
		p.Discard()
		w.note("discard")
	})
}

// wouldWait reports whether a taker under way that can't be interrupted would have to wait, if its
// bucket were to follow other numbers.
func (w *simWorld) wouldWait(op *simOp) bool {
	return op.taker != nil && op.taker.interrupt == nil &&
		(op.client != nil && !w.claimable(op.client) ||
			slices.ContainsFunc(op.uses, func(u *simUse) bool { return !w.claimable(u.client) }))
}

func (w *simWorld) apply(p *simPrepared) {
	w.during(&simOp{}, func() {
		w.lookAtPending()
		for _, c := range w.here() {
			if p := c.pending; p != nil && p.written && !p.applied && !p.deletes {
				p.before = append(p.before, w.results(c, p)...)
				p.was = append(p.was, c.is)
			}
		}
		w.now += simReload
		w.prepared = nil
		p.Apply()
		for i := range w.limits {
			w.limits[i].failed = p.failed[i]
		}
		w.note("reload", p.gone, p.o.Limits)
		w.applied(p)
		w.now += simReload
	})
}

// changed are other options, and which limits there are not.
func (w *simWorld) changed() (o Options, gone [simLimits]bool) {
	o, gone = w.o, w.gone()
	o.Limits = slices.Clone(o.Limits)
	for i := range o.Limits {
		l := &o.Limits[i]
		tiers := map[string]gcra.Settings{}
		if s, ok := l.Tiers[simTier]; ok {
			tiers[simTier] = s
		}
		mayTurn := i > 0 && !gone[3-i] && len(w.late) == 0 && w.clients[i].pending == nil
		switch n := w.dice.IntN(12); {
		case gone[i] && (n < 4 || w.limits[i].letting) && mayTurn:
			gone[i] = false
		case n < 5:
			l.Settings = w.settings()
		case n < 7:
			tiers[simTier] = w.settings()
		case n < 8:
			delete(tiers, simTier)
		case n < 9:
			l.Strict = !l.Strict
		case n < 10 && mayTurn:
			gone[i] = true
		}
		l.Tiers = tiers
	}
	return o, gone
}

// applied follows a reload.
func (w *simWorld) applied(p *simPrepared) {
	was, o, gone := w.o, p.o, p.gone
	w.o = o
	for i := range w.limits {
		l := &w.limits[i]
		before, is := &was.Limits[i], &o.Limits[i]
		returns := l.gone && !gone[i]
		if !gone[i] {
			delete(w.store.remembered, uint32(i+1))
		}
		l.gone, l.letting = gone[i], l.letting && gone[i]
		if returns && l.Limit != w.s.Limit(is.Name) {
			l.Limit = w.s.Limit(is.Name)
			w.returns(i, p)
			continue
		}
		if gone[i] {
			o.Limits[i] = *before // It goes on as it was.
			continue
		}
		w.renumber(i, before, is)
	}
}

// renumber follows what has become of a limit's numbers.
func (w *simWorld) renumber(i int, before, is *LimitOptions) {
	l := &w.limits[i]
	if !before.sameNumbers(is) {
		w.count["renumbered"]++
		w.former(i, before)
	}
	for _, tier := range []string{"", simTier} {
		was, rate := gcra.NewRate(before.settingsOf(tier)), w.rateOf(i, tier)
		if was.Settings == rate.Settings {
			continue
		}
		l.changes = append(l.changes, simChange{w.now, tier, rate})
		if tier == "" && w.blank[i] > w.now {
			w.blank[i] = turned(w.blank[i], was, rate, w.now, true)
		}
		for _, c := range w.clients {
			w.turn(c, i, tier, rate, w.now)
		}
	}
	if before.Strict && !is.Strict {
		l.wasStrict = true
	}
	for _, c := range w.clients {
		if c.limit == i && (!before.sameNumbers(is) || before.Strict != is.Strict) {
			c.reloads++
			c.unnoted = true
		}
	}
}

// former keeps what there was before a change, for takers and operators who may have seen it.
func (w *simWorld) former(limit int, before *LimitOptions) {
	for _, c := range w.clients {
		if c.limit != limit {
			continue
		}
		was := simRates{
			w.count["renumbered"], w.now, c.is,
			gcra.NewRate(before.Settings), gcra.NewRate(before.settingsOf(simTier)).In(simTier),
		}
		c.former, c.since = append(c.former, was), w.now
		for _, op := range w.stack {
			if op.admin && op.client == c {
				op.former = append(op.former, was)
			}
		}
	}
}

// turn follows what has become of a client's bucket.
func (w *simWorld) turn(c *simClient, limit int, tier string, is *gcra.Rate, at int64) {
	if c.limit != limit {
		return
	}
	if p := c.pending; p != nil && p.written && !p.deletes && p.is.Tier == tier && tier != "" {
		for _, tats := range [][]int64{p.tats, p.before} {
			for i, tat := range tats {
				tats[i] = turned(tat, p.is, is, at, false)
			}
		}
		p.turn(is, at)
	}
	if c.is.Tier != tier || c.managed != (tier != "") {
		return
	}
	scale := func(credit int64) int64 { return scaled(credit, c.is, is) + 1 }
	c.late, c.soon, c.given, c.taken = scale(c.late), scale(c.soon), scale(c.given), scale(c.taken)
	c.tat, c.is = turned(c.tat, c.is, is, at, !c.managed), is
}

// turned is an arrival time that was one under other settings until a moment.
func turned(tat int64, was, is *gcra.Rate, at int64, fills bool) int64 {
	if fills && tat <= at {
		return at
	}
	credit := was.Span - max(0, tat-at)
	return at + is.Span - min(is.Span, scaled(credit, was, is))
}

// scaled is the credit of as many tokens, rounded down.
func scaled(credit int64, was, is *gcra.Rate) int64 {
	x := new(big.Int).Mul(big.NewInt(credit), big.NewInt(is.Interval))
	return x.Div(x, big.NewInt(was.Interval)).Int64() // towards minus infinity
}

// returns compares the buckets of a limit that is there again with the true ones.
func (w *simWorld) returns(i int, p *simPrepared) {
	l := &w.limits[i]
	full := w.startBlank(i)
	for _, tier := range []string{"", simTier} {
		rate := w.rateOf(i, tier)
		l.changes = append(l.changes, simChange{p.load.until, tier, rate})
		for _, c := range w.clients {
			if c.limit == i && c.is.Settings != rate.Settings {
				// It was loaded since the reload began.
				gap := p.load.until - p.load.from
				c.slack = gap + scaled(gap, c.is, rate) + 2
				w.turn(c, i, tier, rate, p.load.until)
			}
		}
	}
	for _, c := range w.clients {
		if c.limit == i {
			c.unnoted = c.unnoted || full
			w.startedOne(c, !l.crashed && !l.failed, p.load)
		}
	}
	l.crashed, l.failed, l.wasStrict = false, false, false
}

// simPath is what a row comes to by now.
type simPath struct {
	rate     *gcra.Rate
	credit   int64
	rounding int64
	// unsure means that a bucket may have been full at a change, though its row was not.
	unsure bool
}

// path is what a row comes to by now, without credit that may have been spent.
func (w *simWorld) path(c *simClient, row simRow, reserved int64) simPath {
	p := simPath{rate: gcra.NewRate(row.Settings).In(row.Tier), rounding: simRounding}
	p.credit = p.rate.FromTokens(row.Tokens) - reserved
	at := row.at()
	if was := row.started; was != nil {
		p.rate, p.credit, at = was.rate, was.credit-reserved, was.at
	}
	for _, change := range w.limits[c.limit].changes {
		if row.Managed && row.Tier == "" || change.tier != row.Tier || at > change.at+simRounding {
			continue
		}
		p.credit = min(p.rate.Span, p.credit+max(0, change.at-at))
		at = max(at, change.at)
		full := p.credit >= p.rate.Span
		if !row.Managed && !full && change.is.Capacity > p.rate.Capacity {
			p.unsure = p.unsure || reserved > 0 || c.given > 0 || p.credit >= p.rate.Span-p.rounding
		}
		if full && !row.Managed {
			p.credit = change.is.Span
		} else {
			p.credit = min(change.is.Span, scaled(p.credit, p.rate, change.is))
		}
		p.rounding = scaled(p.rounding, p.rate, change.is) + simRounding
		p.rate = change.is
	}
	p.credit = min(p.rate.Span, p.credit+max(0, w.now-at))
	return p
}
