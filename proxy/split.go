package proxy

import (
	"math/bits"

	"gopher-equalizer/proxy/identity"
)

// Split shares a route's clients out to several pools. A client stays with its pool for as long as
// the weights are the same and somebody there is healthy. It is immutable.
type Split struct {
	// Parts are the pools. Their weights are 0 or more, and not all 0.
	Parts []Part
	// By is what identifies a client.
	By identity.Key
}

// Part is a pool's part of a split.
type Part struct {
	Destination
	// Weight is its share, relative to the others'.
	Weight int
}

// splitSalt makes the split of clients independent of how the strategy hash splits them.
const splitSalt = 0x9e3779b97f4a7c15

// of is the part that a client with that key belongs to.
func (s *Split) of(key uint64) *Destination {
	total := 0
	for i := range s.Parts {
		total += s.Parts[i].Weight
	}
	point, _ := bits.Mul64(key*splitSalt, uint64(total))
	for i := range s.Parts {
		part := &s.Parts[i]
		if weight := uint64(part.Weight); point >= weight {
			point -= weight
			continue
		}
		return &part.Destination
	}
	return nil // Not with the weights that there are.
}

// healthy is the first part where somebody is healthy; nil if there is none.
func (s *Split) healthy() *Destination {
	if s == nil {
		return nil
	}
	for i := range s.Parts {
		if part := &s.Parts[i]; part.Weight > 0 && part.Pool.Healthy() {
			return &part.Destination
		}
	}
	return nil
}
