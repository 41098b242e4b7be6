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
	Rate *gcra.Rate
	TAT  int64
	// Limit is the arrival time that no take may pass; Never if there is none.
	Limit   int64
	Outcome Outcome
}

// Take spends some of the client's tokens, 1 or more. clientID may alias a buffer: it is copied
// before it is kept. For a client that has a bucket, Take allocates nothing, and locks nothing
// unless the bucket is being replaced.
func (t *Table) Take(clientID string, cost, now int64) Taken {
	hash, s := t.locate(clientID)
	for {
		e := s.entry(hash)
		b := e.find(hash, clientID)
		if b == nil { // The slow path.
			b, e = t.admit(clientID, now)
		}
		r, limit := e.rateOf(b, t.defaults), limitOf(b.marks.Load())
		price := r.Price(cost)
		was, tat, ok := b.take(r, price, limit, t.mark, now)
		if ok {
			if t.mark&^was != 0 {
				s.dirty.enter(e.page, now)
			}
			return Taken{r, tat, limit, Allowed}
		}
		if was >= 0 && limit == Never {
			return Taken{r, was >> 1, limit, Refused}
		}
		if was < 0 { // It moved, or was replaced: look up again.
			e.fetch(b, hash, clientID)
		} else if outcome, ok := s.refuse(e.page, b, r, price, was, now); ok {
			return Taken{r, was >> 1, limit, outcome}
		}
	}
}

// refuse ends a take from a bucket that has a limit. If only the limit stands in the way, it makes
// the bucket dirty. It reports false if the bucket has changed meanwhile.
func (s *shard) refuse(p *page, b *Bucket, r *gcra.Rate, price, was, now int64) (Outcome, bool) {
	if _, ok := r.Spend(was>>1, now, price); !ok {
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
func (t *Table) admit(clientID string, now int64) (*Bucket, entry) {
	c := t.Claim(clientID)
	defer c.Release()
	if b := c.Live(); b != nil {
		return b, c.entry
	}
	shared := t.overflowOf(c.hash)
	if !t.reserve() {
		t.overflowTakes.Add(1)
		return shared, c.entry
	}
	b := c.create(t.defaults, 0, max(now, shared.TAT()))
	return b, c.entry
}
