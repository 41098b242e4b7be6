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

// Ratio is one figure over another: the median of the rounds' ratios, or the ratio of figures that
// are taken over all rounds.
type Ratio struct {
	Value  float64 `json:"value"`
	Min    float64 `json:"min"` // of the rounds' ratios, or of those without one of the rounds
	Max    float64 `json:"max"`
	Rounds int     `json:"rounds,omitempty"`
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

// together is a figure over the requests of all rounds. Its spread and its noise come from leaving
// out one round after the other: figure calls left for the runs of a cell that are left.
func together(rounds int, figure func(left func(all []Run) []Run) float64) Ratio {
	value := figure(func(all []Run) []Run { return all })
	r := Ratio{Value: value, Min: value, Max: value, Rounds: rounds}
	if rounds < 3 {
		return r
	}
	r.Noise = new(float64)
	for i := range rounds {
		without := figure(func(all []Run) []Run { return slices.Concat(all[:i], all[i+1:]) })
		r.Min, r.Max = min(r.Min, without), max(r.Max, without)
		*r.Noise = max(*r.Noise, math.Abs(without/value-1))
	}
	return r
}

// common are the runs of two cells in the rounds that both have.
func common(one, other *Cell) (ones, others []Run) {
	for _, run := range one.Runs {
		at := slices.IndexFunc(other.Runs, func(o Run) bool { return o.Round == run.Round })
		if at >= 0 {
			ones, others = append(ones, run), append(others, other.Runs[at])
		}
	}
	return ones, others
}

// answered counts the requests of some runs that were answered.
func answered(runs []Run) (n int64) {
	for _, run := range runs {
		n += run.Answered
	}
	return n
}

// quantileOf is the least of the runs' latencies, in milliseconds, that so many percent of all
// their requests don't exceed. A run's latencies are known at the points of load.Quantiles, and
// taken to rise evenly between them.
func quantileOf(runs []Run, percent float64) float64 {
	var points []float64
	for _, run := range runs {
		points = append(points, run.Latency...)
	}
	total := float64(answered(runs))
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
