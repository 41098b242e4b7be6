//go:build simulation

package table

import "unsafe"

// Simulator gets to know of accesses to buckets.
type Simulator interface {
	// Step comes before each access.
	Step(b *Bucket)
	// Wait comes if somebody needs a page that another one has locked. It returns when that may
	// have changed.
	Wait()
	// Spent comes after a take that swapped the bucket's word.
	Spent(b *Bucket, old, word int64)
}

// Simulate reports all accesses to s from now on; to nobody if s is nil.
func Simulate(s Simulator) {
	told = nil
	if s != nil {
		told = steps{s}
	}
}

// steps turns accesses to words into accesses to their buckets.
type steps struct{ Simulator }

func (s steps) wait() { s.Wait() }

func (s steps) word(w *word) { s.Step(bucketOf(w)) }

func (s steps) marks(w *markWord) {
	s.Step((*Bucket)(unsafe.Add(unsafe.Pointer(w), -int(unsafe.Offsetof(Bucket{}.marks)))))
}

func (s steps) swapped(w *word, old, v int64) {
	if old != pending && v >= 0 && v&eraBit == old&eraBit && v>>tatShift != old>>tatShift {
		s.Spent(bucketOf(w), old, v)
	}
}

func bucketOf(w *word) *Bucket { return (*Bucket)(unsafe.Pointer(w)) } // its first field
