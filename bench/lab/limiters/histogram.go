//go:build linux

package main

import (
	"math/bits"
	"time"
)

// histogram counts durations in classes of one in perOctave.
type histogram struct {
	Counts  [64 * perOctave]int64
	Total   int64
	Longest time.Duration
}

const octaveBits, perOctave = 6, 1 << octaveBits

func (h *histogram) add(d time.Duration) {
	h.Counts[class(d)]++
	h.Total++
	h.Longest = max(h.Longest, d)
}

func class(d time.Duration) int {
	n := uint64(max(d, 0))
	if n < perOctave {
		return int(n)
	}
	shift := bits.Len64(n) - octaveBits - 1
	return shift*perOctave + int(n>>shift)
}

// least is the shortest duration of a class.
func least(class int) time.Duration {
	if class < 2*perOctave {
		return time.Duration(class)
	}
	shift := class/perOctave - 1
	return time.Duration(perOctave+class%perOctave) << shift
}

// quantile is the duration that q of all, from 0 to 1, don't exceed. It is too long by at most one
// in perOctave.
func (h *histogram) quantile(q float64) time.Duration { return mixed(h, h, 0, q) }

// mixed is the quantile of a mixture: a share of the durations are like b's, and the rest like a's.
func mixed(a, b *histogram, share, q float64) time.Duration {
	for i := range a.Counts {
		if q -= (1-share)*a.fraction(i) + share*b.fraction(i); q < 0 {
			return min(max(a.Longest, b.Longest), least(i+1))
		}
	}
	return max(a.Longest, b.Longest)
}

// fraction is how many are of a class, of all.
func (h *histogram) fraction(class int) float64 {
	return float64(h.Counts[class]) / float64(max(1, h.Total))
}

func (h *histogram) merge(other *histogram) {
	for i, n := range other.Counts {
		h.Counts[i] += n
	}
	h.Total += other.Total
	h.Longest = max(h.Longest, other.Longest)
}
