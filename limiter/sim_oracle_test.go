//go:build simulation

package limiter

import (
	"errors"
	"math"
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

	spent   int64    // tokens, ever
	told    int64    // of them, those of takers that know
	covered int64    // of them, those told of before a flush began that was committed, or spent before an operator's write
	late    int64    // earned at the old refill while an operator's write was on its way; its row doesn't have it
	soon    int64    // earned at the new one meanwhile, as its row has it
	writes  int      // of operators, that memory has
	given   int64    // back, and not in a row that a flush has committed since
	changes int      // likewise, and deletions
	pending *simPlan // an operator's write that isn't over
}

// key is what the store knows the bucket by: the store was empty, and the limits were named in
// their order.
func (c *simClient) key() Key { return Key{uint32(c.limit + 1), c.id} }

// price is the credit that a take costs: at most all that the bucket can hold.
func (c *simClient) price(cost int64) int64 { return min(cost, c.is.Capacity) * c.is.Interval }

// simPlan is what an operator asked for.
type simPlan struct {
	change  Change
	create  bool
	deletes bool

	written bool // the store was asked to write it, at the moment at
	at      int64
	spent   int64      // when it began
	nothing bool       // there may have been no bucket by then
	is      *gcra.Rate // its result
	applied bool       // memory has it
	nop     bool       // or may have it, since it would make no difference
	inDoubt bool
}

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
	if n := len(w.stack); n > 0 && w.stack[n-1].taker != nil {
		w.stack[n-1].taker.at = b
	}
	w.step(false)
}

// Spent implements table.Simulator: a taker has spent tokens of a bucket whose arrival time was
// old, or given some back.
func (w *simWorld) Spent(b *table.Bucket, old, tat int64) {
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
	var seen table.Observation
	w.quietly(func() { seen = w.table(c).ObservationOf(b, old) })
	w.observe(c, seen)
	switch {
	case tat >= old:
		w.spend(c, op, w.true(tat))
		use.spent()
	case use == nil:
		w.fail("%q was given tokens back that it had not spent", c.id)
	default:
		w.giveBack(use, op, old-tat)
	}
}

// spend follows tokens that were spent.
func (w *simWorld) spend(c *simClient, op *simOp, tat int64) {
	price := c.price(op.cost)
	if want := max(c.tat, op.now) + price; tat != want {
		w.fail("%q: spending %d tokens came to %d, not %d", c.id, op.cost, tat, want)
	}
	if tat-op.now > c.is.Span {
		w.fail("%q spent tokens that it did not have", c.id)
	}
	c.tat = tat
	c.spent += price / c.is.Interval
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
		w.note("take", c.id)
		c.told += price / c.is.Interval
		if !w.stepped {
			w.observeSpent(c, op, seen)
		}
	case next-op.now > c.is.Span:
		w.note("refused", c.id)
	case !w.limit(c).Strict:
		w.fail("%q was refused a token that it had", c.id)
	case op.changes == w.changes() && !inTransit && !w.reaches(seen.Bucket, next):
		w.fail("%q was refused a token that it had, and that is reserved", c.id)
	default:
		w.note("not reserved", c.id)
	}
}

