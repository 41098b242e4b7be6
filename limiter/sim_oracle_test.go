//go:build simulation

package limiter

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"gopher-equalizer/limiter/gcra"
	"gopher-equalizer/limiter/table"
)

// The oracle has a bucket of its own for each client, which no crash touches. It follows each spent
// token and each operator's write at the moment when it takes effect. The Service's bucket must be
// the same at any time. After a start it may be above and below by the bounds in doc.go.

// simClient is a client, and its true bucket.
type simClient struct {
	id      string
	limit   int // its number
	is      *gcra.Rate
	managed bool
	tat     int64         // true time
	known   *table.Bucket // the Service's bucket that this one is like; nil: it has none

	spent   int64 // tokens, ever
	covered int64 // of them, those told of before a flush began that was committed, or spent before an operator's write
	earlier int64 // of them, those until the last one by a taker that stalled over a reload
	// untold has the takers that have spent and don't know yet, with what was spent before. Such a
	// taker may not have queued the bucket's page yet, for itself and for others.
	untold  map[*simOp]int64
	since   int64      // when its limit's numbers last changed
	former  []simRates // what it was like until each change of its limit's numbers, of this process
	late    int64      // earned at the old refill while an operator's write was on its way; its row doesn't have it
	soon    int64      // earned at the new one meanwhile, as its row has it
	writes  int        // of operators, that memory has
	given   int64      // back, and not in a row that a flush has committed since
	changes int        // likewise, and deletions
	pending *simPlan   // an operator's write that isn't over
	reloads int        // that changed its limit
	unnoted bool       // one of them may not be noted in the store
	slack   int64      // of when a limit that returned was loaded
	taken   int64      // by a crash of a strict run, and not in a row since
}

func newSimClient(id string, limit int, s gcra.Settings) *simClient {
	return &simClient{id: id, limit: limit, is: gcra.NewRate(s), untold: map[*simOp]int64{}}
}

func (c *simClient) String() string { return fmt.Sprintf("%s of %c", c.id, 'a'+c.limit) }

// key is what the store knows the bucket by: the store was empty, and the limits were named in
// their order.
func (c *simClient) key() Key { return Key{uint32(c.limit + 1), c.id} }

// told is how many tokens were spent before any by a taker that doesn't know yet.
func (c *simClient) told() int64 {
	told := c.spent
	for _, before := range c.untold {
		told = min(told, before)
	}
	return told
}

// pays notes that a taker has spent.
func (c *simClient) pays(op *simOp, tokens int64) {
	c.untold[op] = c.spent
	op.paid = tokens
	c.spent += tokens
}

// price is the credit that a take costs: at most all that the bucket can hold.
func (c *simClient) price(cost int64) int64 { return min(cost, c.is.Capacity) * c.is.Interval }

// simPlan is what an operator asked for.
type simPlan struct {
	change  Change
	create  bool
	deletes bool

	written    bool // the store was asked to write it, at the moment at
	at         int64
	spent      int64      // when it began
	nothing    bool       // there may have been no bucket by then
	is         *gcra.Rate // its result
	row        Record     // as it was written
	tokens     int64      // as asked for; at first the capacity
	tats       []int64    // of these tokens, counted since it was written
	renumbered bool       // a reload has changed the result since, the last one at the moment turned
	turned     int64
	earned     int64        // at its refill of before that, as its row has it
	before     []int64      // arrival times that it had come to at the moment before a reload
	was        []*gcra.Rate // what the client's bucket had then
	applied    bool         // memory has it
	nop        bool         // or may have it, since it would make no difference
	inDoubt    bool
}

// simShortest is the shortest interval between two tokens.
const simShortest = int64(100 * time.Millisecond)

const simRounding = int64(2 * time.Microsecond) // of a row's time, up; and of its tokens, down

func (w *simWorld) true(tat int64) int64 { return tat + w.booted }

