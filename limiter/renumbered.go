package limiter

import (
	"slices"
	"time"

	"gopher-equalizer/limiter/gcra"
)

// A reload changes the settings of millions of buckets at one moment, and rewrites no row. A row
// has the settings that its tokens were earned at until then. So the namespace has a note of what
// was changed, and when. A start credits each row at its own settings until the change, and at the
// other ones from then on.
//
// The moment is a span of time, since a wall clock can't be read at the very moment. Within the
// span a client is credited by whichever settings leave it less.

// maxRenumbered is how many changes a namespace notes. Only if there are more within the time that
// a bucket takes to fill, something is forgotten.
const maxRenumbered = 256

// renumbered is the list with more changes.
func renumbered(list, more []Renumbered) []Renumbered {
	list = slices.Concat(list, more)
	if over := len(list) - maxRenumbered; over > 0 {
		wasUnreserved := slices.ContainsFunc(list[:over], func(c Renumbered) bool { return c.Unreserved })
		list = list[over:]
		for i := range list {
			list[i].Forgotten = list[i].Forgotten || isFirstOf(list, i)
		}
		list[0].Unreserved = list[0].Unreserved || wasUnreserved
	}
	return list
}

// needed is the list without the changes that no row needs any more. Those of a tier are rewritten
// soon after a change. An unmanaged bucket that was not written since has become full by now, even
// if it had to earn as many tokens more as its row may reserve.
func needed(list []Renumbered, now time.Time, reserve func(*gcra.Rate) int64) []Renumbered {
	longest, reserved := int64(0), int64(0)
	for _, s := range settingsIn(list) {
		reserved = max(reserved, reserve(gcra.NewRate(s)))
	}
	for _, s := range settingsIn(list) {
		r := gcra.NewRate(s)
		longest = max(longest, min(gcra.MaxSpan, r.Span+r.Reserved(float64(reserved))))
	}
	due := now.Add(-time.Duration(longest))
	for len(list) > 0 && !list[0].isPlanned() && list[0].Until.Before(due) {
		list = list[1:]
	}
	return list
}

// settingsIn are all that a list has.
func settingsIn(list []Renumbered) (all []gcra.Settings) {
	for _, c := range list {
		all = append(all, c.Was, c.Is)
	}
	return all
}

// isFirstOf reports whether a change is the first of its tier.
func isFirstOf(list []Renumbered, i int) bool {
	return !slices.ContainsFunc(list[:i], func(c Renumbered) bool { return c.Tier == list[i].Tier })
}

// history are the changes of one tier's settings, or of the unmanaged buckets', with their rates.
type history []renumbering

// renumbering is a change, and the rate that it gives buckets.
type renumbering struct {
	Renumbered
	rate *gcra.Rate
}

// histories are those of a namespace, by tier.
func histories(list []Renumbered) map[string]history {
	all := map[string]history{}
	for _, c := range list {
		if c.Was != c.Is || c.Forgotten { // Others only note which settings there were.
			all[c.Tier] = append(all[c.Tier], renumbering{c, gcra.NewRate(c.Is).In(c.Tier)})
		}
	}
	return all
}

