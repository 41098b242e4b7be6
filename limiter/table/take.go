package table

import "gopher-equalizer/limiter/gcra"

// Outcome is how a take ended.
type Outcome uint8

const (
	// Refused: there were too few tokens.
	Refused Outcome = iota
	// Allowed: they were spent.
	Allowed
	// Unreserved: there were enough tokens, but not before the limit. The bucket is dirty now, so
	// that the next flush raises the limit.
	Unreserved
)

// Taken is a bucket after a take.
type Taken struct {
	Rate    *gcra.Rate
	TAT     int64
	marks   uint64
	Outcome Outcome
	// Shared reports whether it is one that clients share for which there is no room.
	Shared bool
}

// Limit is the arrival time that no take may pass; Never if there is none.
func (t *Taken) Limit() int64 { return limitOf(t.marks) }

// Take spends some of the client's tokens, 1 or more. clientID may alias a buffer: it is copied
// before it is kept. For a client that has a bucket, Take allocates nothing, and locks nothing
// unless the bucket is being replaced, or is to follow other numbers.
func (t *Table) Take(clientID string, cost, now int64) Taken {
	hash, s := t.locate(clientID)
	for {
		e, shared := s.entry(hash), false
		b := e.find(hash, clientID)
		if b == nil { // The slow path.
			b, e = t.admit(hash, s, clientID, now)
			shared = b == t.overflowOf(hash)
		}
		marks, was := b.marks.Load(), b.arrival.Load()
		if marks&uint64(Limited) != 0 {
			marks = b.marks.Load()
		}
		n := t.numbers.Load() // After was, as the limit: see numbers.go.
		//mutant:lowest a-moved-bucket-is-spent-from
		//mutant:left a-taker-spends-under-former-numbers
		if was < 0 || !n.counts(was, marks) { // It moved, was replaced, or is to follow other numbers.
			t.bringUp(e, b, hash, clientID)
			continue
		}
		r, limit := n.of(e.listed(b)), limitOf(marks)
		next, ok := r.Spend(was>>tatShift, now, r.Price(cost))
		if !ok || next > limit {
			if !ok && limit == Never {
				return Taken{r, was >> tatShift, marks, Refused, shared}
			}
			if outcome, ok := s.refuse(e.page, b, ok, was, now); ok {
				return Taken{r, was >> tatShift, marks, outcome, shared}
			}
			continue
		}
		//mutant:left spending-is-not-marked
		if b.arrival.CompareAndSwap(was, next<<tatShift|was&(dirtyBit|eraBit)|t.mark) {
			if t.mark&^was != 0 {
				s.dirty.enter(e.page, now)
			}
			return Taken{r, next, marks, Allowed, shared}
		}
	}
}

// bringUp is for takers that can't use the bucket that they found. If it is on its way to another
// slab, it arrives. If it is counted under other numbers, it follows the present ones.
func (t *Table) bringUp(e entry, b *Bucket, hash uint64, clientID string) {
	was, marks := b.arrival.Load(), b.marks.Load()
	switch {
	case was < 0:
		e.fetch(b, hash, clientID)
	case t.numbers.Load().counts(was, marks): // It has changed meanwhile.
	case b == t.overflowOf(hash):
		t.renewOverflow(b)
	default:
		c := t.Claim(clientID)
		c.Live()
		c.Release()
	}
}

// refuse ends a take from a bucket that has a limit. If only the limit stands in the way, since it
// holds enough, it makes the bucket dirty. It reports false if the bucket has changed meanwhile.
func (s *shard) refuse(p *page, b *Bucket, holdsEnough bool, was, now int64) (Outcome, bool) {
	if !holdsEnough {
		return Refused, true
	}
	if was&dirtyBit == 0 {
		if !b.arrival.CompareAndSwap(was, was|dirtyBit) {
			return Refused, false
		}
		s.dirty.enter(p, now)
	}
	return Unreserved, true
}

// admit finds the bucket of a client that seems to have none, makes one, or returns a shared one if
// the table is full. A new bucket begins with what the client's overflow bucket holds.
func (t *Table) admit(hash uint64, s *shard, clientID string, now int64) (*Bucket, entry) {
	c := t.claim(hash, s, clientID)
	defer c.Release()
	if b := c.Live(); b != nil {
		return b, c.entry
	}
	shared := t.overflowOf(c.hash)
	if !t.reserve() {
		t.overflowTakes.Add(1)
		return shared, c.entry
	}
	seen := t.observe(entry{}, shared)
	b := c.create(nil, 0, max(now, seen.TAT), seen.under)
	return b, c.entry
}