// quietly does something that makes no steps.
func (w *simWorld) quietly(do func()) {
	quiet := w.quiet
	w.quiet = true
	defer func() { w.quiet = quiet }()
	do()
}

// peek is the Service's bucket of a client. inTransit reports whether somebody has its page locked
// and is about to put one there.
func (w *simWorld) peek(c *simClient) (seen table.Observation, inTransit bool) {
	w.quietly(func() {
		var ok bool
		seen, ok = w.table(c).Peek(c.id)
		inTransit = !ok && !w.claimable(c)
	})
	return seen, inTransit
}

func (w *simWorld) isManaged(b *table.Bucket) (is bool) {
	w.quietly(func() { is = b.Has(table.Managed) })
	return is
}

// Step implements table.Simulator. Nobody's bucket makes no steps.
func (w *simWorld) Step(b *table.Bucket) {
	if w.quiet || b.ClientID() == "" {
		return
	}
	w.step(false)
}

// Spent implements table.Simulator: a taker has spent tokens of a bucket whose word was old, or
// given some back.
func (w *simWorld) Spent(b *table.Bucket, old, word int64) {
	name := b.ClientID()
	if name == "" {
		return
	}
	op := w.stack[len(w.stack)-1]
	c, use := op.client, w.useOf(op, b)
	if use != nil {
		c, op.cost = use.client, use.cost
	}
	if c == nil || c.id != name {
		w.fail("a token of %q was spent by nobody", name)
	}
	var seen, is, was, then table.Observation
	var isFormer bool
	w.quietly(func() {
		seen, was, isFormer = w.table(c).ObservationOf(b, old)
		is, then, _ = w.table(c).ObservationOf(b, word)
	})
	w.observe(c, seen)
	old, tat := was.TAT, then.TAT
	switch {
	case isFormer:
		w.spentBefore(c, op, was, tat, w.true(is.TAT))
		use.spent()
	case tat >= old:
		w.spend(c, op, w.true(tat))
		use.spent()
	case use == nil:
		w.fail("%q was given tokens back that it had not spent", c)
	default:
		w.giveBack(use, op, old-tat)
	}
}

// spentBefore follows tokens that were spent, or given back, under the numbers of before a reload,
// by a taker that had read the clock before it.
func (w *simWorld) spentBefore(c *simClient, op *simOp, was table.Observation, tat, is int64) {
	price := was.Rate.Price(op.cost)
	if now := op.now - w.booted; tat > was.TAT && (tat != max(was.TAT, now)+price || tat-now > was.Rate.Span) {
		w.fail("%q spent %d tokens before a reload, and that came to %d", c, op.cost, tat)
	}
	if tat > was.TAT {
		c.pays(op, price/was.Rate.Interval)
		c.earlier = c.spent
		w.note("spent before a reload")
	} else {
		c.given += c.is.Span
	}
	c.tat = is
}

// spend follows tokens that were spent.
func (w *simWorld) spend(c *simClient, op *simOp, tat int64) {
	was, price := c.tat, c.price(op.cost)
	c.tat = tat
	switch {
	case tat == max(was, op.now)+price && tat-op.now <= c.is.Span:
		c.pays(op, price/c.is.Interval)
	case w.isOfFormer(c, op, was, tat):
		w.note("spent by numbers of two reloads ago")
		c.pays(op, (tat-max(was, op.now))/c.is.Interval)
	case tat-op.now > c.is.Span:
		w.fail("%q spent tokens that it did not have", c)
	default:
		w.fail("%q: spending %d tokens came to %d, not %d", c, op.cost, tat, max(was, op.now)+price)
	}
}

// isOfFormer reports whether a taker that has stalled over two reloads, or four, may have found the
// very word again that it had read before: see numbers.go in package table.
func (w *simWorld) isOfFormer(c *simClient, op *simOp, was, tat int64) bool {
	for i := len(c.former) - 2; i >= 0 && c.former[i].until > op.renumbers; i -= 2 {
		is := c.former[i].is
		if tat == max(was, op.now)+is.Price(op.cost) && tat-op.now <= is.Span {
			return true
		}
	}
	return false
}