// reaches reports whether a bucket's limit keeps it from an arrival time.
func (w *simWorld) reaches(b *table.Bucket, next int64) (reaches bool) {
	w.quietly(func() { reaches = b != nil && b.Has(table.Limited) && next > w.true(b.Limit()) })
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
	for _, c := range w.clients {
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
	for _, c := range w.clients {
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
		w.fail("the bucket of %q is gone, with tokens spent", c.id)
	}
}

// forget makes a client start over.
func (w *simWorld) forget(c *simClient) {
	if c.pending != nil && c.pending.deletes && c.pending.written {
		c.pending.applied = true
	}
	c.changes++
	c.is, c.managed, c.known, c.tat, c.covered = gcra.NewRate(w.limit(c).Settings), false, nil, w.blank[c.limit], c.spent
}

// observe compares a bucket that was seen with the true one.
func (w *simWorld) observe(c *simClient, seen table.Observation) {
	tat := w.true(seen.TAT)
	if seen.Bucket != c.known {
		w.adopt(c, seen, tat)
	}
	if max(tat, w.now) != max(c.tat, w.now) {
		w.fail("%q has %v of refill too many", c.id, time.Duration(max(c.tat, w.now)-max(tat, w.now)))
	}
	c.tat = tat // one that is full may be another's: a taker's who looked at the clock long ago
}

// adopt finds out why there is another bucket than the known one: an operator's write, a limit, or
// a client that came back after its full bucket was dropped. An equal one has moved, or was written
// unchanged.
func (w *simWorld) adopt(c *simClient, seen table.Observation, tat int64) {
	isManaged := w.isManaged(seen.Bucket)
	asBefore := c.known != nil && isManaged == c.managed && seen.Rate.Settings == c.is.Settings && max(tat, w.now) == max(c.tat, w.now)
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
	if isManaged != c.managed || seen.Rate.Settings != c.is.Settings {
		w.fail("%q has a bucket with %v, managed %v; want %v, managed %v, or what comes of %+v; it lacks %v, and the one before %v",
			c.id, seen.Rate.Settings, isManaged, c.is.Settings, c.managed, c.pending, time.Duration(tat-w.now), time.Duration(c.tat-w.now))
	}
	c.known = seen.Bucket
}

// applies notes that an operator's write is in memory, if that is what is seen there.
func (w *simWorld) applies(c *simClient, p *simPlan, seen table.Observation, tat int64) {
	if p.deletes || !w.isManaged(seen.Bucket) || seen.Rate.Settings != p.is.Settings || !w.follows(c, p, tat) {
		return
	}
	p.applied = true
	c.writes++
	c.changes++
	c.late, c.soon = c.is.Convert(min(c.is.Span, w.now-p.at), p.is), w.now-p.at
	c.is, c.managed, c.tat = p.is, true, tat
	c.covered = max(c.covered, p.spent)
}

// follows reports whether an operator's write turns the true bucket into this.
func (w *simWorld) follows(c *simClient, p *simPlan, tat int64) bool {
	credit := p.is.Credit(tat, w.now)
	held := c.is.Credit(c.tat, w.now)
	lacks := p.is.Span - c.is.Convert(c.is.Span-held, p.is)
	switch {
	case p.change.Tokens != nil || p.create:
		tokens := p.is.Capacity
		if p.change.Tokens != nil {
			tokens = *p.change.Tokens
		}
		return max(tat, w.now) == max(p.is.TAT(tokens*p.is.Interval, p.at), w.now)
	case p.nothing && (credit == lacks || c.spent == p.spent && credit == p.is.Span):
		return true
	}
	return credit == c.is.Convert(held, p.is)
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

func (w *simWorld) writes() {
	if len(w.stack) == 0 || !w.stack[len(w.stack)-1].admin {
		return
	}
	c := w.stack[len(w.stack)-1].client
	w.looked(c)
	p := c.pending
	p.written, p.at = true, w.now
	p.nothing = p.nothing || w.hasNothing(c)
	settings := c.is.Settings
	if p.nothing || p.create {
		settings = w.limit(c).Settings
	}
	if p.change.Capacity != nil {
		settings.Capacity, settings.Refill = *p.change.Capacity, *p.change.Refill
	}
	p.is = gcra.NewRate(settings)
}

func (w *simWorld) ended(c *simClient, err error) {
	w.looked(c)
	p := c.pending
	switch {
	case err == nil && !p.applied && !p.nop:
		w.fail("an operator's write of %q has ended, and memory does not have it", c.id)
	case errors.Is(err, ErrInDoubt):
		p.inDoubt = true
		w.note("in doubt")
		return
	case err != nil && p.applied:
		w.fail("an operator's write of %q was refused, and memory has it", c.id)
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
		w.fail("%q has a row and no bucket", c.id)
	}
	w.compareClean(c, seen.Bucket)
	isManaged := ok && row.Managed
	if isManaged != c.managed || isManaged && row.Settings != c.is.Settings {
		w.fail("%q is managed in memory: %v, and in the store: %v; %v, %v", c.id, c.managed, isManaged, c.is.Settings, row.Settings)
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
			w.fail("%q is clean, and has no row", c.id)
		}
		return
	}
	stored := min(c.is.Span, c.is.FromTokens(row.Tokens)+max(0, w.now-row.at()))
	if d := stored - c.is.Credit(c.tat, w.now); row.Settings != c.is.Settings || d > 0 || d < -simRounding {
		w.fail("%q is clean, and has a row of %+v with %v of refill too many", c.id, row, time.Duration(d))
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
	w.quietly(func() { limit = seen.Bucket.Limit() })
	if limit != table.Never {
		limit = w.true(limit)
	}
	for _, row := range w.store.rowsOf(c.key()) {
		if math.IsInf(row.Reserved, 1) || row.wasRead || row.Settings != c.is.Settings {
			continue
		}
		left := c.is.FromTokens(row.Tokens) - c.is.Reserved(row.Reserved)
		if reserved := row.at() + c.is.Span - left; limit > reserved {
			w.fail("%q may spend %v of refill more than is reserved by %+v", c.id, time.Duration(limit-reserved), row)
		}
	}
}

// started compares a new process's buckets with the true ones, and takes them for true from then
// on.
func (w *simWorld) started(clean bool) {
	for i, l := range w.s.limits {
		w.blank[i] = 0
		if at := l.table.EmptyUntil(); at > 0 {
			w.blank[i] = w.true(at)
		}
	}
	for _, c := range w.clients {
		seen, _ := w.peek(c)
		is, isManaged, at := gcra.NewRate(w.limit(c).Settings), false, w.blank[c.limit]
		if seen.Bucket != nil {
			is, isManaged, at = seen.Rate, w.isManaged(seen.Bucket), w.true(seen.TAT)
		}
		w.compareStart(c, clean, is, isManaged, at)
		w.store.read(c.key())
		c.late, c.soon, c.given = 0, 0, 0
		c.is, c.managed, c.tat, c.known, c.told, c.covered, c.pending = is, isManaged, at, seen.Bucket, c.spent, c.spent, nil
	}
}

func (w *simWorld) compareStart(c *simClient, clean bool, is *gcra.Rate, isManaged bool, at int64) {
	credit := is.Credit(at, w.now)
	asBefore := isManaged == c.managed && is.Settings == c.is.Settings
	if p := c.pending; p != nil && p.written {
		asPlanned := p.deletes && !isManaged || !p.deletes && isManaged && is.Settings == p.is.Settings
		switch {
		case !asBefore && !asPlanned:
			w.fail("%q started with %v, managed %v, which nobody wrote", c.id, is.Settings, isManaged)
		case !asBefore && w.limit(c).Strict && !p.deletes && credit > w.now-w.began:
			w.fail("%q started with tokens of a write that takers may have spent", c.id)
		case !asBefore || !w.limit(c).Strict:
			return // it has what was written
		}
	}
	if !asBefore {
		w.fail("%q started with %v, managed %v; want %v, managed %v", c.id, is.Settings, isManaged, c.is.Settings, c.managed)
	}
	if at-w.now > is.Span {
		w.fail("%q is locked out for %v", c.id, time.Duration(at-w.now-is.Span))
	}
	held := is.Credit(c.tat, w.now)
	if high := held + w.mayRegain(c, clean); credit > high {
		w.fail("%q regained %v of refill, %v too many; spent %d, %d of them covered, at %v; its row is %+v",
			c.id, time.Duration(credit-held), time.Duration(credit-high), c.spent, c.covered, time.Duration(is.Interval), w.store.rows[c.key()])
	}
	if low := held - w.mayLose(c, clean); credit < low {
		w.fail("%q lost %v of refill, %v too many; its row is %+v", c.id, time.Duration(held-credit), time.Duration(low-credit), w.store.rows[c.key()])
	}
	if credit > held && !clean {
		w.note("regained")
	}
}

// mayRegain is the bound that doc.go states, in nanoseconds of refill.
func (w *simWorld) mayRegain(c *simClient, clean bool) (bound int64) {
	least, _ := w.store.skewOf(c.key())
	bound = max(0, w.skew-least)
	if !clean && !w.limit(c).Strict {
		bound += (c.spent-c.covered)*c.is.Interval + c.soon
		if !c.managed {
			bound += int64(w.o.FlushInterval)
		}
	}
	return bound
}

// mayLose is what a start may take.
func (w *simWorld) mayLose(c *simClient, clean bool) int64 {
	row, ok := w.store.rows[c.key()]
	_, most := w.store.skewOf(c.key())
	back := max(0, most-w.skew)
	if ok {
		back = min(back, max(0, w.now+most-int64(row.At.Sub(simDawn))))
	}
	switch {
	case clean || !w.limit(c).Strict:
		return back + c.late + c.given + simRounding
	case !ok || math.IsInf(row.Reserved, 1):
		return c.is.Span
	}
	return back + c.late + c.given + c.is.Reserved(row.Reserved) + simRounding
}
