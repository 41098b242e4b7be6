//go:build simulation

package table

// The simulation in package limiter is built with the tag "simulation". Then there is a step of the
// simulation before each access to a bucket (word_simulation.go, steps_simulation.go), so that
// everything that can come between two accesses does. This file has what the simulation must see or
// fix of a table.

// FixKeys makes hashes depend on these numbers alone. The table is empty.
func (t *Table) FixKeys(low, high, last uint64) {
	t.hasher = hasher{low: low, high: high, last: last | 1}
}

// ShardOf is the number of the client's shard.
func (t *Table) ShardOf(clientID string) int { return int(t.hash(clientID) >> (64 - shardBits)) }

// Peek is the client's bucket, with the value that it has or will have.
func (t *Table) Peek(clientID string) (seen Observation, ok bool) {
	hash := t.hash(clientID)
	e := t.shard(hash).entry(hash)
	b := e.find(hash, clientID)
	if b == nil {
		return Observation{}, false
	}
	was := b.arrival.Load()
	if was == pending {
		for _, s := range *e.page.sources.Load() {
			if old := s.find(hash, clientID); old != nil {
				was = old.arrival.Load()
			}
		}
	}
	if was < 0 {
		was = ^was
	}
	return Observation{b, e.rateOf(b, t.defaults), was >> 1}, true
}

// ObservationOf is a bucket of the present entry as it was when it had this arrival time.
func (t *Table) ObservationOf(b *Bucket, tat int64) Observation {
	hash := t.hash(b.ClientID())
	return Observation{b, t.shard(hash).entry(hash).rateOf(b, t.defaults), tat}
}

// Claimable reports whether nobody has the client's page locked. Pages may be added meanwhile.
func (t *Table) Claimable(clientID string) bool {
	hash := t.hash(clientID)
	return unlocked(t.shard(hash).entry(hash))
}

func unlocked(e entry) bool {
	if !e.page.mu.TryLock() {
		return false
	}
	e.page.mu.Unlock()
	return true
}

// Locked reports whether anybody has the client's shard, or one of its pages, locked.
func (t *Table) Locked(clientID string) bool {
	s := t.shard(t.hash(clientID))
	if !s.shape.TryLock() {
		return true
	}
	s.shape.Unlock()
	for number := range s.pages.Load() {
		if e, _ := s.directory.Load(number); !unlocked(e) {
			return true
		}
	}
	return false
}

// Grow splits a page of the client's shard, as if that had many more clients.
func (t *Table) Grow(clientID string) { t.shard(t.hash(clientID)).split() }

// Dead reports whether the bucket was killed.
func (b *Bucket) Dead() bool { return b.arrival.Load() == dead }

// Limit is the arrival time that no take may pass; Never if there is none.
func (b *Bucket) Limit() int64 { return limitOf(b.marks.Load()) }

// Holds reports whether the bucket is alive in this table.
func (t *Table) Holds(b *Bucket) bool {
	for i := range t.shards {
		s := &t.shards[i]
		for number := range s.pages.Load() {
			if e, ok := s.directory.Load(number); ok && e.holds(b) {
				return true
			}
		}
	}
	return false
}

// holds looks at where buckets of the entry may still be on their way from, too.
func (e entry) holds(b *Bucket) bool {
	slabs := []*slab{e.slab}
	if sources := e.page.sources.Load(); sources != nil {
		slabs = append(slabs, *sources...)
	}
	for _, s := range slabs {
		if s == nil {
			continue // the move hasn't come to it
		}
		for other := range s.buckets {
			if other == b {
				return true
			}
		}
	}
	return false
}