// took checks a taker's decision.
func (w *simWorld) took(c *simClient, d Decision) {
	op := w.stack[len(w.stack)-1]
	if !d.Allowed {
		w.looked(c)
	}
	price := c.price(op.cost)
	next := max(c.tat, op.now) + price
	seen, inTransit := w.peek(c)
	switch {
	case d.Allowed:
		w.note("take", c)
		if !w.stepped {
			w.observeSpent(c, op, seen)
		}
		delete(c.untold, op)
	case next-op.now > c.is.Span:
		w.note("refused", c)
	case !w.limit(c).Strict && !w.limits[c.limit].wasStrict:
		w.fail("%q was refused a token that it had", c)
	case op.changes == w.changes() && !inTransit && !w.reaches(c, seen.Bucket, next):
		w.fail("%q was refused a token that it had, and that is reserved", c)
	default:
		w.note("not reserved", c)
	}
}

// reaches reports whether a bucket's limit keeps it from an arrival time.
func (w *simWorld) reaches(c *simClient, b *table.Bucket, next int64) (reaches bool) {
	w.quietly(func() { reaches = b != nil && b.Has(table.Limited) && next > w.true(w.table(c).LimitOf(b)) })
	return reaches
}

// observeSpent is Spent where there are no steps: then nothing came between.
func (w *simWorld) observeSpent(c *simClient, op *simOp, seen table.Observation) {
	if seen.Bucket != c.known {
		w.adopt(c, seen, c.tat)
	}
	w.spend(c, op, w.true(seen.TAT))
}

// lookAtPending follows operators' writes as soon as they are in memory, before any time passes.
func (w *simWorld) lookAtPending() {
	if w.s == nil {
		return
	}
	for _, c := range w.here() {
		switch p := c.pending; {
		case p == nil:
		case p.written:
			w.looked(c)
		default:
			p.nothing = p.nothing || w.hasNothing(c)
		}
	}
}

// look compares all buckets.
func (w *simWorld) look() {
	if w.s == nil {
		return
	}
	for _, c := range w.here() {
		w.looked(c)
		if p := c.pending; p != nil && p.inDoubt && w.s.doubt.Load() == nil {
			c.pending = nil
		}
		w.compareWithStore(c)
		w.compareReserved(c)
	}
}

// looked compares a client's bucket with the true one.
func (w *simWorld) looked(c *simClient) {
	seen, inTransit := w.peek(c)
	switch {
	case inTransit: // somebody is at it
	case seen.Bucket != nil:
		w.observe(c, seen)
	case c.known == nil:
	case c.pending != nil && c.pending.deletes && c.pending.written, !c.managed && max(c.tat, w.blank[c.limit]) <= w.now:
		w.forget(c)
	default:
		w.fail("the bucket of %q is gone, with tokens spent", c)
	}
}

// forget makes a client start over.
func (w *simWorld) forget(c *simClient) {
	if c.pending != nil && c.pending.deletes && c.pending.written {
		c.pending.applied = true
	}
	c.changes++
	c.taken = max(0, w.blank[c.limit]-w.now) // by a crash before it
	c.is, c.managed, c.known, c.tat, c.covered = w.rateOf(c.limit, ""), false, nil, w.blank[c.limit], c.spent
	clear(c.untold)
}

// observe compares a bucket that was seen with the true one.
func (w *simWorld) observe(c *simClient, seen table.Observation) {
	tat := w.true(seen.TAT)
	if seen.Bucket != c.known {
		w.adopt(c, seen, tat)
	}
	if max(tat, w.now) != max(c.tat, w.now) {
		w.fail("%q has %v of refill too many", c, time.Duration(max(c.tat, w.now)-max(tat, w.now)))
	}
	c.tat = tat // one that is full may be another's: a taker's who looked at the clock long ago
}

