//go:build simulation

package table

import "unsafe"

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
