//go:build simulation

package limiter

import (
	"cmp"
	"math"
	"slices"
	"time"

	"gopher-equalizer/limiter/gcra"
)

// simLoad is a time in which rows were loaded, true time, and the wall clock then.
type simLoad struct {
	from, until int64
	wall        simWall
}

// noted is the least and the most that a row comes to by now, by all that the store has noted: each
// change came when that is worst for the client, and after a crash all that is reserved is spent.
// Both are at an end of the time in which it was loaded, or at a moment at which what it earns by
// changes.
func (w *simWorld) noted(c *simClient, row simRow, load simLoad) (least, most int64) {
	first, isFilled, full, _ := w.notedAt(c, row, load, load.from, !row.Managed)
	last, willBeFilled, _, paid := w.notedAt(c, row, load, load.until, !row.Managed)
	least, most = min(first, last), max(first, last)
	// Until it is full it earns at its own refill, and until it is paid what it owes isn't counted.
	// The others come again if the clock stepped back.
	moments := []int64{full}
	for _, at := range slices.Concat(w.store.loaded[c.key().Namespace].moments(), paid, []time.Time{row.At}) {
		moments = append(moments, int64(at.Sub(simDawn))-load.wall.skew)
	}
	for _, at := range moments {
		if at > load.from && at < load.until {
			credit, filled, _, _ := w.notedAt(c, row, load, at, !row.Managed)
			least, most, willBeFilled = min(least, credit), max(most, credit), willBeFilled || filled
		}
	}
	if willBeFilled != isFilled { // It was loaded before that.
		notFilled, _, _, _ := w.notedAt(c, row, load, load.until, false)
		least = min(least, notFilled)
	}
	return least, most
}

// moments are those of its changes.
func (s simSpace) moments() (all []time.Time) {
	for _, change := range s.Renumbered {
		all = append(all, change.From, change.Until)
	}
	return all
}

// notedAt is what the row comes to if it is loaded at a moment, whether a change filled it, when it
// would have been full without being loaded, and when it may have paid what it owed.
func (w *simWorld) notedAt(
	c *simClient, row simRow, load simLoad, moment int64, fills bool,
) (credit int64, isFilled bool, full int64, paid []time.Time) {
	space := w.store.loaded[c.key().Namespace]
	present := gcra.NewRate(row.Settings)
	if row.Tier != "" || !row.Managed {
		present = w.rateOf(c.limit, row.Tier)
	}
	crashed, since := space.Stopped.IsZero(), w.now-moment
	if crashed && reservesAll(row, space) {
		return min(present.Span, since), false, w.now, nil
	}
	n := noted{
		rate: gcra.NewRate(row.Settings), at: row.At, wall: simDawn.Add(time.Duration(moment + load.wall.skew)),
		fills: fills, unnoted: c.unnoted && w.wall.ahead != w.wall.skew,
	}
	n.credit = n.rate.FromTokens(row.Tokens)
	if crashed {
		n.credit -= n.rate.Reserved(row.Reserved)
	}
	n.passAll(n.changes(space.Renumbered, row), row)
	n.earn(n.wall)
	full = moment + n.rate.Span - n.credit
	n.turn(present)
	return min(present.Span, max(0, n.credit)+since), n.filled, full, n.paid
}

// reservesAll reports whether a strict limit may have admitted all that a row has.
func reservesAll(row simRow, space simSpace) bool {
	unreserved := time.Time{}
	for _, change := range space.Renumbered {
		if change.Unreserved {
			unreserved = later(unreserved, change.From)
		}
	}
	return math.IsInf(row.Reserved, 1) || space.Strict && (row.Reserved == 0 || row.At.Before(unreserved))
}

// noted is credit that was counted at a moment of the wall clock.
type noted struct {
	rate     *gcra.Rate
	credit   int64
	at, wall time.Time
	fills    bool // a full bucket is full after a change
	filled   bool
	unnoted  bool        // its settings may be newer than what is noted, and the clock stepped back
	paid     []time.Time // when credit may have come to 0
}

func (n *noted) isFull() bool { return n.credit >= n.rate.Span }

func (n *noted) earn(until time.Time) {
	if d := until.Sub(n.at); d > 0 {
		if n.credit < 0 {
			n.paid = append(slices.Clip(n.paid), n.at.Add(time.Duration(-n.credit)))
		}
		n.credit, n.at = min(n.rate.Span, n.credit+int64(d)), until
	}
}

func (n *noted) turn(is *gcra.Rate) {
	switch {
	case n.rate.Settings == is.Settings:
	case n.fills && n.isFull():
		n.credit, n.filled = is.Span, true
	default:
		n.credit = min(is.Span, scaled(n.credit, n.rate, is))
	}
	n.rate = is
}

// changes are those of buckets like the row's. What is planned may come until now.
func (n *noted) changes(all []Renumbered, row simRow) (own []Renumbered) {
	for _, change := range all {
		if change.Tier == row.Tier && (row.Tier != "" || !row.Managed) && change.Was != change.Is {
			if change.isPlanned() {
				change.Until = later(change.From, n.wall)
			}
			own = append(own, change)
		}
	}
	return own
}

// passAll makes it what it is after the changes that the row has not seen: those that its settings
// don't say it has, and where they came back, those of later moments. If the wall clock contradicts
// that, or puts the changes in another order, it is the least that it may be. If its settings may
// be newer than what is noted, and the clock stepped back, later moments alone count.
func (n *noted) passAll(changes []Renumbered, row simRow) {
	var fit, all []noted
	inOrder := slices.IsSortedFunc(changes, func(a, b Renumbered) int { return a.From.Compare(b.From) })
	for i := range len(changes) + 1 {
		has := i < len(changes) && changes[i].Was == row.Settings || i > 0 && changes[i-1].Is == row.Settings
		if !has && len(changes) > 0 {
			continue
		}
		after := *n
		for _, change := range changes[i:] {
			after.passes(change)
		}
		after.earn(n.wall)
		all = append(all, after)
		early := slices.ContainsFunc(changes[:i], func(c Renumbered) bool { return row.At.Before(c.From) })
		late := slices.ContainsFunc(changes[i:], func(c Renumbered) bool { return row.At.After(earlier(c.Until, n.wall)) })
		if inOrder && !early && !late {
			fit = append(fit, after)
		}
	}
	if len(fit) > 0 {
		all = fit[:1]
	}
	if i := slices.IndexFunc(changes, func(c Renumbered) bool { return row.At.Before(c.From) }); n.unnoted && len(all) == 0 && i >= 0 {
		for _, change := range changes[i:] {
			n.passes(change)
		}
	}
	if len(all) > 0 {
		*n = slices.MinFunc(all, func(a, b noted) int { return cmp.Compare(a.credit, b.credit) })
	}
}

// passes makes it what it is after a change.
func (n *noted) passes(change Renumbered) {
	change.From, change.Until = earlier(change.From, n.wall), earlier(change.Until, n.wall)
	is, early, late := gcra.NewRate(change.Is), *n, *n
	early.earn(change.From)
	fullAtFirst := early.isFull()
	early.turn(is)
	early.earn(change.Until)
	late.earn(change.Until)
	fills := n.fills && (!change.Unknown || early.isFull() && late.isFull())
	late.fills = n.fills && fullAtFirst
	late.turn(is)
	paid := slices.Concat(early.paid, late.paid)
	if *n = early; late.credit < early.credit {
		*n = late
	}
	n.fills, n.paid = fills, paid
}