// adopt finds out why there is another bucket than the known one: an operator's write, a limit, or
// a client that came back after its full bucket was dropped. An equal one has moved, or was written
// unchanged.
func (w *simWorld) adopt(c *simClient, seen table.Observation, tat int64) {
	isManaged := w.isManaged(seen.Bucket)
	asBefore := c.known != nil && isManaged == c.managed && sameRate(seen.Rate, c.is) && max(tat, w.now) == max(c.tat, w.now)
	switch p := c.pending; {
	case p == nil || !p.written || p.applied:
	case asBefore:
		p.nop = true
	default:
		if p.deletes && !isManaged && (c.managed || max(tat, w.now) != max(c.tat, w.now)) {
			w.forget(c) // and it came back; if not, it was given a limit
		}
		w.applies(c, p, seen, tat)
	}
	if isManaged != c.managed || !sameRate(seen.Rate, c.is) {
		w.fail("%q has a bucket with %v, managed %v; want %v, managed %v, or what comes of %+v; it lacks %v, and the one before %v",
			c, seen.Rate.Settings, isManaged, c.is.Settings, c.managed, c.pending, time.Duration(tat-w.now), time.Duration(c.tat-w.now))
	}
	c.known = seen.Bucket
}

func sameRate(a, b *gcra.Rate) bool { return a.Settings == b.Settings && a.Tier == b.Tier }

// applies notes that an operator's write is in memory, if that is what is seen there.
func (w *simWorld) applies(c *simClient, p *simPlan, seen table.Observation, tat int64) {
	if p.deletes || !w.isManaged(seen.Bucket) || !sameRate(seen.Rate, p.is) || !w.follows(c, p, tat) {
		return
	}
	p.applied = true
	c.writes++
	c.changes++
	passed := w.now - p.at
	c.late, c.soon = c.is.Convert(min(c.is.Span, passed), p.is), passed+p.earned
	for _, was := range p.was { // It may have counted at the refill of either side of a reload.
		c.soon += c.late
		c.late = max(c.late, was.Convert(min(was.Span, passed), p.is))
		c.soon += c.late
	}
	if len(p.was) > 0 { // A reload may have cut what the row has.
		is := gcra.NewRate(p.row.Settings)
		c.soon = max(c.soon, is.Convert(min(is.Span, is.FromTokens(p.row.Tokens)+passed), p.is)+p.earned-p.is.Credit(tat, w.now))
	}
	if p.is.Tier != "" && len(p.was) > 1 { // Those in between may have cut what the row has.
		c.late = max(c.late, p.is.Credit(tat, w.now)-w.path(c, w.store.rows[c.key()], 0).credit)
	}
	c.is, c.managed, c.tat = p.is, true, tat
	c.covered = max(c.covered, p.spent)
}

// follows reports whether an operator's write turns the true bucket into this, or would have done
// so at the moment before a reload.
func (w *simWorld) follows(c *simClient, p *simPlan, tat int64) bool {
	return slices.ContainsFunc(append(p.before, w.results(c, p)...), func(result int64) bool {
		return max(tat, w.now) == max(result, w.now)
	})
}

// results are what an operator's write may turn the true bucket into. Whoever carries it out may
// have read the clock before a reload that has been since.
func (w *simWorld) results(c *simClient, p *simPlan) (tats []int64) {
	if p.change.Tokens != nil || p.create {
		tats = append(tats, p.tats...)
	}
	tats = append(tats, p.resultsAt(c, w.now)...)
	for _, op := range w.stack {
		if op.taker == nil && op.now != w.now {
			tats = append(tats, p.resultsAt(c, op.now)...)
			tats = append(tats, p.resultsAt(c, max(op.now, c.since))...)
		}
	}
	return tats
}

