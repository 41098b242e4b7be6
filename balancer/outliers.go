package balancer

import (
	"fmt"
	"math"
	"time"
)

// The least distance that is far from the mean of the others, however close together those are: a
// tenth of all requests for success rates; for latencies as much again as the mean, and 10 ms.
const (
	farSuccessRate = 0.1
	farLatency     = 10 * time.Millisecond
)

// outlier is a backend that is far worse than the others.
type outlier struct {
	backend *Backend
	why     string
	// by is how far past the bound it is, relative to the distance that the bound has.
	by float64
}

// figure is what backends are compared by: the larger, the worse.
type figure struct {
	of func(t traffic) float64
	// far is the least distance that is far from the mean of the others.
	far func(mean float64) float64
	// why says it to operators.
	why func(own, mean float64) string
}

var (
	failureRate = figure{
		of:  func(t traffic) float64 { return 1 - t.successRate() },
		far: func(float64) float64 { return farSuccessRate },
		why: func(own, mean float64) string {
			return fmt.Sprintf("%.0f%% of its requests succeeded, %.0f%% of the others'", 100*(1-own), 100*(1-mean))
		},
	}
	meanLatency = figure{
		of:  traffic.latency,
		far: func(mean float64) float64 { return max(mean, float64(farLatency)) },
		why: func(own, mean float64) string {
			return fmt.Sprintf("its responses took %.1fms on average, the others' %.1fms", own/1e6, mean/1e6)
		},
	}
)

// compared is a backend with what it has shown in an interval.
type compared struct {
	backend *Backend
	traffic traffic
}

// outliers are the backends that are worse than the mean of the others by more than so many
// standard deviations of those, and by what is far in any case.
func (f figure) outliers(all []compared, deviations float64) (found []outlier) {
	for i, c := range all {
		own := f.of(c.traffic)
		mean, deviation := f.others(all, i)
		far := max(deviations*deviation, f.far(mean))
		if own > mean+far {
			found = append(found, outlier{c.backend, f.why(own, mean), (own - mean) / far})
		}
	}
	return found
}

// others is the mean of all but one, and their standard deviation.
func (f figure) others(all []compared, but int) (mean, deviation float64) {
	n := float64(len(all) - 1)
	for i, c := range all {
		if i != but {
			mean += f.of(c.traffic) / n
		}
	}
	for i, c := range all {
		if i != but {
			deviation += (f.of(c.traffic) - mean) * (f.of(c.traffic) - mean) / n
		}
	}
	return mean, math.Sqrt(deviation)
}
