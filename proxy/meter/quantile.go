package meter

import "time"

// Since is what was counted after before, an earlier reading of the same histograms.
func (d *Distribution) Since(before *Distribution) Distribution {
	since := Distribution{Sum: d.Sum - before.Sum}
	for i := range d.Counts {
		since.Counts[i] = d.Counts[i] - before.Counts[i]
	}
	return since
}

// Add adds what others have counted.
func (d *Distribution) Add(other *Distribution) {
	d.Sum += other.Sum
	for i, n := range other.Counts {
		d.Counts[i] += n
	}
}

// Quantile is the duration that a part q of all, from 0 to 1, took at most; 0 if there are none. It
// takes the durations of a bucket to be spread evenly over it, and those of the last bucket to be
// as long as its lower bound.
func (d *Distribution) Quantile(q float64) time.Duration {
	rank := q * float64(d.Count())
	for i, n := range d.Counts {
		if n == 0 || float64(n) < rank {
			rank -= float64(n)
			continue
		}
		var low time.Duration
		if i > 0 {
			low = Bound(i - 1)
		}
		if i == Buckets-1 {
			return low
		}
		return low + time.Duration(rank/float64(n)*float64(Bound(i)-low))
	}
	return 0
}
