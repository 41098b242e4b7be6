package limiter

import (
	"errors"
	"time"
)

// collected is a batch, and what the store's answer to it means for the buckets.
type collected struct {
	batch Batch
	now   int64
	wall  time.Time

	unstored []*bucket     // have no row once the batch is stored
	reserved []reservation // hold once the batch is stored
	limited  []*bucket     // had no limit before
}

// collect reads the values of buckets that were dirty. The mark is taken away with that: a take that comes
// later marks the bucket again.
//
// An unmanaged bucket that is full holds nothing, and one that is full within horizon is full before
// a restart could ask: it is not written, and its row, if it may have one, is deleted. But for a while after a
// crash clients without a row are not full, so everything is written.
func (s *Service) collect(group []*bucket, horizon time.Duration) *collected {
	c := &collected{now: s.clock.Monotonic()}
	c.wall = s.clock.Wall() // read after now: what lies between isn't credited twice
	if cap(s.puts) < len(group) {
		s.puts = make([]Record, 0, len(group))
	}
	c.batch.Puts = s.puts[:0]
	for _, seen := range group {
		if !s.collectAsSeen(c, seen, horizon) {
			s.collectBucket(c, seen, horizon)
		}
	}
	return c
}

// collectAsSeen does for most buckets, without locking their pages, what collectBucket does for all: for one that is still where it was
// seen, has a row, gets no limit, and has nothing that is elsewhere.
func (s *Service) collectAsSeen(c *collected, b *bucket, horizon time.Duration) bool {
	word := b.arrival.Load()
	if word < 0 || word&dirty == 0 || s.o.Strict || !b.has(stored) || b.length() == long || !s.isToBeStored(c, b, word>>1, horizon) {
		return false
	}
	if !b.arrival.CompareAndSwap(word, word&^dirty) {
		return false
	}
	s.table.shard(s.table.hasher.hash(b.clientID())).dirty.count.Add(-1)
	c.batch.Puts = append(c.batch.Puts, b.record(s.table.defaults, word>>1, c.now, c.wall))
	return true
}

func (s *Service) isToBeStored(c *collected, b *bucket, tat int64, horizon time.Duration) bool {
	return b.has(managed) || tat > c.now+int64(horizon) || c.now < s.table.emptyUntil.Load()
}

// collectBucket sees to the client of a bucket that was seen dirty. Whoever killed that saw to the row, or moved it.
func (s *Service) collectBucket(c *collected, seen *bucket, horizon time.Duration) {
	at := s.table.claim(seen.clientID())
	defer at.release()
	b := at.live()
	if b == nil || !b.isDirty() {
		return
	}
	tat := at.clean(b)
	if s.isToBeStored(c, b, tat, horizon) {
		s.collectPut(c, &at, b, tat)
		return
	}
	if b.has(stored) {
		c.batch.Deletes = append(c.batch.Deletes, b.clientID())
		c.unstored = append(c.unstored, b)
	}
	if tat > c.now {
		at.soil(b, c.now)
	}
}

// collectPut adds a bucket's row to the batch. The bucket is given a limit, if it needs one.
func (s *Service) collectPut(c *collected, at *claim, b *bucket, tat int64) {
	var tokens float64
	if s.o.Strict {
		r := s.reserveFor(at, b, tat, c.now)
		if r.isNew {
			c.limited = append(c.limited, r.bucket)
		}
		c.reserved = append(c.reserved, r)
		b, tat, tokens = r.bucket, r.tat, r.tokens
	}
	b.set(stored)
	row := b.record(at.rateOf(b), tat, c.now, c.wall)
	row.Reserved = tokens
	c.batch.Puts = append(c.batch.Puts, row)
}

// at calls f with the bucket that stands for one that was collected: that one, or where it moved to. It is there, since the reaper drops none that may
// have a row, and the write lock is held.
func (t *table) at(collected *bucket, f func(b *bucket)) {
	c := t.claim(collected.clientID())
	defer c.release()
	if b := c.live(); b != nil {
		f(b)
	}
}

// stored does in memory what the store has taken.
func (c *collected) stored(t *table) {
	for _, b := range c.unstored {
		t.at(b, func(b *bucket) { b.clear(stored | limited) })
	}
	for _, r := range c.reserved {
		t.at(r.bucket, r.hold)
	}
}

// uncollect makes the buckets of a batch that was not stored dirty again. Whether they
// have a row is unknown, so they keep the mark that they may; and a limit that is new, unless it is
// certain that its row is not stored.
func (s *Service) uncollect(c *collected, group []*bucket, since int64, why error) {
	if !errors.Is(why, ErrInDoubt) {
		for _, b := range c.limited {
			s.table.at(b, func(b *bucket) { b.clear(limited) })
		}
	}
	for _, b := range group {
		s.table.redirty(b.clientID(), since)
	}
}
