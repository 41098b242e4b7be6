package limiter

import (
	"errors"
	"time"

	"gopher-equalizer/limiter/table"
)

// collected is a batch, and what changes in memory once the store has it.
type collected struct {
	batch Batch
	now   int64
	wall  time.Time
	parts []*collectedPart
}

// collectedPart is what a batch has of one limit.
type collectedPart struct {
	*collected
	*Limit

	unstored []*table.Bucket // that have no row once the batch is stored
	reserved []reservation   // that hold once the batch is stored
	limited  []*table.Bucket // that had no limit before
}

// collect reads the values of buckets that were dirty, and clears their dirty bits in the same
// step. A later take makes a bucket dirty again.
//
// An unmanaged bucket that is full holds nothing, and one that is full within horizon is full
// before a restart could ask. It isn't written, and its row, if it may have one, is deleted. For a
// while after a crash, clients without a row aren't full, so everything is written.
func (s *Service) collect(g group, horizon time.Duration) *collected {
	c := &collected{now: s.clock.Monotonic()}
	c.wall = s.clock.Wall() // Read after now, so that no time is credited twice.
	if n := g.len(); cap(s.rounds.puts) < n {
		s.rounds.puts = make([]Record, 0, n)
	}
	c.batch.Puts = s.rounds.puts[:0]
	for _, part := range g {
		p := &collectedPart{collected: c, Limit: part.limit}
		c.parts = append(c.parts, p)
		p.planBy(c.wall)
		until := horizon
		if part.limit.leaving.Load() != 0 {
			until = 0 // Otherwise it would have to wait until all of its buckets are full.
		}
		for _, seen := range part.buckets {
			if !p.collectAsSeen(seen, until) {
				p.collectBucket(seen, until)
			}
		}
	}
	return c
}

// collectAsSeen is the fast path of collectBucket: most buckets are still where they were seen, get
// no limit, and have the default rate. It doesn't claim their pages.
func (c *collectedPart) collectAsSeen(b *table.Bucket, horizon time.Duration) bool {
	seen, ok := c.table.DirtyAsSeen(b)
	if !ok || c.options().Strict || !c.isToBeStored(seen, horizon) || !c.table.CleanAsSeen(seen) {
		return false
	}
	c.batch.Puts = append(c.batch.Puts, c.row(seen))
	return true
}

func (c *collectedPart) isToBeStored(seen table.Observation, horizon time.Duration) bool {
	//mutant:left a-row-of-a-bucket-that-starts-empty-is-deleted
	return seen.Bucket.Has(table.Managed) || seen.TAT > c.now+int64(horizon) || c.now < c.table.EmptyUntil()
}

// row is the bucket as the store is to keep it.
func (c *collectedPart) row(o table.Observation) Record {
	was := o.Holding(c.now)
	wall := c.wall.Add(time.Duration(was.At - c.now))
	return recordOf(o.Rate, c.key(o.Bucket.ClientID()), o.Bucket.Has(table.Managed), was.Credit, wall)
}

// collectBucket collects the bucket of a client whose bucket was seen dirty. If there is none by
// now, the row was taken care of when the bucket was killed.
func (c *collectedPart) collectBucket(seen *table.Bucket, horizon time.Duration) {
	at := c.table.Claim(seen.ClientID())
	defer at.Release()
	//mutant:parameter1 a-dead-bucket-is-written a-bucket-that-moved-is-not-written
	b := at.Live()
	//mutant:left a-dead-bucket-is-written
	if b == nil || !b.IsDirty() {
		return
	}
	was := at.Clean(b)
	if c.isToBeStored(was, horizon) {
		c.collectPut(&at, was)
		return
	}
	if b.Has(table.Stored) {
		c.batch.Deletes = append(c.batch.Deletes, c.key(b.ClientID()))
		c.unstored = append(c.unstored, b)
	}
	if was.TAT > c.now {
		at.MarkDirty(b, c.now)
	}
}