// resultsAt are what it may turn the true bucket into at a moment.
func (p *simPlan) resultsAt(c *simClient, now int64) (tats []int64) {
	was := c.is.Holding(c.tat, now)
	planned := gcra.NewRate(p.row.Settings) // It is cut by these, as its row was.
	var credits []int64
	switch {
	case (p.change.Tokens != nil || p.create) && p.renumbered:
		credits = append(credits, min(p.tokens, p.is.Capacity)*p.is.Interval)
	case p.change.Tokens != nil || p.create:
		return nil
	case sameRate(c.is, p.is):
		credits = append(credits, was.Credit)
	default:
		credits = append(credits, planned.Convert(c.is.Convert(was.Credit, planned), p.is))
	}
	if p.nothing && p.change.Tokens == nil && !p.create {
		credits = append(credits, planned.Convert(max(0, planned.Span-c.is.Convert(c.is.Span-was.Credit, planned)), p.is))
		if c.spent == p.spent {
			credits = append(credits, planned.Convert(planned.Span, p.is))
		}
	}
	for _, credit := range credits {
		tats = append(tats, p.is.TAT(credit, was.At))
	}
	return tats
}

// hasNothing reports whether the client has no bucket, or a full one that nobody wrote.
func (w *simWorld) hasNothing(c *simClient) bool {
	seen, inTransit := w.peek(c)
	return seen.Bucket == nil && !inTransit || !c.managed && c.tat <= w.now
}

// begin is called when an operator's call begins, writes when it reaches the store, ended at its
// end.
func (w *simWorld) begin(c *simClient, p *simPlan) {
	p.spent = c.spent
	c.pending = p
}

// writes follows an operator's call that has asked the store to write this batch.
func (w *simWorld) writes(b Batch) {
	if len(w.stack) == 0 || !w.stack[len(w.stack)-1].admin {
		return
	}
	op := w.stack[len(w.stack)-1]
	c := op.client
	w.looked(c)
	p := c.pending
	p.written, p.at = true, op.now
	p.nothing = p.nothing || w.hasNothing(c)
	p.is = c.is
	if len(b.Puts) == 0 {
		return
	}
	row := b.Puts[0]
	p.row, p.tokens = row, row.Settings.Capacity
	if p.change.Tokens != nil {
		p.tokens = *p.change.Tokens
	}
	present := simRates{0, w.now, c.is, w.rateOf(c.limit, ""), w.rateOf(c.limit, simTier)}
	for _, then := range append(op.former, present) {
		if p.is = p.result(then); p.is.Settings == row.Settings && p.is.Tier == row.Tier {
			break
		}
	}
	if p.is.Settings != row.Settings || p.is.Tier != row.Tier {
		w.fail("an operator's write of %q, %v, came to %+v", c, p.change, row)
	}
	moments := []int64{p.at, max(p.at, c.since), c.is.Holding(c.tat, p.at).At}
	for _, then := range op.former { // The row may have been counted before that reload, or at it.
		p.was = append(p.was, then.is)
		moments = append(moments, max(p.at, then.at))
	}
	for _, at := range moments {
		p.tats = append(p.tats, p.is.TAT(p.tokens*p.is.Interval, at))
	}
	if p.is.Tier != "" && p.is.Settings != present.tier.Settings {
		p.turn(present.tier, c.since)
	}
}

// turn follows a reload that has changed the result.
func (p *simPlan) turn(is *gcra.Rate, at int64) {
	p.earned = scaled(p.earned+max(0, at-max(p.at, p.turned)), p.is, is) + 1
	p.is, p.renumbered, p.turned = is, true, at
}

// result is the rate that a write gives a bucket if the rates are these.
func (p *simPlan) result(then simRates) *gcra.Rate {
	switch {
	case p.change.Tier != nil:
		return then.tier
	case p.change.Capacity != nil:
		return gcra.NewRate(gcra.Settings{Capacity: *p.change.Capacity, Refill: *p.change.Refill})
	case p.nothing || p.create:
		return then.defaults
	}
	return then.is
}

