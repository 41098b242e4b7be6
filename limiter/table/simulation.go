//go:build simulation

package table

import (
	"sync/atomic"
	"unsafe"
)

// The simulation in package limiter is built with the tag "simulation". Then the words of a bucket
// have the types below. Each is the atomic that it stands for, with a step of the simulation before
// each access, so that everything that can come between two accesses does. What the simulation has
// to see or to fix of a table is here, too.

// Simulator is told of accesses to buckets.
type Simulator interface {
	// Step comes before each access.
	Step(b *Bucket)
	// Spent comes after a take that moved the arrival time from old to tat.
	Spent(b *Bucket, old, tat int64)
}

// simulator is nil unless a simulation runs in steps. One runs at a time.
var simulator Simulator

// Simulate tells s of all accesses from now on; nil: nobody.
func Simulate(s Simulator) { simulator = s }

func step(b *Bucket) {
	if simulator != nil {
		simulator.Step(b)
	}
}

type word struct{ atomic.Int64 }

func (w *word) bucket() *Bucket { return (*Bucket)(unsafe.Pointer(w)) } // its first field

func (w *word) Load() int64 {
	step(w.bucket())
	return w.Int64.Load()
}

func (w *word) Store(v int64) {
	step(w.bucket())
	w.Int64.Store(v)
}

func (w *word) CompareAndSwap(old, v int64) bool {
	step(w.bucket())
	swapped := w.Int64.CompareAndSwap(old, v)
	if swapped && simulator != nil && old != pending && v >= 0 && v>>1 != old>>1 {
		simulator.Spent(w.bucket(), old>>1, v>>1)
	}
	return swapped
}

func (w *word) Or(mask int64) int64 {
	step(w.bucket())
	return w.Int64.Or(mask)
}

func (w *word) And(mask int64) int64 {
	step(w.bucket())
	return w.Int64.And(mask)
}

type markWord struct{ atomic.Uint64 }

func (w *markWord) bucket() *Bucket {
	return (*Bucket)(unsafe.Add(unsafe.Pointer(w), -int(unsafe.Offsetof(Bucket{}.marks))))
}

func (w *markWord) Load() uint64 {
	step(w.bucket())
	return w.Uint64.Load()
}

func (w *markWord) Store(v uint64) {
	step(w.bucket())
	w.Uint64.Store(v)
}

func (w *markWord) Or(mask uint64) uint64 {
	step(w.bucket())
	return w.Uint64.Or(mask)
}

func (w *markWord) And(mask uint64) uint64 {
	step(w.bucket())
	return w.Uint64.And(mask)
}

// constant makes no step. It is called while buckets are sorted, whose order at first no seed says.
func constant(w *markWord) uint64 { return w.Uint64.Load() }

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