// collectPut adds a bucket's row to the batch. It gives the bucket a limit, if it needs one.
func (c *collectedPart) collectPut(at *table.Claim, seen table.Observation) {
	var tokens float64
	switch {
	case c.options().Strict:
		r := c.reserveFor(at, seen, c.now)
		if r.isNew {
			c.limited = append(c.limited, r.Bucket)
		}
		c.reserved = append(c.reserved, r)
		seen, tokens = r.Observation, r.tokens
	case seen.Bucket.Has(table.Limited): // The limit was strict until a reload.
		c.reserved = append(c.reserved, reservation{Observation: seen, limit: table.Never})
	}
	seen.Bucket.Set(table.Stored)
	row := c.row(seen)
	row.Reserved = tokens
	c.batch.Puts = append(c.batch.Puts, row)
}

// stored follows in memory once the batch is stored. The buckets may have moved since they were
// collected, but each client still has one: the reaper drops none that may have a row, and the
// write lock is held.
func (c *collected) stored() {
	for _, p := range c.parts {
		for _, b := range p.unstored {
			p.table.Update(b.ClientID(), func(_ *table.Claim, b *table.Bucket) { b.Clear(table.Stored | table.Limited) })
		}
		for _, r := range p.reserved {
			p.table.Update(r.Bucket.ClientID(), func(at *table.Claim, b *table.Bucket) { r.hold(at, b, c.now) })
		}
	}
}

// unlimit takes the limits off that are new in a batch that isn't stored. If that isn't certain,
// they stay.
func (c *collected) unlimit(why error) {
	//mutant:false a-new-limit-goes-in-doubt
	if errors.Is(why, ErrInDoubt) {
		return
	}
	for _, p := range c.parts {
		for _, b := range p.limited {
			p.table.Update(b.ClientID(), func(_ *table.Claim, b *table.Bucket) { b.Clear(table.Limited) })
		}
	}
}

// backlog is what a round has to write, of one limit after the other, in the order of the keys.
type backlog []limitBacklog

type limitBacklog struct {
	limit *Limit
	dirty *table.Backlog
}

// group is what is written at once.
type group []part

// part is what a group has of one limit.
type part struct {
	limit   *Limit
	buckets []*table.Bucket
}

// takeDirty empties the dirty lists of all limits. The buckets stay dirty.
func takeDirty(limits []*Limit) *backlog {
	var all backlog
	for _, l := range limits {
		all = append(all, limitBacklog{l, l.table.TakeDirty()})
	}
	return &all
}

// next takes the first n buckets of what is left, or all of it.
func (b *backlog) next(n int) (g group) {
	for n > 0 && len(*b) > 0 {
		first := (*b)[0]
		buckets := first.dirty.Next(n)
		if len(buckets) < n {
			*b = (*b)[1:]
		}
		if len(buckets) > 0 {
			g = append(g, part{first.limit, buckets})
			n -= len(buckets)
		}
	}
	return g
}

// prepare is next in the background, while a batch is being written. The caller must not touch the
// backlog until it has received the group.
func (b *backlog) prepare(n int) <-chan group {
	prepared := make(chan group, 1)
	go func() { prepared <- b.next(n) }()
	return prepared
}

// putBack queues again all that is left.
func (b *backlog) putBack(since int64) {
	for _, left := range *b {
		left.limit.table.PutBack(left.dirty.Rest(), since)
	}
}

func (g group) len() (n int) {
	for _, p := range g {
		n += len(p.buckets)
	}
	return n
}

// putBack queues again what is still dirty.
func (g group) putBack(since int64) {
	for _, p := range g {
		p.limit.table.PutBack(p.buckets, since)
	}
}

// redirty makes all dirty again, which were not stored. Whether they have a row is unknown, so they
// stay marked Stored.
func (g group) redirty(since int64) {
	for _, p := range g {
		for _, b := range p.buckets {
			p.limit.table.Redirty(b.ClientID(), since)
		}
	}
}