func (w *simWorld) ended(c *simClient, err error) {
	w.looked(c)
	p := c.pending
	switch {
	case err == nil && !p.applied && !p.nop:
		w.fail("an operator's write of %q has ended, and memory does not have it", c)
	case errors.Is(err, ErrInDoubt):
		p.inDoubt = true
		w.note("in doubt")
		return
	case err != nil && p.applied:
		w.fail("an operator's write of %q was refused, and memory has it", c)
	}
	c.pending = nil
}

// compareWithStore demands that the store has what operators wrote, and nothing that they deleted.
func (w *simWorld) compareWithStore(c *simClient) {
	if c.pending != nil || len(w.store.late) > 0 {
		return
	}
	row, ok := w.store.rows[c.key()]
	seen, _ := w.peek(c)
	if seen.Bucket == nil && ok {
		w.fail("%q has a row and no bucket", c)
	}
	w.compareClean(c, seen.Bucket)
	isManaged := ok && row.Managed
	if isManaged != c.managed || isManaged && (row.Tier != c.is.Tier || row.Tier == "" && row.Settings != c.is.Settings) {
		w.fail("%q is managed in memory: %v, and in the store: %v; %v, %v", c, c.managed, isManaged, c.is.Settings, row.Settings)
	}
}

// compareClean demands that a bucket that isn't dirty equals its row, or holds nothing.
func (w *simWorld) compareClean(c *simClient, b *table.Bucket) {
	row, ok := w.store.rows[c.key()]
	if b == nil || row.wasRead || w.isDirty(b) {
		return
	}
	if !ok {
		if c.managed || c.tat > max(w.now, w.blank[c.limit]) {
			w.fail("%q is clean, and has no row", c)
		}
		return
	}
	p := w.path(c, row, 0)
	if d := p.credit - c.is.Credit(c.tat, w.now); p.rate.Settings != c.is.Settings || d > 0 || d < -p.rounding && !p.unsure {
		w.fail("%q is clean, and has a row of %+v with %v of refill too many", c, row, time.Duration(d))
	}
}

func (w *simWorld) isDirty(b *table.Bucket) (is bool) {
	w.quietly(func() { is = b.IsDirty() })
	return is
}

// compareReserved demands that any row there may be reserves all that a strict service may admit.
func (w *simWorld) compareReserved(c *simClient) {
	seen, _ := w.peek(c)
	if seen.Bucket == nil || !w.limit(c).Strict {
		return
	}
	var limit int64
	w.quietly(func() { limit = w.table(c).LimitOf(seen.Bucket) })
	if limit != table.Never {
		limit = w.true(limit)
	}
	for _, row := range w.store.rowsOf(c.key()) {
		if math.IsInf(row.Reserved, 1) || row.Reserved == 0 || row.wasRead {
			continue
		}
		p := w.path(c, row, gcra.NewRate(row.Settings).Reserved(row.Reserved))
		if p.rate.Settings != c.is.Settings || p.credit >= p.rate.Span {
			continue
		}
		if reserved := w.now + p.rate.Span - p.credit; limit > reserved {
			w.fail("%q may spend %v of refill more than is reserved by %+v", c, time.Duration(limit-reserved), row)
		}
	}
}

// started compares a new process's buckets with the true ones, and takes them for true from then
// on.
func (w *simWorld) started(clean bool, load simLoad) {
	for i := range w.limits {
		l := &w.limits[i]
		if l.gone {
			continue
		}
		full := w.startBlank(i)
		for _, c := range w.clients {
			if c.limit == i {
				c.unnoted = c.unnoted || full
				w.startedOne(c, clean, load)
			}
		}
		l.wasStrict = false
	}
}

