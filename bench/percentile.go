package bench

import (
	"encoding/json"
	"slices"
	"time"
)

// Latency is the time that half, 90 % and 99 % of the requests took at most, or the difference
// between two of these.
type Latency struct {
	P50 Milliseconds `json:"p50"`
	P90 Milliseconds `json:"p90"`
	P99 Milliseconds `json:"p99"`
}

// Milliseconds is a duration that is written as milliseconds, to the microsecond.
type Milliseconds time.Duration

// MarshalJSON implements json.Marshaler.
func (m Milliseconds) MarshalJSON() ([]byte, error) { return json.Marshal(m.float()) }

func (m Milliseconds) float() float64 {
	return float64(time.Duration(m).Round(time.Microsecond).Microseconds()) / 1000
}

// latencyOf returns the percentiles of durations in any order; nil if there are none.
func latencyOf(measured []time.Duration) *Latency {
	if len(measured) == 0 {
		return nil
	}
	sorted := slices.Sorted(slices.Values(measured))
	return &Latency{
		P50: Milliseconds(percentile(sorted, 50)),
		P90: Milliseconds(percentile(sorted, 90)),
		P99: Milliseconds(percentile(sorted, 99)),
	}
}

// percentile is the least of the sorted values that p percent of them, 1 to 100, don't exceed: the
// nearest rank. It doesn't interpolate.
func percentile(sorted []time.Duration, p int) time.Duration {
	rank := (len(sorted)*p + 99) / 100
	return sorted[rank-1]
}

// minus is the difference; nil if one of the two is missing.
func (l *Latency) minus(other *Latency) *Latency {
	if l == nil || other == nil {
		return nil
	}
	return &Latency{P50: l.P50 - other.P50, P90: l.P90 - other.P90, P99: l.P99 - other.P99}
}

// noise is how much a side's odd rounds differ from its even ones. A difference between two sides
// must exceed it to mean anything. It is nil if there are no two rounds.
func noise(rounds [][]time.Duration) *Latency {
	var halves [2][]time.Duration
	for i, round := range rounds {
		halves[i%2] = append(halves[i%2], round...)
	}
	d := latencyOf(halves[0]).minus(latencyOf(halves[1]))
	if d == nil {
		return nil
	}
	return &Latency{P50: max(d.P50, -d.P50), P90: max(d.P90, -d.P90), P99: max(d.P99, -d.P99)}
}
