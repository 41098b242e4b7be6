//go:build !simulation

package table

import "sync/atomic"

// word and markWord are the two words of a bucket. In the simulation's build other types take their
// place, with which it comes between any two accesses: see word_simulation.go.
type (
	word     = atomic.Int64
	markWord = atomic.Uint64
)

// constant reads marks for the part of them that never changes.
func constant(w *markWord) uint64 { return w.Load() }
