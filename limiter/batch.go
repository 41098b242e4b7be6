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
func (s *Service) collect(group []*table.Bucket, horizon time.Duration) *collected {
	c := &collected{now: s.clock.Monotonic()}
	c.wall = s.clock.Wall() // Read after now, so that no time is credited twice.
	if cap(s.rounds.puts) < len(group) {
		s.rounds.puts = make([]Record, 0, len(group))
	}
	c.batch.Puts = s.rounds.puts[:0]
	for _, seen := range group {
		if !s.collectAsSeen(c, seen, horizon) {
			s.collectBucket(c, seen, horizon)
		}
	}
	return c
}

// collectAsSeen is the fast path of collectBucket: most buckets are still where they were seen,
// have a row, get no limit, and have nothing outside their slot. It doesn't claim their pages.
func (s *Service) collectAsSeen(c *collected, b *table.Bucket, horizon time.Duration) bool {
	tat, ok := b.DirtyAsSeen()
	if !ok || s.o.Strict || !s.isToBeStored(c, b, tat, horizon) || !s.table.CleanAsSeen(b, tat) {
		return false
	}
	c.batch.Puts = append(c.batch.Puts, c.row(table.Observation{Bucket: b, Rate: s.table.Defaults(), TAT: tat}))
	return true
}

func (s *Service) isToBeStored(c *collected, b *table.Bucket, tat int64, horizon time.Duration) bool {
	//mutant:left a-row-of-a-bucket-that-starts-empty-is-deleted
	return b.Has(table.Managed) || tat > c.now+int64(horizon) || c.now < s.table.EmptyUntil()
}

// row is the bucket as the store is to keep it.
func (c *collected) row(o table.Observation) Record {
	was := o.Rate.Holding(o.TAT, c.now)
	wall := c.wall.Add(time.Duration(was.At - c.now))
	return recordOf(o.Rate, o.Bucket.ClientID(), o.Bucket.Has(table.Managed), was.Credit, wall)
}

// collectBucket collects the bucket of a client whose bucket was seen dirty. If there is none by
// now, the row was taken care of when the bucket was killed.
func (s *Service) collectBucket(c *collected, seen *table.Bucket, horizon time.Duration) {
	at := s.table.Claim(seen.ClientID())
	defer at.Release()
	//mutant:parameter2 a-dead-bucket-is-written a-bucket-that-moved-is-not-written
	b := at.Live()
	//mutant:left a-dead-bucket-is-written
	if b == nil || !b.IsDirty() {
		return
	}
	tat := at.Clean(b)
	if s.isToBeStored(c, b, tat, horizon) {
		s.collectPut(c, &at, b, tat)
		return
	}
	if b.Has(table.Stored) {
		c.batch.Deletes = append(c.batch.Deletes, b.ClientID())
		c.unstored = append(c.unstored, b)
	}
	if tat > c.now {
		at.MarkDirty(b, c.now)
	}
}

// collectPut adds a bucket's row to the batch. It gives the bucket a limit, if it needs one.
func (s *Service) collectPut(c *collected, at *table.Claim, b *table.Bucket, tat int64) {
	var tokens float64
	if s.o.Strict {
		r := s.reserveFor(at, b, tat, c.now)
		if r.isNew {
			c.limited = append(c.limited, r.bucket)
		}
		c.reserved = append(c.reserved, r)
		b, tat, tokens = r.bucket, r.tat, r.tokens
	}
	b.Set(table.Stored)
	row := c.row(table.Observation{Bucket: b, Rate: at.Rate(b), TAT: tat})
	row.Reserved = tokens
	c.batch.Puts = append(c.batch.Puts, row)
}

// stored follows in memory once the batch is stored. The buckets may have moved since they were
// collected, but each client still has one: the reaper drops none that may have a row, and the
// write lock is held.
func (c *collected) stored(t *table.Table) {
	for _, b := range c.unstored {
		t.Update(b.ClientID(), func(_ *table.Claim, b *table.Bucket) { b.Clear(table.Stored | table.Limited) })
	}
	for _, r := range c.reserved {
		t.Update(r.bucket.ClientID(), func(_ *table.Claim, b *table.Bucket) { r.hold(b) })
	}
}

// uncollect makes the buckets of a batch that was not stored dirty again. It is unknown whether
// they have a row, so they stay marked Stored. They keep a new limit, too, unless its row is
// certainly not stored.
func (s *Service) uncollect(c *collected, group []*table.Bucket, since int64, why error) {
	//mutant:true a-new-limit-goes-in-doubt
	if !errors.Is(why, ErrInDoubt) {
		for _, b := range c.limited {
			s.table.Update(b.ClientID(), func(_ *table.Claim, b *table.Bucket) { b.Clear(table.Limited) })
		}
	}
	for _, b := range group {
		//mutant:drop what-failed-is-not-dirty-again
		s.table.Redirty(b.ClientID(), since)
	}
}
