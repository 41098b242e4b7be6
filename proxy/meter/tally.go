package meter

import (
	"iter"
	"sync/atomic"
)

// Tally counts by a few keys above 0. It looks through them in the order in which they came, so
// that those that are common are found first. The zero value is ready. One of several processors
// belongs into an Each.
type Tally struct {
	slots [8]slot
	more  atomic.Pointer[Tally]
}

type slot struct {
	key   atomic.Uint32 // 0 in a slot that is free
	count atomic.Int64
}

// isFor reports whether the slot is the key's, and makes it that if it is free.
func (s *slot) isFor(key uint32) bool {
	has := s.key.Load()
	return has == key || has == 0 && (s.key.CompareAndSwap(0, key) || s.key.Load() == key)
}

// Add counts one of a key.
func (t *Tally) Add(key uint32) {
	for ; ; t = t.next() {
		for i := range t.slots {
			if s := &t.slots[i]; s.isFor(key) {
				s.count.Add(1)
				return
			}
		}
	}
}

// next is where keys are for which there was no slot.
func (t *Tally) next() *Tally {
	if more := t.more.Load(); more != nil {
		return more
	}
	t.more.CompareAndSwap(nil, new(Tally))
	return t.more.Load()
}

// All are the keys that came, and how often each did.
func (t *Tally) All() iter.Seq2[uint32, int64] {
	return func(yield func(uint32, int64) bool) {
		for ; t != nil; t = t.more.Load() {
			for i := range t.slots {
				key := t.slots[i].key.Load()
				if key == 0 || !yield(key, t.slots[i].count.Load()) {
					return
				}
			}
		}
	}
}
