package lease_test

import (
	"errors"
	"fmt"
	"iter"
	"reflect"
	"slices"
	"time"

	"github.com/rs/zerolog"

	"gopher-equalizer/limiter/gcra"
	"gopher-equalizer/limiter/lease"
	"gopher-equalizer/limiter/table"
)

// simReplica is a process, with a clock of its own.
type simReplica struct {
	w      *simWorld
	name   string
	r      *lease.Replica
	limits []*simLease

	born        int64
	perMillion  int64 // how many nanoseconds too many its clock has in a millisecond
	pausedUntil int64
	partedUntil int64 // from the ledger
	dead        bool

	// resume goes on with the round under way, and stop ends it.
	resume func() (time.Duration, bool)
	stop   func()
	yield  func(time.Duration) bool
	failed int  // rounds in a row
	hurry  bool // somebody waits

	alive   int64 // as the ledger said last
	replies int
	waiters []*simWaiter
}

// simLease is a limit at a replica.
type simLease struct {
	*lease.Limit
	of *simLimit
	// using are the numbers that it may go by in the ledger: former ones until a whole round was
	// settled behind them.
	using []*lease.Numbers
	gone  bool
	isDue bool // a reload is under way that may bring it back
	alone simAlone
}

// Monotonic is the replica's clock.
func (r *simReplica) Monotonic() int64 {
	passed := r.w.now - r.born
	return int64(time.Hour) + passed + passed/1_000_000*r.perMillion
}

// start has a process come.
func (w *simWorld) start() { w.startAs(fmt.Sprint("replica-", w.names)); w.names++ }

func (w *simWorld) startAs(name string) *simReplica {
	r := &simReplica{w: w, name: name, born: w.now, perMillion: w.between(-20_000, 20_000), alive: 1}
	r.r = lease.New(lease.Options{
		As: lease.Member{Name: name}, Interval: w.interval, TTL: w.ttl, Timeout: time.Hour, Clock: r, Logger: zerolog.Nop(),
	}, &simLink{r})
	for _, l := range w.limits {
		numbers := l.Numbers
		one := &simLease{Limit: r.r.Limit(l.LimitOptions), of: l, using: []*lease.Numbers{&numbers}}
		r.limits = append(r.limits, one)
	}
	r.use()
	w.replicas = append(w.replicas, r)
	w.count["start"]++
	w.note("%s starts", name)
	w.renumber()
	w.after(0, func() { r.tick() })
	return r
}

// use tells the replica which limits there are.
func (r *simReplica) use() {
	var all []*lease.Limit
	for _, l := range r.limits {
		if !l.gone {
			all = append(all, l.Limit)
		}
	}
	r.r.Use(all)
}

// drop is a reload without a limit, which another one often brings back soon.
func (r *simReplica) drop(l *simLease) {
	w := r.w
	w.count["limit that left"]++
	w.note("%s drops %s", r.name, l.of.Name)
	l.gone = true
	r.use()
	if w.flip(0.5) {
		w.after(w.about(w.interval), func() { r.prepare(l) })
	}
}

// prepare is a reload that may bring a limit back. It does as limiter's Prepare and Apply, or
// Discard.
func (r *simReplica) prepare(l *simLease) {
	if r.dead || !l.gone || l.isDue {
		return
	}
	w, found := r.w, r.r.Limit(l.of.LimitOptions)
	l.isDue = true
	w.after(w.about(w.interval/2), func() {
		l.isDue = false
		if !r.dead && w.flip(0.8) {
			r.bring(l, found)
		}
	})
}

// bring has a limit come back.
func (r *simReplica) bring(l *simLease, found *lease.Limit) {
	if found == l.Limit {
		r.w.count["limit that came back"]++
	} else {
		r.w.count["limit that came anew"]++
	}
	r.w.note("%s brings %s back", r.name, l.of.Name)
	l.Limit, l.gone = found, false
	l.using = append(l.using, &found.Options().Numbers)
	r.w.renumber()
	r.reload(l)
	r.use()
}

// tick begins a round each interval.
func (r *simReplica) tick() {
	if r.dead {
		return
	}
	pause := r.w.interval
	if r.failed > 0 {
		pause = min(r.w.interval, r.w.interval/10<<min(r.failed-1, 8))
	}
	r.begin(false)
	r.w.after(pause, r.tick)
}

