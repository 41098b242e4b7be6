package limiter

import (
	"context"
	"fmt"
	"time"

	"gopher-equalizer/limiter/lease"
	"gopher-equalizer/limiter/table"
)

// A limit with Sharing has its buckets in a ledger that several processes share. What this one may
// spend of them was granted to it before: see package lease. Such a limit's own table stays empty.

// leasing is what package lease has to know of the limit.
func (o *LimitOptions) leasing() lease.LimitOptions {
	return lease.LimitOptions{
		Name: o.Name, Fingerprint: o.Fingerprint,
		Numbers:    lease.Numbers{Settings: o.Settings, Tiers: o.Tiers},
		MaxBuckets: o.MaxBuckets,
		Leasing:    o.Sharing.Leasing, Wait: o.Sharing.Wait, OnLoss: o.Sharing.OnLoss,
	}
}

// share has the replica share the limits that are shared.
func (s *Service) share(u *setup) {
	if u.Replica == nil {
		return
	}
	leases := make([]*lease.Limit, len(u.shared))
	for i, l := range u.shared {
		leases[i] = l.lease
	}
	u.Replica.Use(leases)
}

// joinPause is the time between two attempts to join.
const joinPause = 100 * time.Millisecond

// join has the replica join the others, if there is one.
func (s *Service) join(ctx context.Context) error {
	replica := s.options().Replica
	if replica == nil {
		return nil
	}
	if s.options().JoinTimeout == 0 {
		return replica.Join(ctx)
	}
	ctx, cancel := context.WithTimeout(ctx, s.options().JoinTimeout)
	defer cancel()
	var last error
	for {
		err := replica.Join(ctx)
		switch {
		case err == nil:
			return nil
		case last == nil:
			s.logger.Warn().Err(err).Msg("waiting to join the replicas")
		case ctx.Err() != nil:
			return last // This attempt's error is only that there was no time left.
		}
		last = err
		select {
		case <-time.After(joinPause):
		case <-ctx.Done():
			return last
		}
	}
}

// part has the replica give back what it holds.
func (s *Service) part(ctx context.Context) error {
	replica := s.options().Replica
	if replica == nil {
		return nil
	}
	if err := replica.Close(ctx); err != nil {
		return fmt.Errorf("give back what this replica holds of the shared buckets, which counts as spent now: %w", err)
	}
	return nil
}

// changeShared has a shared limit work by its new options.
func (k *keptLimit) changeShared(was *LimitOptions) {
	if !was.sameNumbers(k.to) {
		k.table.Renew(nil)
		k.table.Renumber(k.to.Settings, k.to.Tiers, k.clock)
	}
	k.o.Store(k.to)
}

// follow puts the present options in force for what the replica shares. Some of its limits may have
// been leaving.
func (u *setup) follow() {
	for _, l := range u.shared {
		l.lease.Change(l.options().leasing())
	}
}

// buckets are those that this process may spend from.
func (l *Limit) buckets() *table.Table {
	if l.lease != nil {
		return l.lease.Held()
	}
	return l.table
}

// takeShared is Take from a limit that is shared. It waits for the ledger if the replica has too
// little and doesn't know whether there is more.
func (l *Limit) takeShared(clientID string, cost, now int64) (d Decision) {
	if held := l.lease.Spendable(now); held != nil && cost > 0 { // Most takes end here.
		if t := held.Take(clientID, cost, 0); t.Outcome == table.Allowed {
			return decisionOfHeld(&t, cost)
		}
	}
	return l.takeOrWait(clientID, cost, now)
}

func (l *Limit) takeOrWait(clientID string, cost, now int64) (d Decision) {
	var w waiting
	for next := retake; next != settled; now = l.clock.Monotonic() {
		p := l.lease.At(now, next == retakeAlone)
		d = l.takeAt(p, clientID, cost)
		if next = settled; !d.Allowed {
			next = w.forMore(l, p, clientID, cost, now)
		}
	}
	w.end()
	return d
}

// waiting is a taker's wait for the ledger, over several of its replies.
type waiting struct {
	on       *lease.Limit // nil: it hasn't waited
	deadline time.Time
	inVain   bool // the ledger hasn't said that there is no more
}

// next is what a taker does that had too little.
type next uint8

const (
	// settled: nothing.
	settled next = iota
	// retake: it takes again, since the ledger has replied.
	retake
	// retakeAlone: it takes again, as the limit's on_store_loss says.
	retakeAlone
)

