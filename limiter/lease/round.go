package lease

import (
	"cmp"
	"context"
	"errors"
	"math"
	"slices"
	"strings"

	"gopher-equalizer/limiter/gcra"
	"gopher-equalizer/limiter/table"
)

// MaxAsks is how many buckets one transaction settles. They are enough to make its cost by the
// bucket small, and few enough that other replicas, and takers that wait, don't wait for long.
const MaxAsks = 1_000

// rounds are what a replica knows of its rounds.
type rounds struct {
	member, seq int64
	// pending is a transaction that the ledger may have, or not. It is asked again before any
	// other.
	pending *batch
}

// batch is what one transaction settles. Its parts are in the order of its asks.
type batch struct {
	Round
	parts []part
}

type part struct {
	limit *Limit
	*lease
	clientID string
}

// lease is what rounds know of a client for whom the replica holds tokens, or has just asked.
type lease struct {
	held int64 // after the last round
	back int64 // what the last round took away from the client, for the next one to give back
	// asked is what was wanted last, demand how many tokens an interval took, averaged.
	asked  int64
	demand float64
	spent  int64 // since demand was counted
	idle   int   // rounds in which nobody came
	left   int64 // what nobody held after the last round
}

// idleRounds is after how many rounds in which nobody came a client's tokens are given back.
const idleRounds = 2

// settlePending asks again what nobody knows about.
func (r *Replica) settlePending(ctx context.Context) error {
	if r.rounds.pending == nil {
		return nil
	}
	return r.settle(ctx, r.rounds.pending)
}

// settleAll settles everything, or, early, only those who wait. The ledger hears of the replica in
// any case.
func (r *Replica) settleAll(ctx context.Context, early bool) error {
	all := *r.limits.Load()
	b := r.newBatch()
	former := map[*Limit][]*table.Table{}
	for _, l := range all {
		if l.namespace.Load() == 0 {
			continue // It came since this round began.
		}
		_, former[l] = l.tables()
		for _, clientID := range r.turned(l.clients(early)) {
			if len(b.Asks) == MaxAsks {
				if err := r.settle(ctx, b); err != nil {
					return err
				}
				if err := r.serveWaiting(ctx, early); err != nil {
					return err
				}
				b = r.newBatch()
			}
			b.ask(l, clientID, early)
		}
	}
	if err := r.settle(ctx, b); err != nil {
		return err
	}
	if early {
		return nil
	}
	for _, l := range all {
		l.forget(former[l])
	}
	r.count(all)
	r.forget()
	return nil
}

// serveWaiting settles those who wait, between two transactions of a round that settles everything.
func (r *Replica) serveWaiting(ctx context.Context, early bool) error {
	if early || !slices.ContainsFunc(*r.limits.Load(), func(l *Limit) bool { return l.waits.areThere() }) {
		return nil
	}
	return r.settleAll(ctx, true)
}

// turned begins at another place for each replica, so that those whose rounds coincide don't want
// the same rows at the same moment.
func (r *Replica) turned(clients []string) []string {
	alive := max(1, r.alive.Load())
	at := int64(len(clients)) / alive * (r.rounds.member % alive)
	return slices.Concat(clients[at:], clients[:at])
}

// clients are those that a round asks about.
func (l *Limit) clients(early bool) []string {
	if early {
		return l.waiting()
	}
	return l.active()
}

func (r *Replica) newBatch() *batch {
	return &batch{Round: Round{Member: r.rounds.member, TTL: r.o.TTL, Numbers: map[uint32]*Numbers{}}}
}

// waiting are the clients whose takers wait.
func (l *Limit) waiting() (clients []string) {
	for _, clientID := range l.waits.clients() {
		l.leaseOf(clientID).idle = -1 // Somebody came.
		clients = append(clients, clientID)
	}
	return clients
}

// leaseOf is the client's lease, which is made if there is none.
func (l *Limit) leaseOf(clientID string) *lease {
	one := l.leases[clientID]
	if one == nil {
		one = &lease{}
		l.leases[strings.Clone(clientID)] = one // The client_id may lie in a table.
	}
	return one
}

// active are the clients of whom tokens are held, or who came since the last round that settled
// everything.
func (l *Limit) active() []string {
	held := l.held.Load()
	for _, b := range held.TakeDirty().Rest() {
		clientID := b.ClientID()
		held.Update(clientID, func(c *table.Claim, b *table.Bucket) { c.Clean(b) })
		l.leaseOf(clientID).idle = -1
	}
	clients := make([]string, 0, len(l.leases))
	for clientID, one := range l.leases {
		one.idle++
		clients = append(clients, clientID)
	}
	slices.Sort(clients)
	return clients
}

// ask adds what is to be asked about a client.
func (b *batch) ask(l *Limit, clientID string, early bool) {
	one, namespace := l.leases[clientID], l.namespace.Load()
	ask := Ask{Key: Key{namespace, clientID}}
	held, former := l.tables()
	for _, t := range former {
		t.Update(clientID, func(c *table.Claim, b *table.Bucket) { ask.Back += c.Drain(b, 0) })
	}
	c := held.Claim(clientID)
	bucket := bucketOf(&c)
	rate := c.Observe(bucket).Rate
	ask.Want = l.wanted(one, rate.Settings, c.Tokens(bucket), l.waits.need(clientID), early)
	ask.Back += one.back + c.Drain(bucket, ask.Want)
	one.back = 0
	ask.Held = c.Tell(bucket)
	c.Release()
	o := l.o.Load()
	ask.Ahead = o.ahead(l.replica.o.Interval)
	one.asked = ask.Want
	if b.Numbers[namespace] == nil {
		b.Numbers[namespace] = &o.Numbers
	}
	b.Asks, b.parts = append(b.Asks, ask), append(b.parts, part{l, one, clientID})
}