// begin begins a round, unless one is under way.
func (r *simReplica) begin(early bool) {
	if r.dead || r.resume != nil || r.pausedUntil > r.w.now {
		return
	}
	r.w.count["round"]++
	if early {
		r.w.count["early round"]++
	}
	r.hurry = false
	begun := make([]int, len(r.limits))
	for i, l := range r.limits {
		begun[i] = len(l.using)
	}
	r.coroutine(func() {
		err := r.r.Round(simContext, early)
		if !r.dead {
			r.ended(err, early, begun)
		}
	})
}

// coroutine runs something that the link suspends.
func (r *simReplica) coroutine(do func()) {
	r.resume, r.stop = iter.Pull(func(yield func(time.Duration) bool) {
		r.yield = yield
		do()
	})
	r.proceed()
}

// proceed goes on with the coroutine until the link suspends it.
func (r *simReplica) proceed() {
	if r.dead {
		return
	}
	if pause := r.pausedUntil - r.w.now; pause > 0 {
		r.w.after(time.Duration(pause), r.proceed)
		return
	}
	d, more := r.resume()
	if more {
		r.w.after(d, r.proceed)
		return
	}
	r.resume = nil
	r.serveWaiters()
	if r.hurry && r.failed == 0 {
		r.begin(true)
	}
}

// ended is the end of a round.
func (r *simReplica) ended(err error, early bool, begun []int) {
	if err != nil {
		r.failed++
		r.w.count["round that failed"]++
		r.w.note("%s: round: %v", r.name, err)
		if r.r.IsCutOff() {
			r.w.count["cut off"]++
		}
		return
	}
	r.failed = 0
	if early {
		return
	}
	for i, l := range r.limits {
		l.using = slices.Clone(l.using[begun[i]-1:])
	}
	r.w.renumber()
}

// abandon ends the replica without another word.
func (r *simReplica) abandon() {
	r.dead = true
	if r.resume != nil {
		r.stop()
	}
}

// crash is kill -9.
func (w *simWorld) crash(r *simReplica) {
	if r.dead || w.flip(0.5) {
		return
	}
	for _, c := range w.clients { // It takes with it that they have spent all.
		for range 8 {
			r.take(c, 1)
		}
	}
	w.count["crash"]++
	w.after(w.about(w.interval), func() { w.restart(r.name) })
	w.note("%s crashes", r.name)
	r.abandon()
	w.forget(r)
}

func (w *simWorld) forget(r *simReplica) {
	w.replicas = slices.DeleteFunc(w.replicas, func(other *simReplica) bool { return other == r })
	w.renumber()
}

// close stops a replica in order. Its takers are done.
func (w *simWorld) close(r *simReplica) {
	if r.resume != nil {
		return
	}
	w.count["stop"]++
	w.note("%s stops", r.name)
	r.waiters = nil
	r.coroutine(func() {
		err := r.r.Close(simContext)
		if !r.dead {
			w.note("%s has stopped: %v", r.name, err)
			r.dead = true
			w.forget(r)
		}
	})
}

// reload gives a replica the numbers that are configured now, of a limit that it has.
func (r *simReplica) reload(l *simLease) {
	o := *l.Options()
	if l.gone || reflect.DeepEqual(o.Numbers, l.of.Numbers) {
		return
	}
	o.Numbers = l.of.Numbers
	l.using = append(l.using, &o.Numbers)
	r.w.renumber()
	l.Change(o)
	l.alone.episode = -1
	r.w.count["reload"]++
	r.w.note("%s reloads %s: %+v", r.name, o.Name, o.Numbers)
}

// simWaiter is a taker that waits for the ledger.
type simWaiter struct {
	c        *simClient
	cost     int64
	replied  <-chan struct{}
	leave    func()
	deadline int64
}

// take is a request.
func (r *simReplica) take(c *simClient, cost int64) {
	if r.dead || r.pausedUntil > r.w.now || r.limits[c.limit].gone {
		return
	}
	r.takeOrWait(c, cost, 0, false)
}

// takeOrWait takes tokens, or waits for them until deadline. 0: it has not waited yet. alone is as
// in Limit.At.
func (r *simReplica) takeOrWait(c *simClient, cost, deadline int64, alone bool) {
	l := r.limits[c.limit]
	p := l.At(r.Monotonic(), alone)
	if p.Table == nil {
		r.w.count["refused"]++
		return
	}
	if p.Held {
		r.mustBeAlive()
	} else {
		l.alone.begin(r)
	}
	t := p.Table.Take(c.id, cost, p.Now)
	if t.Outcome == table.Allowed {
		r.admit(c, min(cost, t.Rate.Capacity), &p, deadline > 0)
		return
	}
	if p.Held && l.IsAway(r.Monotonic()) {
		r.w.count["away"]++
		l.Want(c.id, r.Monotonic())
		r.takeOrWait(c, cost, deadline, true)
		return
	}
	if !p.Held || !r.wait(c, cost, deadline) {
		r.w.count["refused"]++
		if deadline > 0 {
			r.w.count["waited in vain"]++
		}
	}
}