// forMore waits until the ledger has replied about a client who had too little at a place, where
// that is worth it, up to the limit's wait.
func (w *waiting) forMore(l *Limit, p lease.Place, clientID string, cost, now int64) next {
	if !p.Held {
		return settled
	}
	exhausted, full := l.lease.Want(clientID, now)
	asksEach := w.on == nil && l.options().Sharing.Leasing == lease.Each
	switch {
	case l.lease.IsAway(now):
		return retakeAlone
	case full || exhausted && !asksEach:
		return settled
	case w.on == nil:
		w.on, w.deadline = l.lease, l.lease.Deadline()
	}
	if l.lease.Wait(clientID, cost, w.deadline) {
		return retake
	}
	w.inVain = true
	if l.lease.IsAway(l.clock.Monotonic()) || l.options().Sharing.OnLoss == lease.Allow {
		return retakeAlone
	}
	return settled
}

// forAny is forMore of the first use that was refused.
func (w *waiting) forAny(uses []Use, now int64) next {
	for i := range uses {
		u := &uses[i]
		if u.Decision.Allowed {
			continue
		}
		if u.Limit.lease == nil {
			return settled
		}
		next := w.forMore(u.Limit, u.place, u.ClientID, u.Cost, now)
		u.isAlone = next == retakeAlone
		return next
	}
	return settled
}

// takeOrWait takes from all, or from none. If the replica holds too little, and the ledger may have
// more, it waits and takes again. What takes on its own goes on so until the take is over.
func takeOrWait(uses []Use) (allowed bool) {
	var w waiting
	for next := retake; next != settled; {
		now := uses[0].Limit.clock.Monotonic()
		if next = settled; takeAll(uses, now) {
			allowed = true
		} else {
			next = w.forAny(uses, now)
		}
	}
	w.end()
	for i := range uses {
		uses[i].isAlone = false
	}
	return allowed
}

// excuse has shared limits be no reason for a refusal for which there is another one, where the
// ledger may have had what the replica lacked.
func excuse(uses []Use) {
	unsure := func(u *Use) bool {
		return !u.Decision.Allowed && u.place.Held && !u.Limit.lease.IsExhausted(u.ClientID)
	}
	for i := range uses {
		if !uses[i].Decision.Allowed && !unsure(&uses[i]) {
			for j := range uses {
				uses[j].Decision.Allowed = uses[j].Decision.Allowed || unsure(&uses[j])
			}
			return
		}
	}
}

// end counts the wait, if there was one.
func (w *waiting) end() {
	if w.on != nil {
		w.on.Waited(w.inVain)
	}
}

// takeAt takes where the client's tokens are.
func (l *Limit) takeAt(p lease.Place, clientID string, cost int64) Decision {
	switch {
	case p.Table == nil:
		return l.withoutTable(p, cost)
	case cost == 0:
		var seen table.Sight
		p.Table.Seek(&seen, clientID, 0)
		p.Table.Look(&seen, p.Now)
		return decisionAt(p, &seen.Taken, 0)
	}
	t := p.Table.Take(clientID, cost, p.Now)
	return decisionAt(p, &t, cost)
}

func decisionAt(p lease.Place, t *table.Taken, cost int64) Decision {
	if p.Held {
		return decisionOfHeld(t, cost)
	}
	return decisionOf(t, cost, p.Now)
}

// decisionOfHeld is the Decision by what the replica holds, and what nobody held when the ledger
// was last asked. Other replicas may hold more, and may have got some of the latter since. So it
// doesn't count for a take that has failed.
func decisionOfHeld(t *table.Taken, cost int64) Decision {
	r := t.Rate
	credit := r.Credit(t.TAT, 0)
	left, ok := t.Left()
	if t.Outcome != table.Allowed {
		left = 0
	}
	d := decisionBy(t, cost, credit+min(left, r.Capacity-r.Whole(credit))*r.Interval)
	if !ok && d.Allowed { // Nobody knows how little it is.
		d.Near, d.RetryAfter = false, 0
	}
	return d
}

// withoutTable is the Decision while the replica is cut off and all is allowed, or refused.
func (l *Limit) withoutTable(p lease.Place, cost int64) Decision {
	rate := l.table.Defaults()
	if p.Allowed || cost == 0 {
		return Decision{Allowed: true, Remaining: rate.Capacity, Settings: &rate.Settings}
	}
	return Decision{Settings: &rate.Settings, RetryAfter: time.Second}
}

// find finds where the use's tokens are.
func (u *Use) find(now int64) {
	if u.Limit.lease == nil {
		u.place = lease.Place{Table: u.Limit.table, Now: now, Clock: u.Limit.clock}
		return
	}
	u.place = u.Limit.lease.At(now, u.isAlone)
}
