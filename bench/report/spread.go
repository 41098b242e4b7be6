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

// Ratio is one figure over another, round by round.
type Ratio struct {
	Spread
	// Noise is the standard error of the median, as a fraction of it: how far that of another run like this is
	// likely to be from it, as far as the rounds tell. Nil with fewer than three of them.
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

// ratio compares run by run: those of one round were made within seconds, and a machine that was slower then was so for
// both. Nil if no round has both.
func ratio(of, to *Cell, figure func(Run) float64) *Ratio {
	other := map[int]float64{}
	for _, run := range to.Runs {
		other[run.Round] = figure(run)
	}
	var all []float64
	for _, run := range of.Runs {
		if o := other[run.Round]; o > 0 {
			all = append(all, figure(run)/o)
		}
	}
	if len(all) == 0 {
		return nil
	}
	return &Ratio{Spread: Over(all), Noise: noise(all)}
}

// noise takes the median's standard error for 1.25 times the mean's, which it is where figures are spread normally. A
// round that was disturbed makes it too large rather than too small.
func noise(figures []float64) *float64 {
	n := float64(len(figures))
	if n < 3 {
		return nil
	}
	var sum, squares float64
	for _, f := range figures {
		sum += f
	}
	for _, f := range figures {
		squares += (f - sum/n) * (f - sum/n)
	}
	relative := 1.25 * math.Sqrt(squares/(n-1)/n) / Over(figures).Median
	return &relative
}