// unreserved is when the limit last became strict; zero if no record is older than that.
func unreserved(list []Renumbered) (at time.Time) {
	for _, c := range list {
		if c.Unreserved {
			at = later(at, c.From)
		}
	}
	return at
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// account is what a bucket holds at a moment, as its row has it. Less than 0 is owed.
type account struct {
	rate   *gcra.Rate
	credit int64
	at     time.Time
	fills  bool // a full one stays full under other settings
}

// earn is the account at a later moment. A clock that stepped back earns nothing and costs nothing.
func (a account) earn(at time.Time) account {
	//mutant:unclamp a-clock-that-stepped-back-costs-what-was-earned
	earned := max(0, int64(at.Sub(a.at)))
	a.credit = min(a.rate.Span, a.credit+min(earned, gcra.MaxSpan))
	a.at = later(a.at, at)
	return a
}

func (a account) isFull() bool { return a.credit >= a.rate.Span }

// turn is the account under other settings.
func (a account) turn(is *gcra.Rate) account {
	if a.fills && a.isFull() {
		a.rate, a.credit = is, is.Span
		return a
	}
	a.credit = a.rate.Convert(a.credit, is)
	a.rate = is
	return a
}

// through is the account after the changes that it has not seen. It reports whether there were any.
//
// Its settings say which it has seen, since each change puts others in their place. If they went
// and came back, its moment says between which changes it is. If a clock that stepped contradicts
// that, or the changes' own moments aren't in order, it is the least of what it may be. If the
// settings are none of the changes', because those of their time aren't known any more, the moment
// alone counts.
func (a account) through(h history, wall time.Time) (account, bool) {
	var least account
	found, inOrder := false, h.isInOrder()
	for i := range len(h) + 1 {
		//mutant:false an-old-row-is-placed-by-the-clock
		if !h.has(i, a.rate.Settings) || h.forgets(a) {
			continue
		}
		if inOrder && h.isIn(i, a.at, wall) {
			return a.throughAll(h[i:], wall)
		}
		is, _ := a.throughAll(h[i:], wall)
		if is = is.earn(wall); !found || is.credit < least.credit {
			least, found = is, true
		}
	}
	if found {
		return least, true
	}
	i := slices.IndexFunc(h, func(c renumbering) bool { return a.at.Before(c.From) })
	if i < 0 {
		return a, false
	}
	return a.throughAll(h[i:], wall)
}

// throughAll is the account after all of the changes.
func (a account) throughAll(h history, wall time.Time) (account, bool) {
	changed := false
	//mutant:drop an-old-row-is-credited-at-the-old-rate-behind-a-reload
	for _, c := range h {
		changed = changed || a.rate.Settings != c.Is
		a = a.past(c.by(wall))
	}
	return a, changed
}

// isInOrder reports whether no clock that stepped back lets a change seem to come before one that
// came before it.
func (h history) isInOrder() bool {
	return slices.IsSortedFunc(h, func(a, b renumbering) int { return a.From.Compare(b.From) })
}

// forgets reports whether an account may be of before changes that aren't known any more.
func (h history) forgets(a account) bool {
	return len(h) > 0 && h[0].Forgotten && a.at.Before(h[0].From)
}

// isIn reports whether a moment is between change i-1 and change i, and so behind all the former
// ones and before all the later ones. The span of a change is on either side of it.
func (h history) isIn(i int, at, wall time.Time) bool {
	return !slices.ContainsFunc(h[:i], func(c renumbering) bool { return at.Before(c.From) }) &&
		!slices.ContainsFunc(h[i:], func(c renumbering) bool { return at.After(c.by(wall).Until) })
}

// has reports whether buckets may have had these settings between change i-1 and change i.
func (h history) has(i int, s gcra.Settings) bool {
	return i < len(h) && h[i].Was == s || i > 0 && h[i-1].Is == s
}

// by is a change as it is seen from a moment. A clock that stepped back earns nothing, so no change
// is later than that. One that is planned may not have come, so an account earns at either rate.
func (c renumbering) by(wall time.Time) renumbering {
	if c.isPlanned() {
		c.Until = later(c.From, wall)
	}
	c.From, c.Until = earlier(c.From, wall), earlier(c.Until, wall)
	return c
}

// past is the account after a change. It is the least of those for any moment within the change's
// span, to the nanosecond: what is earned is linear in the moment, up to the cuts, and conversions
// round down. So the least is at one of the two ends.
func (a account) past(c renumbering) account {
	if c.Forgotten && a.at.Before(c.From) {
		return account{c.rate, 0, c.Until, a.fills}
	}
	first, late := a.earn(c.From), a.earn(c.Until)
	early := first.turn(c.rate).earn(c.Until)
	// If the change didn't come, a bucket that it would have cut isn't full.
	staysFull := a.fills && (!c.Unknown || early.isFull() && late.isFull())
	// One that became full within the span may not have been by the change.
	late.fills = a.fills && first.isFull()
	late = late.turn(c.rate)
	early.fills, late.fills = staysFull, staysFull
	if late.credit < early.credit {
		return late
	}
	return early
}

// span is between which moments a change comes, by the wall clock. Without until it is unknown.
type span struct{ from, until time.Time }

func (at span) renumbered(tier string, was, is gcra.Settings) Renumbered {
	r := Renumbered{Tier: tier, Was: was, Is: is, From: at.from.UTC().Truncate(time.Microsecond), Unknown: true}
	if !at.until.IsZero() {
		r.Until, r.Unknown = storedTime(at.until), false
	}
	return r
}
