package limiter

//lint:file-ignore U1000 The stepped build of the simulation uses what this one doesn't.

import (
	"sync/atomic"
	"unsafe"
)

// In the stepped build of the simulation the words of a bucket are of these types: see sim_mutants_test.go. Each is
// the atomic that it stands for, with a step of the simulation before each access: so everything that can
// come between two accesses does.

// simStepper is nil but in a simulation, of which one runs at a time.
var simStepper *simWorld

// simStep is the step before an access to a word that lies so far into its bucket. Nobody's bucket makes no steps.
func simStep(word unsafe.Pointer, offset uintptr) {
	w := simStepper
	if w == nil || w.quiet {
		return
	}
	b := bucketOf(word, offset)
	if w.nameOf(b) == "" {
		return
	}
	if n := len(w.stack); n > 0 && w.stack[n-1].taker != nil {
		w.stack[n-1].taker.at = b
	}
	w.step(false)
}

func bucketOf(word unsafe.Pointer, offset uintptr) *bucket {
	return (*bucket)(unsafe.Add(word, -int(offset)))
}

type steppedInt64 struct{ atomic.Int64 }

func (s *steppedInt64) step() { simStep(unsafe.Pointer(s), unsafe.Offsetof(bucket{}.arrival)) }

func (s *steppedInt64) Load() int64 {
	s.step()
	return s.Int64.Load()
}

func (s *steppedInt64) Store(v int64) {
	s.step()
	s.Int64.Store(v)
}

func (s *steppedInt64) CompareAndSwap(old, v int64) bool {
	s.step()
	swapped := s.Int64.CompareAndSwap(old, v)
	if swapped && simStepper != nil && old != awaited && v >= 0 && v>>1 != old>>1 {
		if b := bucketOf(unsafe.Pointer(s), unsafe.Offsetof(bucket{}.arrival)); simStepper.nameOf(b) != "" {
			simStepper.spent(b, old>>1, v>>1)
		}
	}
	return swapped
}

func (s *steppedInt64) Swap(v int64) int64 {
	s.step()
	return s.Int64.Swap(v)
}

func (s *steppedInt64) Or(mask int64) int64 {
	s.step()
	return s.Int64.Or(mask)
}

func (s *steppedInt64) And(mask int64) int64 {
	s.step()
	return s.Int64.And(mask)
}

type steppedUint64 struct{ atomic.Uint64 }

func (s *steppedUint64) step() { simStep(unsafe.Pointer(s), unsafe.Offsetof(bucket{}.marks)) }

func (s *steppedUint64) Load() uint64 {
	s.step()
	return s.Uint64.Load()
}

func (s *steppedUint64) CompareAndSwap(old, v uint64) bool {
	s.step()
	return s.Uint64.CompareAndSwap(old, v)
}

func (s *steppedUint64) Or(mask uint64) uint64 {
	s.step()
	return s.Uint64.Or(mask)
}

func (s *steppedUint64) And(mask uint64) uint64 {
	s.step()
	return s.Uint64.And(mask)
}
