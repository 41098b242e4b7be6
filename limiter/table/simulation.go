//go:build simulation

package table

import "unsafe"

// The simulation in package limiter is built with the tag "simulation". Then there is a step of the
// simulation before each access to a bucket (word_simulation.go), so that everything that can come
// between two accesses does. What the simulation has to see or to fix of a table is here, too.

// Simulator is told of accesses to buckets.
type Simulator interface {
	// Step comes before each access.
	Step(b *Bucket)
	// Spent comes after a take that moved the arrival time from old to tat.
	Spent(b *Bucket, old, tat int64)
}

// Simulate tells s of all accesses from now on; nil: nobody.
func Simulate(s Simulator) {
	told = nil
	if s != nil {
		told = steps{s}
	}
}

// steps makes accesses to words accesses to their buckets.
type steps struct{ Simulator }

func (s steps) word(w *word) { s.Step(bucketOf(w)) }

func (s steps) marks(w *markWord) {
	s.Step((*Bucket)(unsafe.Add(unsafe.Pointer(w), -int(unsafe.Offsetof(Bucket{}.marks)))))
}

func (s steps) swapped(w *word, old, v int64) {
	if old != pending && v >= 0 && v>>1 != old>>1 {
		s.Spent(bucketOf(w), old>>1, v>>1)
	}
}

func bucketOf(w *word) *Bucket { return (*Bucket)(unsafe.Pointer(w)) } // its first field

// FixKeys makes hashes depend on these numbers alone. The table is empty.
func (t *Table) FixKeys(low, high, last uint64) {
	t.hasher = hasher{low: low, high: high, last: last | 1}
}

// ShardOf is the number of the client's shard.
func (t *Table) ShardOf(clientID string) int { return int(t.hasher.hash(clientID) >> (64 - shardBits)) }

// Peek is the client's bucket, with the value that it has or will have.
func (t *Table) Peek(clientID string) (seen Observation, ok bool) {
	hash := t.hasher.hash(clientID)
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
	hash := t.hasher.hash(b.ClientID())
	return Observation{b, t.shard(hash).entry(hash).rateOf(b, t.defaults), tat}
}

// Claimable reports whether nobody has the client's page locked. Pages may be added meanwhile.
func (t *Table) Claimable(clientID string) bool {
	hash := t.hasher.hash(clientID)
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
	s := t.shard(t.hasher.hash(clientID))
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
func (t *Table) Grow(clientID string) { t.shard(t.hasher.hash(clientID)).split() }

// Dead reports whether the bucket was killed.
func (b *Bucket) Dead() bool { return b.arrival.Load() == dead }

// Limit is the arrival time that no take may pass; Never if there is none.
func (b *Bucket) Limit() int64 { return limitOf(b.marks.Load()) }
