package lease_test

import (
	"time"

	"gopher-equalizer/limiter/gcra"
	"gopher-equalizer/limiter/lease"
)

// simClient is a client of a limit, and its ideal bucket, from which all is taken that replicas
// admit of what they were granted. While replicas go by different numbers, it has the largest
// capacity and the fastest refill of all, and of those by which the ledger was asked last. The
// ledger knows of no others.
//
// An operator, or a reload, who lowers a capacity below what replicas hold leaves that with them.
// The ideal bucket may lack the difference then, once: what it may lack only gets less.
type simClient struct {
	w     *simWorld
	limit int
	id    string
	key   lease.Key

	managed bool
	tier    string
	own     gcra.Settings

	asked         *lease.Numbers // by which the ledger was asked last; nil if it has no bucket
	gcra.Settings                // of the ideal bucket
	level         float64
	at            int64
	floor         float64
	had           []lease.State // what operators wrote
	spoiledUntil  int64
}

func (c *simClient) begin(s gcra.Settings) {
	c.Settings, c.level, c.at = s, float64(s.Capacity), c.w.now
}

// earn credits the ideal bucket until now.
func (c *simClient) earn() {
	c.level = min(float64(c.Capacity), c.level+float64(c.w.now-c.at)/float64(c.Refill.Interval()))
	c.at = c.w.now
}

// spend takes what a replica has admitted.
func (c *simClient) spend(r *simReplica, n int64) {
	c.earn()
	c.mend()
	c.level -= float64(n)
	c.w.note("%s admits %d of %s: %.6f are left, %.6f may lack", r.name, n, c.id, c.level, -c.floor)
	if lacks := -c.level; lacks > 1e-6+float64(c.ahead())-c.floor {
		c.w.fail("%s has admitted %d tokens of %s where %.6f lack, and %d may be ahead, and %.6f may lack",
			r.name, n, c.id, lacks, c.ahead(), -c.floor)
	}
}

// ahead is how many tokens may be granted before they are earned.
func (c *simClient) ahead() int64 {
	if c.w.limits[c.limit].Leasing != lease.Trickle {
		return 0
	}
	return max(1, int64(c.w.interval)/c.Refill.Interval())
}

// leased is what replicas hold, as far as the ledger knows.
func (c *simClient) leased() float64 {
	s, _, _ := c.w.book.Get(simContext, c.key, c.numbers())
	return float64(s.Leased)
}

// mend has less be lacking if what replicas hold allows that.
func (c *simClient) mend() {
	if c.floor < 0 {
		c.floor = max(c.floor, min(0, c.level-c.leased()))
	}
}

// lower is behind a change that may have left replicas with more than there is.
func (c *simClient) lower() {
	if lacks := c.level - c.leased(); lacks < c.floor {
		c.w.count["lowering below what is held"]++
		c.floor = lacks
	}
}

// each calls f with all numbers that are in use.
func (c *simClient) each(f func(n *lease.Numbers)) {
	for _, r := range c.w.replicas {
		for _, n := range r.limits[c.limit].using {
			f(n)
		}
	}
	if c.asked != nil {
		f(c.asked)
	}
}

// numbers are those that have the ideal bucket's settings for all.
func (c *simClient) numbers() *lease.Numbers {
	return &lease.Numbers{Settings: c.Settings, Tiers: map[string]gcra.Settings{c.tier: c.Settings}}
}

// renumber has all ideal buckets go by the numbers that are in use.
func (w *simWorld) renumber() {
	for _, c := range w.clients {
		c.renumber()
	}
}

func (c *simClient) renumber() {
	first, is := true, gcra.Settings{}
	c.each(func(n *lease.Numbers) {
		s := n.Of(c.managed, c.tier, c.own)
		if first {
			is, first = s, false
			return
		}
		is = fastest(is, s)
	})
	if first || is == c.Settings {
		return
	}
	c.earn()
	was := c.Settings
	c.Settings = is
	if is.Capacity > was.Capacity && c.isNone() {
		c.level = float64(is.Capacity)
	}
	if is.Capacity < was.Capacity {
		c.level = min(c.level, float64(is.Capacity))
		c.lower()
	}
	if is.Refill.Interval() > was.Refill.Interval() {
		c.slow()
	}
}

