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
	return t.value(e, b, e.wordOf(b, hash, clientID)), true
}

// wordOf is the word that a bucket has or will have.
func (e entry) wordOf(b *Bucket, hash uint64, clientID string) int64 {
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
	return was
}

// ObservationOf is a bucket of the present entry as it was when it had this word. was is the same,
// under the numbers that the word was counted under, which isFormer reports not to be the present
// ones.
func (t *Table) ObservationOf(b *Bucket, word int64) (is, was Observation, isFormer bool) {
	hash, n := t.hash(b.ClientID()), t.numbers.Load()
	e := t.shard(hash).entry(hash)
	if before := n.before.Load(); before != nil && word&eraBit != n.era {
		n, isFormer = before, true
	}
	return t.value(e, b, word), Observation{b, n.of(e.listed(b)), word >> tatShift, n}, isFormer
}

// IsOfFormer reports whether the client's bucket is to follow other numbers, for which a taker
// locks the page.
func (t *Table) IsOfFormer(clientID string) bool {
	hash := t.hash(clientID)
	e := t.shard(hash).entry(hash)
	b := e.find(hash, clientID)
	return b != nil && !t.numbers.Load().counts(e.wordOf(b, hash, clientID), b.marks.Load())
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

// LimitOf is the arrival time that no take from a bucket of the present entry may pass; Never if
// there is none.
func (t *Table) LimitOf(b *Bucket) int64 {
	marks, n := b.marks.Load(), t.numbers.Load()
	limit := limitOf(marks)
	if before := n.before.Load(); before != nil && n.hasOldLimit(marks) {
		hash := t.hash(b.ClientID())
		limit = n.since(before, t.shard(hash).entry(hash).listed(b), limit, !b.Has(Managed))
	}
	return limit
}

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
