package limiter

import "gopher-equalizer/limiter/gcra"

// claim is a client's page while it is locked: what isn't a taker's business is done to buckets under one. Takers go on
// meanwhile, on the buckets that are alive.
type claim struct {
	*table
	leaf
	shard    *shard
	hash     uint64
	clientID string
}

func (t *table) claim(clientID string) claim {
	hash := t.hasher.hash(clientID)
	s := t.shard(hash)
	return claim{t, s.lock(hash), s, hash, clientID}
}

// release ends the claim. What came to be while it lasted may be more than the shard's pages are for.
func (c *claim) release() {
	c.page.mu.Unlock()
	if c.shard.overfull() {
		c.split(c.shard)
	}
}

// live is the client's bucket; nil: there is none.
func (c *claim) live() *bucket { return c.version.find(c.hash, c.clientID) }

func (c *claim) rateOf(b *bucket) *gcra.Rate { return c.leaf.rateOf(b, c.defaults) }

// kill ends a live bucket, and returns what it held.
func (c *claim) kill(b *bucket, now int64) gcra.Holding {
	was := b.kill()
	c.shard.dirty.count.Add(-(was & dirty))
	return c.rateOf(b).Holding(was>>1, now)
}

// put makes the client's bucket, clean. It has none, or none that is alive.
func (c *claim) put(r *gcra.Rate, marks uint64, tat int64) *bucket {
	s := seed{c.clientID, c.hash, r, marks, tat << 1}
	if b := c.add(s); b != nil {
		return b
	}
	counted := census{rates: c.justDefaults}
	counted.count(c.clientID, r)
	for b := range c.version.live {
		counted.count(b.clientID(), c.rateOf(b))
	}
	c.leaf = c.rebuild(c.shard, c.leaf, counted)
	return c.add(s)
}

// create is put for a client that had no bucket.
func (c *claim) create(r *gcra.Rate, marks uint64, tat int64) *bucket {
	c.shard.buckets.Add(1)
	c.countManaged(false, marks&managed != 0)
	return c.put(r, marks, tat)
}

// replace puts a bucket where the client's present one was, if any. arrival is given what that
// held at its end, and says what the arrival time of the new one is to be.
func (c *claim) replace(r *gcra.Rate, marks uint64, now int64, arrival func(was gcra.Holding) int64) *bucket {
	b := c.live()
	if b == nil {
		c.count.Add(1)
		return c.create(r, marks, arrival(gcra.Holding{At: now}))
	}
	tat := arrival(c.kill(b, now))
	c.countManaged(b.has(managed), marks&managed != 0)
	return c.put(r, marks, tat)
}

// remove kills the client's bucket, if any.
func (c *claim) remove(now int64) {
	if b := c.live(); b != nil {
		c.kill(b, now)
		c.drop(c.shard, b)
	}
}

// soil marks a bucket dirty that has been so since then.
func (c *claim) soil(b *bucket, since int64) { c.shard.soil(c.page, b, since) }

// clean takes the mark away, and returns the arrival time that the bucket had at that moment.
func (c *claim) clean(b *bucket) (tat int64) {
	was := b.arrival.And(^dirty)
	c.shard.dirty.count.Add(-(was & dirty))
	return was >> 1
}
