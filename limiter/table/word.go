//go:build !simulation

package table

import (
	"sync"
	"sync/atomic"
)

// word and markWord are the two words of a bucket. The simulation's build has other types in their
// place, which let it act between any two accesses, and while somebody waits for a page: see
// word_simulation.go.
type (
	word     = atomic.Int64
	markWord = atomic.Uint64
	pageLock = sync.Mutex
)

// constant reads the marks for a part of them that never changes.
func constant(w *markWord) uint64 { return w.Load() }