// slow is behind a change to a slower refill. What replicas hold ahead of it, the faster one would
// have earned sooner.
func (c *simClient) slow() {
	c.floor = min(c.floor, c.level-c.leased()+float64(c.ahead()))
}

// isNone reports whether the ledger has no bucket of the client.
func (c *simClient) isNone() bool {
	_, ok, err := c.w.book.Get(simContext, c.key, c.numbers())
	return !ok && err == nil
}

// settled is behind a round of a replica that goes by some numbers.
func (c *simClient) settled(by *lease.Numbers) {
	c.earn()
	c.mend()
	c.asked = by
	c.renumber()
	c.vanish(by)
}

// vanish is behind a look at the bucket by some numbers. If it was full by them, the ledger has
// none any more, and the next who comes finds a full one, by numbers that may be larger.
func (c *simClient) vanish(by *lease.Numbers) {
	c.earn()
	if c.managed || !c.isNone() {
		return
	}
	if c.level < float64(by.Settings.Capacity)-1e-6 {
		c.w.fail("the ledger has no bucket of %s, which has %.6f of %d", c.id, c.level, by.Settings.Capacity)
	}
	if c.level < float64(c.Capacity) {
		c.w.count["full by the smaller numbers"]++
	}
	c.asked = nil
	c.renumber()
	c.level = float64(c.Capacity)
}

// operate has an operator write a bucket now and then.
func (w *simWorld) operate() {
	w.after(w.about(3*w.interval), w.operate)
	if w.isAway() {
		return
	}
	c := w.clients[w.dice.IntN(len(w.clients))]
	r := w.replicas[w.dice.IntN(len(w.replicas))]
	if w.flip(0.3) {
		c.remove(r)
		return
	}
	to := lease.State{Managed: true, Settings: w.settings()}
	if w.flip(0.4) {
		to.Tier = "gold"
	}
	tokens := int64(-1)
	if w.flip(0.3) {
		tokens = w.between(0, 20)
	}
	c.put(r, to, tokens)
}

func (w *simWorld) isAway() bool { return w.now < w.awayUntil }

// put writes a bucket; tokens are kept if they are below 0. It does as limiter's putShared.
func (c *simClient) put(r *simReplica, to lease.State, tokens int64) {
	w, numbers := c.w, r.limits[c.limit].Options().Numbers
	w.count["put"]++
	to.Settings = numbers.Of(true, to.Tier, to.Settings)
	if to.Tier != "" {
		w.count["put with a tier"]++
	}
	capacity := float64(to.Settings.Capacity)
	c.earn()
	c.managed, c.tier, c.own = true, to.Tier, to.Settings
	_ = w.book.Change(simContext, c.key, &numbers, func(present *lease.State) (*lease.State, error) {
		held := 0.0
		if present != nil {
			held = float64(present.Leased)
		}
		switch {
		case tokens >= 0:
			w.count["put with tokens"]++
			tokens = min(tokens, to.Settings.Capacity)
			to.Tokens, c.level = float64(tokens)-held, float64(tokens)
		case present == nil:
			to.Tokens, c.level = capacity, capacity
		default:
			to.Tokens = min(present.Tokens+held, capacity) - held
			c.level = min(c.level, capacity)
		}
		return &to, nil
	})
	c.had = append(c.had, to)
	c.asked = &numbers
	c.written(to.Settings)
	w.note("put %s: %+v", c.id, to)
}

// remove deletes a bucket.
func (c *simClient) remove(r *simReplica) {
	numbers := r.limits[c.limit].Options().Numbers
	if _, ok, _ := c.w.book.Get(simContext, c.key, &numbers); !ok {
		return
	}
	c.w.count["delete"]++
	c.managed, c.tier = false, ""
	_ = c.w.book.Change(simContext, c.key, &numbers, func(*lease.State) (*lease.State, error) { return nil, nil })
	c.level = float64(numbers.Settings.Capacity)
	c.asked = &numbers
	c.written(numbers.Settings)
	c.w.note("delete %s", c.id)
}

