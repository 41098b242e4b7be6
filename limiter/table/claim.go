package table

import "gopher-equalizer/limiter/gcra"

// Claim is a client's page while it is locked. All but takers and CleanAsSeen change buckets under
// a Claim. Those two go on meanwhile, on the buckets that are alive. The caller must Release it.
type Claim struct {
	table    *Table
	entry    entry
	shard    *shard
	hash     uint64
	clientID string
}

// Claim waits for the client's page and locks it. clientID may alias a buffer that stays as it is
// until Release.
func (t *Table) Claim(clientID string) Claim {
	hash, s := t.locate(clientID)
	return t.claim(hash, s, clientID)
}

// claim is Claim for a client that was located.
func (t *Table) claim(hash uint64, s *shard, clientID string) Claim {
	return Claim{t, s.lock(hash), s, hash, clientID}
}

// Release ends the claim. The shard may have more buckets now than it has pages for.
func (c *Claim) Release() {
	c.entry.page.mu.Unlock()
	if c.shard.overfull() {
		c.shard.split()
	}
}

// Live is the client's bucket; nil if there is none.
func (c *Claim) Live() *Bucket {
	b := c.entry.find(c.hash, c.clientID)
	if b != nil {
		c.table.renewBucket(c.entry, b)
	}
	return b
}

// Observe is the client's bucket as it is now.
func (c *Claim) Observe(b *Bucket) Observation { return c.table.observe(c.entry, b) }

// MarkDirty makes the client's bucket dirty, with unstored spending since then.
func (c *Claim) MarkDirty(b *Bucket, since int64) { c.shard.dirty.mark(c.entry.page, b, since) }

// Clean clears the dirty bit, and observes the bucket as it was at that moment.
func (c *Claim) Clean(b *Bucket) Observation {
	return c.table.value(c.entry, b, c.shard.dirty.clean(b))
}

// kill ends a live bucket, and observes it as it was.
func (c *Claim) kill(b *Bucket) Observation {
	was := b.kill()
	c.shard.dirty.count.Add(-(was & dirtyBit))
	return c.table.value(c.entry, b, was)
}

// put makes the client's bucket, clean, with an arrival time under these numbers. The client has
// none that is alive.
func (c *Claim) put(listed *gcra.Rate, marks uint64, tat int64, under *numbers) *Bucket {
	n := newBucket{c.clientID, c.hash, listed, marks, tat<<tatShift | under.era}
	if b := c.entry.insert(n); b != nil {
		return b
	}
	needs := c.shard.needsOf(c.entry)
	needs.include(c.clientID, listed)
	c.entry = c.shard.rebuild(c.entry, needs)
	return c.entry.insert(n)
}

// create is put for a client that had no bucket. The caller has counted it with reserve.
func (c *Claim) create(listed *gcra.Rate, marks Mark, tat int64, under *numbers) *Bucket {
	c.shard.buckets.Add(1)
	c.table.countManaged(false, marks&Managed != 0)
	return c.put(listed, uint64(marks), tat, under)
}

// Replace puts a bucket in place of the client's present one, if there is one. A managed one gets
// this rate, or the present one of its tier if it has a tier's name. Others get the default one.
// arrival gets the rate, and what the present bucket held at its end, and returns the arrival time
// of the new one. Options.MaxBuckets doesn't bind Replace.
func (c *Claim) Replace(
	r *gcra.Rate, marks Mark, now int64, arrival func(is *gcra.Rate, was gcra.Holding) (tat int64),
) Observation {
	if marks&Managed == 0 {
		r = nil
	}
	b := c.Live()
	if b == nil {
		c.table.count.Add(1)
		n := c.table.numbers.Load()
		is := n.of(r)
		tat := arrival(is, gcra.Holding{At: now})
		return Observation{c.create(r, marks, tat, n), is, tat, n}
	}
	was := c.kill(b)
	is := was.under.of(r)
	tat := arrival(is, was.Holding(now))
	c.table.countManaged(b.Has(Managed), marks&Managed != 0)
	return Observation{c.put(r, uint64(marks), tat, was.under), is, tat, was.under}
}

// Limit puts a bucket with a limit in place of the client's bucket, which has none. From now on so
// many tokens may be spent. A taker that hasn't seen the limit meets a dead bucket.
func (c *Claim) Limit(b *Bucket, now, tokens int64) (fresh Observation) {
	listed, seen := c.entry.listed(b), c.kill(b)
	was := seen.Holding(now)
	tat := seen.Rate.TAT(was.Credit, was.At)
	limit := limitMarks(max(tat, now)+tokens*seen.Rate.Interval, seen.under)
	marks := b.marks.Load()&uint64(Stored|Managed) | limit
	return Observation{c.put(listed, marks, tat, seen.under), seen.Rate, tat, seen.under}
}

