//go:build linux

package report

import (
	"math"
	"slices"
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
