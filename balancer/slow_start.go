package balancer

import (
	"sync/atomic"
	"time"
)

// leastWarmth is the part of its weight that a backend starts with.
const leastWarmth = 0.1

// slowStart has backends that weren't available before get their weight little by little, relative
// to the one that has been available for the longest. Where all are new, nothing is held back.
type slowStart struct {
	// within is how long it takes until a backend has its weight. oldest is when the first of them
	// became available, and until when all will have theirs.
	within        time.Duration
	oldest, until moment
	// over reports that nobody looks at the clock any more.
	over atomic.Bool
}

// begin makes the backends start slowly. The caller holds Pool.mu.
func (s *slowStart) begin(backends []*Backend, within time.Duration) {
	s.within = within
	var newest moment
	for _, b := range backends {
		since := moment(b.since.Load())
		newest = max(newest, since)
		if s.oldest == 0 || since < s.oldest {
			s.oldest = since
		}
	}
	s.until = newest + moment(within)
	s.over.Store(newest == s.oldest || now() >= s.until)
}

// now is the moment at which a backend's warmth is to be known; 0 if all are warm.
func (s *slowStart) now() moment {
	if s.over.Load() {
		return 0
	}
	return s.look()
}

// look is now while some may not be warm.
func (s *slowStart) look() moment {
	at := now()
	if at >= s.until {
		s.over.Store(true)
		return 0
	}
	return at
}

// warmth is the part of its weight that a backend has at a moment, above 0 and at most 1.
func (s *slowStart) warmth(b *Backend, at moment) float64 {
	if at == 0 {
		return 1
	}
	return s.grown(at-moment(b.since.Load())) / s.grown(at-s.oldest)
}

func (s *slowStart) grown(age moment) float64 {
	return min(max(leastWarmth, float64(age)/float64(s.within)), 1)
}
