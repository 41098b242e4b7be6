package table

import "gopher-equalizer/limiter/gcra"

// Claim is a client's page while it is locked. All but takers change buckets under a Claim. Takers
// go on meanwhile, on the buckets that are alive. The caller must Release it.
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
func (c *Claim) Live() *Bucket { return c.entry.find(c.hash, c.clientID) }

// Rate is the rate of the client's bucket.
func (c *Claim) Rate(b *Bucket) *gcra.Rate { return c.entry.rateOf(b, c.table.defaults) }

// MarkDirty makes the client's bucket dirty, with unstored spending since then.
func (c *Claim) MarkDirty(b *Bucket, since int64) { c.shard.dirty.mark(c.entry.page, b, since) }

// Clean clears the dirty bit, and returns the arrival time that the bucket had at that moment.
func (c *Claim) Clean(b *Bucket) (tat int64) { return c.shard.dirty.clean(b) }

// kill ends a live bucket, and returns what it held.
func (c *Claim) kill(b *Bucket, now int64) gcra.Holding {
	was := b.kill()
	c.shard.dirty.count.Add(-(was & dirtyBit))
	return c.Rate(b).Holding(was>>1, now)
}

// put makes the client's bucket, clean. The client has none that is alive.
func (c *Claim) put(r *gcra.Rate, marks uint64, tat int64) *Bucket {
	n := newBucket{c.clientID, c.hash, r, marks, tat << 1}
	if b := c.entry.insert(n); b != nil {
		return b
	}
	needs := c.shard.needsOf(c.entry)
	needs.include(c.clientID, r)
	c.entry = c.shard.rebuild(c.entry, needs)
	return c.entry.insert(n)
}

// create is put for a client that had no bucket. The caller has counted it with reserve.
func (c *Claim) create(r *gcra.Rate, marks Mark, tat int64) *Bucket {
	c.shard.buckets.Add(1)
	c.table.countManaged(false, marks&Managed != 0)
	return c.put(r, uint64(marks), tat)
}

// Replace puts a bucket in place of the client's present one, if there is one. arrival gets what
// that one held at its end, and returns the arrival time of the new one. Options.MaxBuckets doesn't
// bind Replace.
func (c *Claim) Replace(
	r *gcra.Rate, marks Mark, now int64, arrival func(was gcra.Holding) (tat int64),
) *Bucket {
	b := c.Live()
	if b == nil {
		c.table.count.Add(1)
		return c.create(r, marks, arrival(gcra.Holding{At: now}))
	}
	tat := arrival(c.kill(b, now))
	c.table.countManaged(b.Has(Managed), marks&Managed != 0)
	return c.put(r, uint64(marks), tat)
}

// Limit puts a bucket with a limit in place of the client's bucket, which has none. From now on
// credit may be spent. A taker that hasn't seen the limit meets a dead bucket.
func (c *Claim) Limit(b *Bucket, now, credit int64) (fresh *Bucket, tat int64) {
	r := c.Rate(b)
	was := c.kill(b, now)
	tat = r.TAT(was.Credit, was.At)
	marks := b.marks.Load() & uint64(Stored|Managed)
	return c.put(r, marks|limitMarks(max(tat, now)+credit), tat), tat
}

// Remove kills the client's bucket, if there is one.
func (c *Claim) Remove(now int64) {
	if b := c.Live(); b != nil {
		c.kill(b, now)
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
	seen = Observation{b, c.Rate(b), b.TAT()}
	return seen, b.exists(seen.TAT, now)
}

// Each calls f with every bucket that exists at now, once, in no order. The bucket's page is locked
// meanwhile, and no bucket moves to another page, so it misses none that is there throughout.
func (t *Table) Each(now int64, f func(*Bucket)) {
	for i := range t.shards {
		t.shards[i].each(func(e entry) {
			for b := range e.live {
				if b.exists(b.TAT(), now) {
					f(b)
				}
			}
		})
	}
}

// Remove kills the client's bucket, if there is one, under a Claim.
func (t *Table) Remove(clientID string, now int64) {
	c := t.Claim(clientID)
	defer c.Release()
	c.Remove(now)
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

// CleanAsSeen clears the dirty bit without claiming the page, if the bucket still has the arrival
// time that DirtyAsSeen returned.
func (t *Table) CleanAsSeen(b *Bucket, tat int64) bool {
	if !b.arrival.CompareAndSwap(tat<<1|dirtyBit, tat<<1) {
		return false
	}
	_, s := t.locate(b.ClientID())
	s.dirty.count.Add(-1)
	return true
}
