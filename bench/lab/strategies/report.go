//go:build linux

package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"gopher-equalizer/bench/lab/plot"
)

// run is what a way did once.
type run struct {
	p99      float64 // in milliseconds
	failures int64
	backends []seen
}

// result is what a way did, in each round.
type result struct {
	way
	runs []run
}

func newResults() (all []*result) {
	for _, w := range ways {
		all = append(all, &result{way: w})
	}
	return all
}

// p99 is the median of the runs'.
func (r *result) p99() float64 {
	return median(r.each(func(_ int, run run) float64 { return run.p99 }))
}

// over is the p99 over that of another way, of the same round: the median of the ratios.
func (r *result) over(other *result) float64 {
	return median(r.each(func(round int, run run) float64 { return run.p99 / other.runs[round].p99 }))
}

func (r *result) each(of func(round int, run run) float64) (figures []float64) {
	for round, run := range r.runs {
		figures = append(figures, of(round, run))
	}
	return figures
}

// median is the one in the middle, the lower one of two.
func median(figures []float64) float64 {
	slices.Sort(figures)
	return figures[(len(figures)-1)/2]
}

// typical is the run whose p99 is the median.
func (r *result) typical() run {
	p99 := r.p99()
	return r.runs[slices.IndexFunc(r.runs, func(run run) bool { return run.p99 == p99 })]
}

// bars are how much of round_robin's p99 a strategy may have, and of HAProxy's leastconn.
var bars = map[string][2]float64{"least_in_flight": {1, 1.1}, "p2c": {1, 1.1}, "peak_ewma": {0.3, 1.1}}

// verdict is whether a strategy holds its bars; "" if it has none.
func (r *result) verdict(byTurn, leastConn *result) string {
	most, has := bars[r.strategy]
	switch {
	case !has:
		return ""
	case r.over(byTurn) <= most[0] && r.over(leastConn) <= most[1]:
		return "held"
	}
	return fmt.Sprintf("**missed**: want %.1f and %.1f", most[0], most[1])
}

// printTable prints what all did. The first is round_robin, and the last HAProxy.
func printTable(to io.Writer, results []*result) {
	byTurn, leastConn := results[0], results[len(results)-1]
	fmt.Fprintln(to, "| strategy | p99 | / round_robin | / HAProxy leastconn | bars | requests by backend | failures |\n|---|---|---|---|---|---|---|")
	for _, r := range results {
		var counts []int
		for _, b := range r.typical().backends {
			counts = append(counts, b.requests)
		}
		failures := int64(0)
		for _, run := range r.runs {
			failures += run.failures
		}
		fmt.Fprintf(to, "| %s | %.0f ms | %.2f | %.2f | %s | %v | %d |\n",
			r.name, r.p99(), r.over(byTurn), r.over(leastConn), r.verdict(byTurn, leastConn), counts, failures)
	}
}

// draw writes the plot of a result.
func draw(r *result, s settings) error {
	bars := plot.Bars{
		Title:    r.name,
		Subtitle: fmt.Sprintf("five backends, the third ten times slower, %d requests a second; 99 in 100 within %.0f ms", s.rate, r.p99()),
		Unit:     "requests a second",
	}
	group := plot.Group{Name: "load, with the backend's mean and 99th percentile of latency"}
	for i, b := range r.typical().backends {
		rate := float64(b.requests) / s.time.Seconds()
		group.Bars = append(group.Bars, plot.Bar{
			Name: fmt.Sprintf("backend %d", i+1), Value: rate, Min: rate, Max: rate,
			Note:  fmt.Sprintf("%.0f, %.0f ms", b.mean, b.p99),
			Style: plot.Style{Colour: []string{"#0969da", "#0969da", "#cf222e", "#0969da", "#0969da"}[i]},
		})
	}
	bars.Groups = []plot.Group{group}
	if err := os.MkdirAll(s.into, 0o755); err != nil {
		return err
	}
	file := filepath.Join(s.into, fileName(r.name))
	return os.WriteFile(file, bars.SVG(), 0o644)
}

func fileName(way string) string {
	if way == haproxy {
		way = "haproxy"
	}
	return way + ".svg"
}