// startBlank follows what clients without a row start with. It reports whether they start full
// although a strict start left them empty, since the limit isn't strict any more.
func (w *simWorld) startBlank(limit int) (full bool) {
	full = !w.o.Limits[limit].Strict && w.blank[limit] > w.now
	w.blank[limit] = 0
	if at := w.limits[limit].table.EmptyUntil(); at > 0 {
		w.blank[limit] = w.true(at)
	}
	return full
}

func (w *simWorld) startedOne(c *simClient, clean bool, load simLoad) {
	seen, _ := w.peek(c)
	is, isManaged, at := w.rateOf(c.limit, ""), false, w.blank[c.limit]
	if seen.Bucket != nil {
		is, isManaged, at = seen.Rate, w.isManaged(seen.Bucket), w.true(seen.TAT)
	}
	w.compareStart(c, clean, is, isManaged, at, load)
	// A strict crash takes this. It gives it back if the limit isn't strict any more at the next
	// one, and no row was written in between.
	row, ok := w.store.rows[c.key()]
	if took := is.Credit(c.tat, w.now) - is.Credit(at, w.now); clean {
		c.taken = 0
	} else if p := c.pending; p != nil && p.written && !p.deletes && ok { // The row may be the operator's.
		c.taken += max(0, max(took, w.path(c, row, 0).credit-is.Credit(at, w.now))+(c.spent-c.covered)*is.Interval)
	} else if took > 0 {
		c.taken += took + (c.spent-c.covered)*is.Interval
	}
	w.store.read(c.key(), simAccount{is, is.Credit(at, w.now), w.now}, load.wall.skew)
	row, ok = w.store.rows[c.key()]
	c.late, c.soon, c.given, c.slack, c.unnoted = 0, 0, 0, 0, ok && row.Settings != is.Settings
	c.is, c.managed, c.tat, c.known, c.covered, c.pending, c.former = is, isManaged, at, seen.Bucket, c.spent, nil, nil
	clear(c.untold)
}

func (w *simWorld) compareStart(c *simClient, clean bool, is *gcra.Rate, isManaged bool, at int64, load simLoad) {
	credit := is.Credit(at, w.now)
	asBefore := isManaged == c.managed && sameRate(is, c.is)
	if p := c.pending; p != nil && p.written {
		asPlanned := p.deletes && !isManaged || !p.deletes && isManaged && sameRate(is, p.is)
		switch {
		case !asBefore && !asPlanned:
			w.fail("%q started with %v, managed %v, which nobody wrote", c, is.Settings, isManaged)
		case !asBefore && w.limit(c).Strict && !p.deletes && credit > w.now-load.from:
			w.fail("%q started with tokens of a write that takers may have spent", c)
		case !asBefore || !w.limit(c).Strict:
			return // it has what was written
		}
	}
	if !asBefore {
		w.fail("%q started with %v of %q, managed %v; want %v of %q, managed %v; its row is %+v", c, is.Settings, is.Tier, isManaged, c.is.Settings, c.is.Tier, c.managed, w.store.rows[c.key()])
	}
	if at-w.now > is.Span {
		w.fail("%q is locked out for %v", c, time.Duration(at-w.now-is.Span))
	}
	held := is.Credit(c.tat, w.now)
	if high := held + w.mayRegain(c, clean, load); credit > high {
		w.fail("%q regained %v of refill, %v too many; spent %d, %d of them covered, at %v; its row is %+v, of %+v",
			c, time.Duration(credit-held), time.Duration(credit-high), c.spent, c.covered, time.Duration(is.Interval), w.store.rows[c.key()], w.store.loaded[c.key().Namespace])
	}
	if low := held - w.mayLose(c, clean, load); credit < low {
		w.fail("%q lost %v of refill, %v too many; its row is %+v, of %+v", c, time.Duration(held-credit), time.Duration(low-credit), w.store.rows[c.key()], w.store.loaded[c.key().Namespace])
	}
	if credit > held && !clean {
		w.note("regained")
	}
}