// mustBeAlive demands that the ledger still waits for a replica that spends what it holds.
func (r *simReplica) mustBeAlive() {
	all, err := r.w.book.Members(simContext)
	if err != nil || !slices.ContainsFunc(all, func(m lease.Member) bool { return m.Name == r.name }) {
		r.w.fail("%s may spend what it holds, and the ledger waits no longer for it", r.name)
	}
}

func (r *simReplica) admit(c *simClient, n int64, p *lease.Place, waited bool) {
	r.w.count["admitted"]++
	if waited {
		r.w.count["admitted after a wait"]++
	}
	if p.Held {
		c.spend(r, n)
		return
	}
	r.w.count["admitted on its own"]++
	r.limits[c.limit].alone.spend(r, c, n)
}

// wait has a taker wait if that is worth it.
func (r *simReplica) wait(c *simClient, cost, deadline int64) bool {
	l := r.limits[c.limit]
	exhausted, full := l.Want(c.id, r.Monotonic())
	asksEach := deadline == 0 && l.of.Leasing == lease.Each
	if full || exhausted && !asksEach {
		return false
	}
	if deadline == 0 {
		deadline = r.w.now + int64(l.of.Wait)
	}
	if deadline <= r.w.now {
		return false
	}
	one := &simWaiter{c: c, cost: cost, deadline: deadline}
	one.replied, one.leave = l.JoinWait(c.id, cost)
	r.waiters = append(r.waiters, one)
	r.w.after(time.Duration(deadline-r.w.now), func() { r.giveUp(one) })
	r.hurry = true
	if r.failed == 0 {
		r.begin(true)
	}
	return true
}

// giveUp ends the wait of a taker that still waits.
func (r *simReplica) giveUp(one *simWaiter) {
	if i := slices.Index(r.waiters, one); i >= 0 && !r.dead {
		r.waiters = slices.Delete(r.waiters, i, i+1)
		one.leave()
		r.w.count["waited in vain"]++
		if r.limits[one.c.limit].IsAway(r.Monotonic()) {
			r.takeOrWait(one.c, one.cost, one.deadline, true)
		}
	}
}

// serveWaiters has those try again to whom the ledger has replied.
func (r *simReplica) serveWaiters() {
	all := r.waiters
	r.waiters = nil
	for _, one := range all {
		select {
		case <-one.replied:
			if !r.dead {
				r.takeOrWait(one.c, one.cost, one.deadline, false)
			}
		default:
			r.waiters = append(r.waiters, one)
		}
	}
}

// simAlone is what a replica has admitted of a limit on its own since it was cut off.
type simAlone struct {
	episode int // how many replies there had been
	since   int64
	n       int64 // of how many replicas it is one
	spent   map[*simClient]int64
}

// begin is before each take.
func (a *simAlone) begin(r *simReplica) {
	if a.episode != r.replies || a.spent == nil {
		*a = simAlone{r.replies, r.Monotonic(), r.alive, map[*simClient]int64{}}
	}
}

// spend demands that a client has no more than its share of what was earned since then.
func (a *simAlone) spend(r *simReplica, c *simClient, n int64) {
	w := r.w
	if l := r.limits[c.limit].of; l.OnLoss != lease.Local {
		w.fail("%s admits on its own under %s, which says %v", r.name, l.Name, l.OnLoss)
	}
	now := r.Monotonic()
	a.spent[c] += n
	numbers := &r.limits[c.limit].Options().Numbers
	interval := numbers.Settings.Refill.Interval()
	for _, had := range c.had {
		interval = min(interval, numbers.Of(true, had.Tier, had.Settings).Refill.Interval())
	}
	if earned := float64(now-a.since) / float64(interval*a.n); float64(a.spent[c]) > earned+1e-6 {
		w.fail("%s has admitted %d of %s on its own in %v, where its share is %v",
			r.name, a.spent[c], c.id, time.Duration(now-a.since), earned)
	}
}

var errSimAway = errors.New("nobody there")

// fastest is the larger capacity and the faster refill of two.
func fastest(a, b gcra.Settings) gcra.Settings {
	a.Capacity = max(a.Capacity, b.Capacity)
	if b.Refill.Interval() < a.Refill.Interval() {
		a.Refill = b.Refill
	}
	return a
}
