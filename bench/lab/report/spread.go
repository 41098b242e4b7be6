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
	Value float64 `json:"value"`
	Min   float64 `json:"min"` // of the rounds, each on its own
	Max   float64 `json:"max"`
	// Noise is how far off, as a fraction, the value would be at most without one of the rounds. Nil with fewer than three
	// of them.
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

// pair are two cells' figures of one round, whose runs were made within seconds.
type pair struct{ of, to float64 }

func (p pair) ratio() float64 { return p.of / p.to }

// leasts is the least of one cell over the least of the other. It is how costs are compared: what else a machine does only ever
// adds to them. It does so for up to a minute at a time, and not to everybody alike, so that a median is of such times as often as not.
func leasts(rounds []pair) float64 {
	least := rounds[0]
	for _, p := range rounds[1:] {
		least = pair{min(least.of, p.of), min(least.to, p.to)}
	}
	return least.ratio()
}

// middle is the median of the rounds' own ratios.
func middle(rounds []pair) float64 { return Over(ratios(rounds)).Median }

func ratios(rounds []pair) (all []float64) {
	for _, p := range rounds {
		all = append(all, p.ratio())
	}
	return all
}

// compare is what two cells come to by the rounds that both have. Nil if there are none.
func compare(of, to *Cell, figure func(Run) float64, value func([]pair) float64) *Ratio {
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
	return &Ratio{Value: value(rounds), Min: spread.Min, Max: spread.Max, Noise: noise(rounds, value)}
}

// noise leaves out one round after the other.
func noise(rounds []pair, value func([]pair) float64) *float64 {
	if len(rounds) < 3 {
		return nil
	}
	var most float64
	for i := range rounds {
		without := value(slices.Concat(rounds[:i], rounds[i+1:]))
		most = max(most, math.Abs(without/value(rounds)-1))
	}
	return &most
}
