package table

import "gopher-equalizer/limiter/gcra"

// Sight is a client's bucket as Look saw it, for those who take from several buckets or from none:
// they look at all of them first, which writes nothing, and spend then.
type Sight struct {
	// Taken is what a take would have come to. After Spend it is what the take came to.
	Taken
	clientID string // may alias a buffer, which stays as it is until the last use of the Sight
	cost     int64
	price    int64 // of the cost, under the Rate
	was      int64 // the bucket's word
	under    *numbers
	bucket   *Bucket // before Look a guess; nil after it: the client had none
	entry    entry
	shard    *shard
	hash     uint64
	before   int64 // givenBack of the slab, before the bucket was spent from, and
	told     uint64
}

// Seek finds the client's page, for Fetch and Look.
func (t *Table) Seek(seen *Sight, clientID string, cost int64) {
	seen.clientID, seen.cost, seen.bucket = clientID, cost, nil
	seen.hash, seen.shard = t.locate(clientID)
	seen.entry = seen.shard.entry(seen.hash)
}

// Fetch reads what is most likely the client's bucket. It is optional. Called for several Sights,
// one right after the other, it makes their cache misses overlap.
func (seen *Sight) Fetch() { seen.bucket = seen.entry.likely(seen.hash) }

// Look sees what a take of so many tokens would come to. A cost of 0 is never refused.
func (t *Table) Look(seen *Sight, now int64) {
	b := seen.bucket
	if b == nil || !b.isShortOf(seen.clientID) || !t.see(seen, b, seen.entry, now) {
		t.lookAgain(seen, now)
	}
}

func (t *Table) lookAgain(seen *Sight, now int64) {
	for {
		e := seen.shard.entry(seen.hash)
		b := e.find(seen.hash, seen.clientID)
		if b == nil {
			seen.bucket = nil
			shared := t.observe(entry{}, t.overflowOf(seen.hash))
			seen.judge(shared.under, nil, 0, max(now, shared.TAT)<<tatShift, now)
			return
		}
		if t.see(seen, b, e, now) {
			return
		}
		t.bringUp(e, b, seen.hash, seen.clientID)
	}
}

// see judges a bucket. It reports false if the bucket has moved, was replaced, or is to follow
// other numbers.
func (t *Table) see(seen *Sight, b *Bucket, e entry, now int64) bool {
	seen.before, seen.told = e.givenBack.Load(), e.told.Load() // Before arrival, which a later give-back changes.
	marks, was := b.marks.Load(), b.arrival.Load()
	if marks&uint64(Limited) != 0 {
		marks = b.marks.Load()
	}
	n := t.numbers.Load() // After was, as the limit: see numbers.go.
	if was < 0 || !n.counts(was, marks) {
		return false
	}
	seen.bucket, seen.entry = b, e
	seen.judge(n, e.listed(b), marks, was, now)
	return true
}

func (seen *Sight) judge(n *numbers, listed *gcra.Rate, marks uint64, was, now int64) {
	r := n.of(listed)
	seen.was, seen.under = was, n
	seen.Taken, seen.price = Taken{r, was >> tatShift, marks, Allowed, false}, r.Price(seen.cost)
	switch next, ok := r.Spend(was>>tatShift, now, seen.price); {
	case seen.cost == 0:
	case !ok:
		seen.Outcome = Refused
	case next > seen.Limit():
		seen.Outcome = Unreserved
	}
}

// Spend takes what Look found to be there. If the bucket has changed since, it looks again. A
// refusal that comes of that changes nothing.
func (t *Table) Spend(seen *Sight, now int64) {
	for seen.Outcome == Allowed && seen.cost > 0 {
		if seen.bucket == nil {
			if b, e := t.admit(seen.hash, seen.shard, seen.clientID, now); !t.see(seen, b, e, now) {
				t.lookAgain(seen, now)
			}
			continue
		}
		was := seen.was
		next, _ := seen.Rate.Spend(was>>tatShift, now, seen.price)
		//mutant:left spending-from-several-is-not-marked
		if seen.bucket.arrival.CompareAndSwap(was, next<<tatShift|was&(dirtyBit|eraBit)|t.mark) {
			if t.mark&^was != 0 {
				seen.shard.dirty.enter(seen.entry.page, now)
			}
			seen.TAT = next
			seen.Shared = seen.bucket == t.overflowOf(seen.hash)
			return
		}
		t.lookAgain(seen, now)
	}
}

// Reserve makes the bucket of an Unreserved Sight dirty, so that the next flush raises its limit,
// unless it has changed since.
func (t *Table) Reserve(seen *Sight, now int64) {
	seen.shard.refuse(seen.entry.page, seen.bucket, true, seen.was, now)
}

// GiveBack undoes a Spend that was Allowed, as far as the bucket hasn't earned since what was
// spent. It gives to the very bucket that was spent from, or to nobody. An operator who has written
// the bucket, or a move to another slab, ends that one. So do other numbers. Once somebody has been
// told what the bucket holds, what was spent before stays spent.
//
// What the bucket still lacks of the spending is at most the arrival time after it, less the
// present time, and less what others have given back since: that has moved the bucket's later
// spending to earlier times. Of the others only the sum is known, over the buckets of the slab.
func (t *Table) GiveBack(seen *Sight, clock Clock) {
	if seen.cost == 0 || seen.bucket == t.overflowOf(seen.hash) {
		return // Clients of other pages give back to that one, too.
	}
	c := t.Claim(seen.clientID)
	defer c.Release()
	if c.entry.slab != seen.entry.slab || c.entry.told.Load() != seen.told {
		return
	}
	b, others := seen.bucket, c.entry.givenBack.Load()-seen.before
	for {
		was := b.arrival.Load()
		//mutant:zero what-was-earned-since-is-given-back-too
		now := clock.Monotonic() // Read after arrival: no take that it has in it is later.
		amount := min(seen.price, seen.TAT-now-others)
		if amount <= 0 {
			return
		}
		//mutant:false a-take-is-given-back-to-a-dead-bucket
		if was < 0 {
			return
		}
		if t.numbers.Load() != seen.under || was&eraBit != seen.under.era {
			return
		}
		if b.arrival.CompareAndSwap(was, (was>>tatShift-amount)<<tatShift|was&(dirtyBit|eraBit)|t.mark) {
			c.entry.givenBack.Add(amount)
			if t.mark&^was != 0 {
				c.shard.dirty.enter(c.entry.page, now)
			}
			return
		}
	}
}
