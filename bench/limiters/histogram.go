package main

import (
	"math/bits"
	"time"
)

// histogram counts durations in classes of one in sixteen.
type histogram struct {
	counts  [64 * 16]int64
	total   int64
	longest time.Duration
}

func (h *histogram) add(d time.Duration) {
	h.counts[class(d)]++
	h.total++
	h.longest = max(h.longest, d)
}

func class(d time.Duration) int {
	n := uint64(max(d, 0))
	if n < 16 {
		return int(n)
	}
	shift := bits.Len64(n) - 5
	return shift*16 + int(n>>shift)
}

// least is the shortest duration of a class.
func least(class int) time.Duration {
	if class < 32 {
		return time.Duration(class)
	}
	shift := class/16 - 1
	return time.Duration(16+class%16) << shift
}

// quantile is no shorter than q of all, from 0 to 1, up to a sixteenth too long.
func (h *histogram) quantile(q float64) time.Duration {
	rest := int64(q * float64(h.total))
	for i, n := range h.counts {
		if rest -= n; rest < 0 {
			return min(h.longest, least(i+1))
		}
	}
	return h.longest
}

func (h *histogram) merge(other *histogram) {
	for i, n := range other.counts {
		h.counts[i] += n
	}
	h.total += other.total
	h.longest = max(h.longest, other.longest)
}
