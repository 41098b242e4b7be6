//go:build simulation

package table

import (
	"sync"
	"sync/atomic"
)

// In the simulation's build the words of a bucket have these types. Each is the atomic that it
// stands for, and reports each access before it happens. The lock of a page reports if it isn't
// free.
type (
	word     struct{ atomic.Int64 }
	markWord struct{ atomic.Uint64 }
	pageLock struct{ sync.Mutex }
)

// accesses gets to know of accesses to words, and of waiting.
type accesses interface {
	wait()
	word(w *word)
	marks(w *markWord)
	swapped(w *word, old, v int64)
}

// told is nil unless a simulation runs in steps. One simulation runs at a time.
var told accesses

func (w *word) access() {
	if told != nil {
		told.word(w)
	}
}

func (w *word) Load() int64 {
	w.access()
	return w.Int64.Load()
}

func (w *word) Store(v int64) {
	w.access()
	w.Int64.Store(v)
}

func (w *word) CompareAndSwap(old, v int64) bool {
	w.access()
	swapped := w.Int64.CompareAndSwap(old, v)
	if swapped && told != nil {
		told.swapped(w, old, v)
	}
	return swapped
}

func (w *word) Or(mask int64) int64 {
	w.access()
	return w.Int64.Or(mask)
}

func (w *word) And(mask int64) int64 {
	w.access()
	return w.Int64.And(mask)
}

func (w *markWord) access() {
	if told != nil {
		told.marks(w)
	}
}

func (w *markWord) Load() uint64 {
	w.access()
	return w.Uint64.Load()
}

func (w *markWord) Store(v uint64) {
	w.access()
	w.Uint64.Store(v)
}

func (w *markWord) Or(mask uint64) uint64 {
	w.access()
	return w.Uint64.Or(mask)
}

func (w *markWord) And(mask uint64) uint64 {
	w.access()
	return w.Uint64.And(mask)
}

// constant makes no step. It is called while buckets are sorted, whose initial order doesn't depend
// on the seed.
func constant(w *markWord) uint64 { return w.Uint64.Load() }

func (l *pageLock) Lock() {
	for !l.TryLock() {
		if told == nil {
			l.Mutex.Lock()
			return
		}
		told.wait()
	}
}
