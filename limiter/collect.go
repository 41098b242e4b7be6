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

// collect reads the values of marked buckets. The mark goes first: a take that comes in
// between is either in the value, or marks the bucket again. Buckets that get a limit are replaced in group.
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
	for i, b := range group {
		b.clear(dirty)
		tat := b.arrival.Load()
		switch {
		case tat == dead: // whoever killed it saw to the row
		case b.has(managed) || tat > c.now+int64(horizon) || c.now < s.table.emptyUntil:
			group[i] = s.collectPut(c, b, tat)
		default:
			if b.has(stored) {
				c.batch.Deletes = append(c.batch.Deletes, b.clientID())
				c.unstored = append(c.unstored, b)
			}
			if tat > c.now {
				s.table.redirty(b, c.now)
			}
		}
	}
	return c
}

// collectPut adds a bucket's row to the batch, and returns the bucket that it is of then.
func (s *Service) collectPut(c *collected, b *bucket, tat int64) *bucket {
	var tokens float64
	if s.o.Strict {
		r, newTAT, isNew := s.reserveFor(b, tat, c.now)
		if r.bucket == nil {
			return b // killed since its value was read
		}
		if isNew {
			c.limited = append(c.limited, r.bucket)
		}
		c.reserved = append(c.reserved, r)
		b, tat, tokens = r.bucket, newTAT, r.tokens
	}
	b.set(stored)
	row := b.record(tat, c.now, c.wall)
	row.Reserved = tokens
	c.batch.Puts = append(c.batch.Puts, row)
	return b
}

// stored does in memory what the store has taken.
func (c *collected) stored() {
	for _, b := range c.unstored {
		b.clear(stored | limited)
	}
	for _, r := range c.reserved {
		r.hold()
	}
}

// uncollect makes the buckets of a batch that was not stored dirty again. Whether they
// have a row is unknown, so they keep the mark that they may; and a limit that is new, unless it is
// certain that its row is not stored.
func (s *Service) uncollect(c *collected, group []*bucket, since int64, why error) {
	if !errors.Is(why, ErrInDoubt) {
		for _, b := range c.limited {
			b.clear(limited)
		}
	}
	for _, b := range group {
		if b.arrival.Load() != dead {
			s.table.redirty(b, since)
		}
	}
}