// SetLimit gives the client's bucket a limit, or takes it off if it is Never. It was computed from
// what was seen. If the numbers are others by now, it does nothing, and reports false.
func (c *Claim) SetLimit(b *Bucket, limit int64, seen Observation) bool {
	switch {
	//mutant:false a-reservation-of-former-numbers-holds
	case c.table.numbers.Load() != seen.under:
		return false
	case limit == Never:
		b.Clear(Limited)
	default:
		b.setLimit(limit, seen.under)
	}
	return true
}

// LimitOf is the limit of a bucket that was seen, which has one. It reports false if the numbers
// are others by now.
func (c *Claim) LimitOf(seen Observation) (limit int64, ok bool) {
	c.table.renewBucket(c.entry, seen.Bucket)
	marks := seen.Bucket.marks.Load()
	n := c.table.numbers.Load()
	return limitOf(marks), n == seen.under && !n.hasOldLimit(marks)
}

// Remove kills the client's bucket, if there is one.
func (c *Claim) Remove() {
	if b := c.Live(); b != nil {
		c.kill(b)
		c.table.drop(c.shard, b)
	}
}

// Find returns the client's bucket. ok is false if the bucket doesn't exist at now. The Observation
// is then of one that holds nothing, or zero.
func (t *Table) Find(clientID string, now int64) (seen Observation, ok bool) {
	c := t.Claim(clientID)
	defer c.Release()
	b := c.Live()
	if b == nil {
		return Observation{}, false
	}
	seen = c.Observe(b)
	return seen, b.exists(seen.TAT, now)
}

// Each calls f with every bucket that exists at now, once, in no order. The bucket's page is locked
// meanwhile, and no bucket moves to another page, so it misses none that is there throughout.
func (t *Table) Each(now int64, f func(*Bucket)) {
	t.Observations(now, func(seen Observation) { f(seen.Bucket) })
}

// Observations calls f with every bucket that exists at now, as Each does.
func (t *Table) Observations(now int64, f func(Observation)) {
	for i := range t.shards {
		t.shards[i].each(func(e entry) {
			for b := range e.live {
				if seen := t.observe(e, b); b.exists(seen.TAT, now) {
					f(seen)
				}
			}
		})
	}
}

// Remove kills the client's bucket, if there is one, under a Claim.
func (t *Table) Remove(clientID string) {
	c := t.Claim(clientID)
	defer c.Release()
	c.Remove()
}

// Update calls f with the client's bucket, if there is one, while its page is claimed.
func (t *Table) Update(clientID string, f func(c *Claim, b *Bucket)) {
	c := t.Claim(clientID)
	defer c.Release()
	if b := c.Live(); b != nil {
		f(&c, b)
	}
}

// Redirty makes a client's bucket dirty again whose bit was cleared and whose value wasn't stored.
func (t *Table) Redirty(clientID string, since int64) {
	t.Update(clientID, func(c *Claim, b *Bucket) { c.MarkDirty(b, since) })
}

// PutBack queues the pages of buckets of a Backlog that are still dirty.
func (t *Table) PutBack(group []*Bucket, since int64) {
	for _, b := range group {
		t.Update(b.ClientID(), func(c *Claim, b *Bucket) {
			if b.IsDirty() {
				c.shard.dirty.queue(c.entry.page, since)
			}
		})
	}
}

// CleanAsSeen marks the bucket as Stored and clears its dirty bit without claiming the page, if it
// is still as DirtyAsSeen observed it. If it isn't, it may be marked nevertheless. A bucket may be
// marked that has no row.
//
// The mark comes first: if the bucket is moving, the one who moves it finds the mark once the
// bucket is frozen. Nobody overwrites it: all marks are written at once only where a bucket has a
// limit, or gets one, and the caller holds the lock under which limits come and go.
func (t *Table) CleanAsSeen(seen Observation) bool {
	if !seen.Bucket.Has(Stored) {
		seen.Bucket.Set(Stored)
	}
	clean := seen.TAT<<tatShift | seen.under.era
	if !seen.Bucket.arrival.CompareAndSwap(clean|dirtyBit, clean) {
		return false
	}
	_, s := t.locate(seen.Bucket.ClientID())
	s.dirty.count.Add(-1)
	return true
}
