//go:build linux

package report

import (
	"cmp"
	"math"
	"slices"

	"gopher-equalizer/bench/lab/load"
)

// Spread is a figure over all rounds.
type Spread struct {
	Median float64 `json:"median"`
	Min    float64 `json:"min"`
	Max    float64 `json:"max"`
}

// Ratio is one figure over another.
type Ratio struct {
	Value  float64 `json:"value"`
	Min    float64 `json:"min"` // of the rounds, each on its own
	Max    float64 `json:"max"`
	Rounds int     `json:"rounds,omitempty"` // how many it is the median of
	// Noise is how far off, as a fraction, the value would be at most without one of the rounds. It
	// is nil with fewer than three of them.
	Noise *float64 `json:"noise,omitempty"`
}

// Over is the spread of some figures, at least one.
func Over(figures []float64) Spread {
	all := slices.Sorted(slices.Values(figures))
	n := len(all)
	return Spread{Median: (all[(n-1)/2] + all[n/2]) / 2, Min: all[0], Max: all[n-1]}
}

func spread(runs []Run, figure func(Run) float64) Spread {
	var all []float64
	for _, r := range runs {
		all = append(all, figure(r))
	}
	return Over(all)
}

// pooled is a quantile, in percent, of the latencies of all runs together, in milliseconds, with
// the least and the greatest without one of the runs. A run's latencies are known at the points of
// load.Quantiles, and taken to rise evenly between them.
func pooled(runs []Run, quantile float64) Ratio {
	all := quantileOf(runs, quantile)
	r := Ratio{Value: all, Min: all, Max: all, Rounds: len(runs)}
	for i := range runs {
		if len(runs) > 1 {
			without := quantileOf(slices.Concat(runs[:i], runs[i+1:]), quantile)
			r.Min, r.Max = min(r.Min, without), max(r.Max, without)
		}
	}
	return r
}

// pooledRatio is the ratio of two pooled quantiles, with the least and the greatest without one of
// the runs of either.
func pooledRatio(of, to []Run, quantile float64) Ratio {
	above, below := pooled(of, quantile), pooled(to, quantile)
	return Ratio{Value: above.Value / below.Value, Min: above.Min / below.Max, Max: above.Max / below.Min, Rounds: min(above.Rounds, below.Rounds)}
}

// quantileOf is the least of the runs' latencies that so many percent of all requests don't exceed.
func quantileOf(runs []Run, percent float64) float64 {
	var points []float64
	var total float64
	for _, run := range runs {
		points = append(points, run.Latency...)
		total += float64(run.Answered)
	}
	slices.Sort(points)
	at, _ := slices.BinarySearchFunc(points, percent/100*total, func(latency, want float64) int {
		var within float64
		for _, run := range runs {
			within += run.within(latency)
		}
		const rounding = 1e-9
		return cmp.Compare(within*(1+rounding), want)
	})
	return points[min(at, len(points)-1)]
}

// within is how many of the run's requests took no longer than so many milliseconds.
func (r Run) within(latency float64) float64 {
	quantiles := load.Quantiles()
	next := slices.IndexFunc(r.Latency, func(point float64) bool { return point > latency })
	switch next {
	case -1:
		return float64(r.Answered)
	case 0:
		return 0
	}
	from, to := r.Latency[next-1], r.Latency[next]
	share := quantiles[next-1] + (quantiles[next]-quantiles[next-1])*(latency-from)/(to-from)
	return share / 100 * float64(r.Answered)
}

// pair has two cells' figures of one round, whose runs were within seconds of each other.
type pair struct{ of, to float64 }

func (p pair) ratio() float64 { return p.of / p.to }

// middle is the median of the rounds' own ratios, since what the machine does meanwhile hits both
// runs of a round.
func middle(rounds []pair) float64 { return Over(ratios(rounds)).Median }

func ratios(rounds []pair) (all []float64) {
	for _, p := range rounds {
		all = append(all, p.ratio())
	}
	return all
}

// compare is the ratio of two cells by the rounds that both have. It is nil if there are none.
func compare(of, to *Cell, figure func(Run) float64) *Ratio {
	other := map[int]float64{}
	for _, run := range to.Runs {
		other[run.Round] = figure(run)
	}
	var rounds []pair
	for _, run := range of.Runs {
		if o := other[run.Round]; o > 0 {
			rounds = append(rounds, pair{figure(run), o})
		}
	}
	if len(rounds) == 0 {
		return nil
	}
	spread := Over(ratios(rounds))
	return &Ratio{Value: middle(rounds), Min: spread.Min, Max: spread.Max, Rounds: len(rounds), Noise: noise(rounds)}
}

// noise leaves out one round after the other.
func noise(rounds []pair) *float64 {
	if len(rounds) < 3 {
		return nil
	}
	var most float64
	for i := range rounds {
		without := middle(slices.Concat(rounds[:i], rounds[i+1:]))
		most = max(most, math.Abs(without/middle(rounds)-1))
	}
	return &most
}