// written is behind an operator's write.
func (c *simClient) written(s gcra.Settings) {
	c.Settings, c.at = s, c.w.now
	c.renumber()
	if c.isNone() {
		c.level = float64(c.Capacity)
	}
	c.lower()
}

// trouble has something go wrong, or change, now and then.
func (w *simWorld) trouble() {
	w.after(w.about(2*w.interval), w.trouble)
	r := w.replicas[w.dice.IntN(len(w.replicas))]
	l := r.limits[w.dice.IntN(len(r.limits))]
	long := w.about(w.ttl)
	switch w.dice.IntN(12) {
	case 0:
		w.burstIn(w.ttl)
		w.taste(r)
		w.after(4*w.delay, func() { w.part(r, long) })
	case 1:
		w.count["outage"]++
		w.awayUntil = w.now + int64(long)
		w.note("the ledger is away for %v", long)
	case 2:
		w.count["pause"]++
		r.pausedUntil = w.now + int64(long)
		w.note("%s is paused for %v", r.name, long)
	case 3:
		w.burstIn(w.ttl)
		w.taste(r)
		w.after(4*w.delay, func() { w.crash(r) })
	case 4:
		if w.flip(0.5) {
			w.close(r)
			w.after(w.about(w.interval), func() { w.start() })
		}
	case 5:
		l.of.Numbers = w.numbers()
		w.burstIn(2 * w.interval)
		for _, each := range w.replicas {
			w.after(w.about(w.interval), func() { each.reloads(l.of) })
		}
	case 6:
		if l.gone {
			r.prepare(l)
		} else {
			r.drop(l)
		}
	case 7:
		w.tidy(r)
	case 8:
		c := w.clients[w.dice.IntN(len(w.clients))]
		c.spoiledUntil = w.now + int64(long)
		w.note("%s can't be read for %v", c.id, long)
	}
	if len(w.replicas) < 2 {
		w.start()
	}
}

// taste has all clients come to a replica.
func (w *simWorld) taste(r *simReplica) {
	for _, c := range w.clients {
		r.take(c, 1)
	}
}

// part cuts a replica off for a while.
func (w *simWorld) part(r *simReplica, d time.Duration) {
	w.count["partition"]++
	r.partedUntil = w.now + int64(d)
	w.note("%s is cut off for %v", r.name, d)
}

func (w *simWorld) restart(name string) {
	if len(w.replicas) < 6 {
		w.startAs(name)
	}
}

// reloads is reload if the replica is there, and goes by other numbers.
func (r *simReplica) reloads(of *simLimit) {
	if r.dead {
		return
	}
	for _, l := range r.limits {
		if l.of == of {
			r.reload(l)
		}
	}
}

// traffic is requests, mostly of one client at one replica, which are others after a while.
func (w *simWorld) traffic() {
	c := w.clients[w.dice.IntN(len(w.clients))]
	r := w.replicas[w.dice.IntN(len(w.replicas))]
	if w.flip(0.6) {
		turn := int(w.now / int64(5*w.interval))
		c, r = w.clients[turn%len(w.clients)], w.replicas[turn%len(w.replicas)]
	}
	cost := int64(1)
	if w.flip(0.1) {
		cost = w.between(1, 5)
	}
	r.take(c, cost)
	w.after(w.about(time.Duration(float64(c.Refill.Interval())/w.load)), w.traffic)
}

// bursts have bursts come now and then.
func (w *simWorld) bursts() {
	w.burst()
	w.after(w.about(2*w.ttl), w.bursts)
}

// burst is requests everywhere for all of some client's tokens, for a short while.
func (w *simWorld) burst() {
	c := w.clients[w.dice.IntN(len(w.clients))]
	for range 4 {
		w.after(w.about(w.ttl/50), func() {
			for _, r := range w.replicas {
				for range 3 {
					r.take(c, max(1, c.Capacity/4))
				}
				r.take(c, 1)
			}
		})
	}
}

// burstIn has a burst come after a time, or a little earlier or later.
func (w *simWorld) burstIn(d time.Duration) {
	w.after(d*time.Duration(w.between(96, 104))/100, w.burst)
}
