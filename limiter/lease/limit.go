package lease

import (
	"sync"
	"sync/atomic"
	"time"

	"gopher-equalizer/limiter/gcra"
	"gopher-equalizer/limiter/table"
)

// Limit is a limit as a replica shares it.
//
// What clients may spend is in a table of buckets whose clock stands still: a bucket's credit is
// what the replica holds for its client, and a grant adds to it. A bucket has the mark Exhausted if
// the ledger had no more when it was last asked. The others may have more, and so may clients that
// have no bucket here.
type Limit struct {
	replica *Replica
	o       atomic.Pointer[LimitOptions]
	held    atomic.Pointer[table.Table]
	// alone is what clients have while the replica is cut off; nil while nobody has asked.
	alone   atomic.Pointer[alone]
	lonely  sync.Mutex // held while alone is made
	waits   waits
	leaving atomic.Bool

	// former are tables of before the numbers were changed, whose tokens go back.
	former []*table.Table
	// swapping is held while held goes to former.
	swapping sync.Mutex

	namespace atomic.Uint32 // 0: unknown yet

	// leases belong to rounds.
	leases map[string]*lease
}

// alone is what clients have while the ledger is away.
type alone struct {
	*table.Table
	until int64 // Replica.until, which changes with the next reply
}

// Exhausted marks a bucket if the ledger had no more for it.
const Exhausted = table.Stored

// Options are those that the limit has now.
func (l *Limit) Options() *LimitOptions { return l.o.Load() }

// Change has the limit work by other options, of the same name and fingerprint. With other numbers
// clients begin anew with what the ledger grants, and what was held for them goes back to it.
func (l *Limit) Change(o LimitOptions) {
	was := l.o.Swap(&o)
	if was.sameNumbers(&o) {
		l.held.Load().SetMax(o.MaxBuckets)
		return
	}
	l.swapping.Lock()
	defer l.swapping.Unlock()
	l.former = append(l.former, l.held.Swap(newHeld(&o)))
	l.alone.Store(nil)
}

// tables are that of what is held, and those of before.
func (l *Limit) tables() (held *table.Table, former []*table.Table) {
	l.swapping.Lock()
	defer l.swapping.Unlock()
	return l.held.Load(), l.former
}

// forget lets go of tables of before that hold nothing any more.
func (l *Limit) forget(former []*table.Table) {
	l.swapping.Lock()
	defer l.swapping.Unlock()
	l.former = l.former[len(former):]
}

// letGo forgets all that was held.
func (l *Limit) letGo() {
	l.swapping.Lock()
	defer l.swapping.Unlock()
	l.former = nil
	l.held.Store(newHeld(l.o.Load()))
	clear(l.leases)
}

// Place is where a client's tokens are at a moment.
type Place struct {
	// Table is nil if there is none: then all is allowed, or refused.
	Table   *table.Table
	Allowed bool
	// Now is the time by the table's clock, and Clock that clock.
	Now   int64
	Clock table.Clock
	// Held reports whether they are what the replica holds: see Limit.Want.
	Held bool
}

// At is where clients' tokens are at now. alone is for a client for whom the replica holds too
// little while the ledger is away.
func (l *Limit) At(now int64, alone bool) Place {
	if held := l.Spendable(now); held != nil && !alone {
		return Place{Table: held, Clock: frozen{}, Held: true}
	}
	switch l.o.Load().OnLoss {
	case Allow:
		return Place{Allowed: true, Now: now}
	case Refuse:
		return Place{Now: now}
	}
	return Place{Table: l.onItsOwn(now), Now: now, Clock: l.replica.o.Clock}
}

// onItsOwn is the table of clients while the replica is cut off, which begins empty at now.
func (l *Limit) onItsOwn(now int64) *table.Table {
	until := l.replica.until.Load()
	if a := l.alone.Load(); a != nil && a.until == until {
		return a.Table
	}
	l.lonely.Lock()
	defer l.lonely.Unlock()
	if a := l.alone.Load(); a != nil && a.until == until {
		return a.Table
	}
	a := &alone{l.newAlone(now), until}
	l.alone.Store(a)
	return a.Table
}

func (l *Limit) newAlone(now int64) *table.Table {
	o, n := l.o.Load(), l.replica.alive.Load()
	tiers := map[string]gcra.Settings{}
	for name, s := range o.Tiers {
		tiers[name] = shareOf(s, n)
	}
	t := table.New(table.Options{Defaults: shareOf(o.Settings, n), Tiers: tiers, MaxBuckets: o.MaxBuckets, Volatile: true})
	//mutant:drop a-client-begins-full-at-a-replica-that-is-cut-off
	t.StartEmpty(now + t.Defaults().Span)
	l.held.Load().Observations(0, func(seen table.Observation) {
		if seen.Bucket.Has(table.Managed) {
			copyManaged(t, seen, n, now)
		}
	})
	return t
}

// copyManaged gives a client its own numbers while the replica is cut off.
func copyManaged(to *table.Table, seen table.Observation, n, now int64) {
	r := seen.Rate
	if r.Tier == "" {
		r = gcra.NewRate(shareOf(r.Settings, n))
	}
	c := to.Claim(seen.Bucket.ClientID())
	defer c.Release()
	c.Replace(r, table.Managed, now, func(is *gcra.Rate, _ gcra.Holding) int64 { return is.TAT(0, now) })
}

// shareOf is what one of n replicas has of some settings.
func shareOf(s gcra.Settings, n int64) gcra.Settings {
	p := gcra.Settings{Capacity: max(1, s.Capacity/n), Refill: s.Refill}
	if s.Refill.Amount%n == 0 {
		p.Refill.Amount /= n
	} else if s.Refill.Per <= gcra.MaxSpan/time.Duration(n) {
		p.Refill.Per *= time.Duration(n)
	}
	return p.Cut()
}

// Want notes that a client had too little of what the replica holds. It reports whether the ledger
// had no more when it was last asked; full reports whether the replica has no room for the client.
func (l *Limit) Want(clientID string, now int64) (exhausted, full bool) {
	marks, ok := l.held.Load().Want(clientID, now)
	return marks&Exhausted != 0, !ok
}

// IsExhausted reports whether the ledger had no more for a client when it was last asked.
func (l *Limit) IsExhausted(clientID string) bool { return l.held.Load().Has(clientID, Exhausted) }

// IsAway reports whether the ledger hasn't replied to a round for longer than takers wait.
func (l *Limit) IsAway(now int64) bool {
	asked := l.replica.unheard.Load()
	return asked != 0 && now-asked > int64(l.o.Load().Wait)
}

// Spendable is Held, or nil if the replica may not spend it at now.
func (l *Limit) Spendable(now int64) *table.Table {
	if !l.replica.maySpend(now) {
		return nil
	}
	return l.held.Load()
}

// Held is the table of what the replica holds.
func (l *Limit) Held() *table.Table { return l.held.Load() }

// Touch has the next round ask about a client, as what the ledger has of it was changed.
func (l *Limit) Touch(clientID string) {
	l.waits.join(clientID, 0)
	l.replica.hurry()
}

// Namespace is that of the limit's buckets; 0 if the ledger hasn't been asked yet.
func (l *Limit) Namespace() uint32 { return l.namespace.Load() }
