package meter

import (
	"sync/atomic"
	"time"
)

// bounds are the upper bounds of the buckets, but the last, which has none: those of OpenTelemetry
// (http.server.request.duration), and finer ones below 5 ms, where a proxy's own time is.
var bounds = [...]time.Duration{
	10 * time.Microsecond, 25 * time.Microsecond, 50 * time.Microsecond,
	100 * time.Microsecond, 250 * time.Microsecond, 500 * time.Microsecond,
	1 * time.Millisecond, 2500 * time.Microsecond,
	5 * time.Millisecond, 10 * time.Millisecond, 25 * time.Millisecond, 50 * time.Millisecond, 75 * time.Millisecond,
	100 * time.Millisecond, 250 * time.Millisecond, 500 * time.Millisecond, 750 * time.Millisecond,
	1 * time.Second, 2500 * time.Millisecond, 5 * time.Second, 7500 * time.Millisecond, 10 * time.Second,
}

// Buckets is how many a histogram has.
const Buckets = len(bounds) + 1

// Bound is the upper bound of a bucket, which it includes. The last bucket, Buckets-1, has none.
func Bound(bucket int) time.Duration { return bounds[bucket] }

// Histogram counts durations. The zero value is ready. One of several processors belongs into an
// Each.
type Histogram struct {
	counts [Buckets]atomic.Int64
	sum    atomic.Int64
}

// Observe counts a duration.
func (h *Histogram) Observe(d time.Duration) {
	i := 0
	for i < len(bounds) && d > bounds[i] { // Most are short, and it predicts well.
		i++
	}
	h.counts[i].Add(1)
	h.sum.Add(int64(d))
}

// AddTo adds what was counted.
func (h *Histogram) AddTo(d *Distribution) {
	for i := range h.counts {
		d.Counts[i] += h.counts[i].Load()
	}
	d.Sum += time.Duration(h.sum.Load())
}

// Distribution is what histograms have counted: how many in each bucket, and the sum of all. It is
// read one after the other, not at one moment.
type Distribution struct {
	Counts [Buckets]int64
	Sum    time.Duration
}

// Count is how many durations there were.
func (d *Distribution) Count() (all int64) {
	for _, n := range d.Counts {
		all += n
	}
	return all
}