// mayRegain is the bound that doc.go states, in nanoseconds of refill.
func (w *simWorld) mayRegain(c *simClient, clean bool, load simLoad) (bound int64) {
	row, ok := w.store.rows[c.key()]
	bound = w.ahead(c, load) + c.slack
	if row.wasRead {
		bound += c.is.Interval/simShortest + 1 // which the last start rounded down
	}
	if clean || w.limit(c).Strict {
		return bound
	}
	if c.covered < c.earlier && !row.Managed { // Its row may seem to have been full at the reload.
		return c.is.Span
	}
	if c.unnoted {
		if !ok || !row.Managed && c.spent > c.covered {
			return c.is.Span
		}
		_, most := w.noted(c, row, load)
		bound += max(0, most-w.path(c, row, 0).credit)
	}
	bound += (c.spent-c.covered)*c.is.Interval + c.soon + c.taken
	if !c.managed {
		bound += int64(w.o.FlushInterval)
	}
	return bound
}

// ahead is what a client may be given because the wall clock has stepped ahead since its row was
// counted. Where its numbers have changed since, all steps ahead count, at the fastest refill. If
// its capacity grew, a bucket that seems to have been full by then is full. If its settings went,
// or were planned to go, and came back, the wall clock may have the row between the wrong changes.
func (w *simWorld) ahead(c *simClient, load simLoad) int64 {
	row, ok := w.store.rows[c.key()]
	least, _ := w.store.skewOf(c.key())
	plain := max(0, load.wall.skew-least)
	space := w.store.spaces[c.key().Namespace]
	since, wall, rate := int64(space.Stopped.Sub(simDawn))-space.wall.skew, space.wall, c.is
	if ok {
		since, wall, rate = row.at(), row.wall, gcra.NewRate(row.Settings)
	}
	stepped := load.wall.ahead - wall.ahead
	most := plain
	if w.places(c, row) > 1 && w.wall.ahead != w.wall.skew { // It has stepped back.
		return c.is.Span
	}
	for _, change := range w.limits[c.limit].changes {
		if row.Managed && row.Tier == "" || change.tier != row.Tier || change.at+simRounding < since || stepped == 0 {
			continue
		}
		if !row.Managed && change.is.Capacity > rate.Capacity {
			return c.is.Span
		}
		most = max(most, scaled(stepped, rate, c.is), scaled(stepped, change.is, c.is)) + 1
		rate = change.is
	}
	return most
}

// places is between how many of the changes that there were, or were planned, a row's settings have
// been there.
func (w *simWorld) places(c *simClient, row simRow) (n int) {
	var changes history
	for _, change := range (&noted{}).changes(w.store.loaded[c.key().Namespace].Renumbered, row) {
		changes = append(changes, renumbering{Renumbered: change})
	}
	for i := range len(changes) + 1 {
		if changes.has(i, row.Settings) {
			n++
		}
	}
	return n
}

// mayLose is what a start may take.
func (w *simWorld) mayLose(c *simClient, clean bool, load simLoad) int64 {
	row, ok := w.store.rows[c.key()]
	if !ok {
		_, most := w.store.skewOf(c.key())
		if !clean && w.limit(c).Strict {
			return c.is.Span
		}
		return max(0, most-load.wall.skew) + c.late + c.given + c.slack + simRounding
	}
	p := w.path(c, row, 0)
	if p.unsure {
		return c.is.Span
	}
	least, _ := w.noted(c, row, load)
	// The row is an operator's, or may be: a crash may take all that it has.
	if c.pending != nil && c.pending.written || !clean && math.IsInf(row.Reserved, 1) {
		return max(0, c.is.Credit(c.tat, w.now)-least+p.rounding)
	}
	return max(0, p.credit-least) + c.late + c.given + c.slack + p.rounding
}