// bucketOf is the client's bucket, which is made if there is none.
func bucketOf(c *table.Claim) *table.Bucket {
	if b := c.Live(); b != nil {
		return b
	}
	return c.Replace(nil, 0, 0, func(is *gcra.Rate, _ gcra.Holding) int64 { return is.TAT(0, 0) }).Bucket
}

// wanted is how many tokens the replica would like to hold for a client.
func (l *Limit) wanted(one *lease, s gcra.Settings, holds, need int64, early bool) int64 {
	one.spent += max(0, one.held-holds)
	one.held = holds
	expected := max(one.demand, float64(one.spent))
	if !early {
		one.demand, one.spent = one.demand/2+float64(one.spent)/2, 0
	}
	switch {
	case l.leaving.Load():
		return need
	case l.o.Load().Leasing == Each:
		return need
	case one.idle >= idleRounds && need == 0:
		return 0
	}
	alive := max(1, l.replica.alive.Load())
	want := max(int64(1.5*expected)+1, min(ample(expected), one.left/(spareParts*alive)))
	if holds == 0 { // It was too little, or this is the first time.
		want = max(want, 2*one.asked, firstWant)
	}
	share := max(1, s.Capacity/alive)
	return max(min(want, share), need)
}

// spareParts bounds what replicas hold only so that nobody waits: together one part in so many of
// the tokens that nobody holds.
const spareParts = 4

// ample is how many tokens suffice in nearly every interval. Where requests come at random, the
// standard deviation of their number is its square root (Poisson). A request that waits for the
// ledger costs more than a renewal.
func ample(expected float64) int64 { return int64(2*expected+4*math.Sqrt(expected)) + firstWant }

// firstWant is how many tokens are wanted for a client that comes. Few come for one response only.
const firstWant = 4

// settle asks the ledger, and does what it replies. If it doesn't reply, the batch is asked again
// by the next round.
func (r *Replica) settle(ctx context.Context, b *batch) error {
	//mutant:true what-is-in-doubt-is-asked-under-another-number
	if b != r.rounds.pending {
		r.rounds.seq++
		b.Seq = r.rounds.seq
		b.sort()
	}
	r.rounds.pending = b
	asked := r.o.Clock.Monotonic()
	r.unheard.CompareAndSwap(0, max(1, asked)) // A round may have several transactions.
	replies, alive, err := r.renew(ctx, b)
	if err != nil {
		if errors.Is(err, ErrExpelled) {
			r.rounds.pending = nil
		}
		return err
	}
	r.rounds.pending = nil
	r.alive.Store(int64(max(1, alive)))
	for i := range replies {
		b.parts[i].follow(&b.Asks[i], &replies[i])
	}
	r.reached(asked)
	b.serve()
	return nil
}

// serve wakes those who wait for the batch.
func (b *batch) serve() {
	for i := range b.parts {
		b.parts[i].limit.waits.reply(b.parts[i].clientID)
	}
}

// sort puts the asks in the order of their keys.
func (b *batch) sort() {
	slices.SortFunc(b.parts, func(x, y part) int {
		return cmp.Or(cmp.Compare(x.limit.namespace.Load(), y.limit.namespace.Load()), strings.Compare(x.clientID, y.clientID))
	})
	slices.SortFunc(b.Asks, func(x, y Ask) int {
		return cmp.Or(cmp.Compare(x.Namespace, y.Namespace), strings.Compare(x.ClientID, y.ClientID))
	})
}

// follow does in memory what the ledger replied.
func (p *part) follow(a *Ask, reply *Reply) {
	p.held = a.Held + reply.Granted
	c := p.limit.held.Load().Claim(p.clientID)
	defer c.Release()
	b := p.renumber(&c, bucketOf(&c), reply)
	c.Add(b, reply.Granted)
	if reply.Owed > 0 {
		p.back = c.Drain(b, max(0, c.Tokens(b)-reply.Owed))
		p.held -= p.back
	}
	b.SetLeft(reply.Left)
	p.left = reply.Left
	if reply.Left == 0 && p.held < p.asked {
		b.Set(Exhausted)
	} else {
		b.Clear(Exhausted)
	}
	p.end(&c, b)
}

// end forgets a client of whom nothing is held, and for whom nobody comes.
func (p *part) end(c *table.Claim, b *table.Bucket) {
	if p.held == 0 && p.back == 0 && p.idle >= idleRounds && !b.IsDirty() {
		c.Remove()
		delete(p.limit.leases, p.clientID)
	}
}

// renumber gives the bucket the numbers that the ledger has of it.
func (p *part) renumber(c *table.Claim, b *table.Bucket, reply *Reply) *table.Bucket {
	is := c.Observe(b).Rate
	if b.Has(table.Managed) == reply.Managed && (!reply.Managed || is.Settings == reply.Settings && is.Tier == reply.Tier) {
		return b
	}
	marks, rate := table.Mark(0), (*gcra.Rate)(nil)
	if reply.Managed {
		marks, rate = table.Managed, gcra.NewRate(reply.Settings).In(reply.Tier)
	}
	return c.Replace(rate, marks, 0, func(is *gcra.Rate, was gcra.Holding) int64 {
		return is.TAT(min(was.Credit/was.Rate.Interval, is.Capacity)*is.Interval, 0)
	}).Bucket
}

// count counts what is held after a round.
func (r *Replica) count(limits []*Limit) {
	held, leases := int64(0), 0
	for _, l := range limits {
		leases += len(l.leases)
		for _, one := range l.leases {
			held += one.held
		}
	}
	r.counts.held.Store(held)
	r.counts.leases.Store(int64(leases))
}
