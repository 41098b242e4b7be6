//go:build linux

package main

import (
	"bytes"
	_ "embed" // the template
	"fmt"
	"math"
	"runtime"
	"slices"
	"text/template"
	"time"

	"gopher-equalizer/bench/lab/plot"
	shared "gopher-equalizer/bench/lab/report"
	"gopher-equalizer/bench/machine"
)

//go:embed report.md.tmpl
var page string

// report is the result of a run.
type report struct {
	Command  string
	Started  time.Time
	Took     time.Duration
	Time     time.Duration // of the load
	WarmUp   time.Duration
	Machine  []machine.Fact
	Revision string
	Tallies  []*tally
	// What the process held before any load, after the warm-up, after the load, and once all idle
	// connections had been closed.
	Fresh, Warm, After, Settled sample
	IsSettled                   bool
	Samples                     []sample // under load
	Wrong                       []string // the failures; none if it passed
}

// growth is how much more memory is no leak. The garbage collector lets the heap double before it
// runs, and gives memory back to the system some time later.
const growthFactor, growthBytes = 1.25, 8 << 20

// judge returns the failures.
func (r *report) judge() {
	wrong := func(format string, args ...any) { r.Wrong = append(r.Wrong, fmt.Sprintf(format, args...)) }
	for _, t := range r.Tallies {
		switch {
		case t.failures.Load() > 0:
			wrong("%s: %d of %d exchanges went wrong, the first: %v", t.name, t.failures.Load(), t.exchanges.Load(), t.first)
		case t.exchanges.Load() == 0:
			wrong("%s: there were no exchanges", t.name)
		case t.name == "limited" && (t.admitted.Load() == 0 || t.limited.Load() == 0):
			wrong("limited: %d were answered with 200 and %d with 429; want some of both", t.admitted.Load(), t.limited.Load())
		}
	}
	if !r.IsSettled {
		wrong("%d file descriptors and %d goroutines at the end; want %d and %d at most, as before the load",
			r.Settled.Files, r.Settled.Goroutines, r.Fresh.Files, r.Fresh.Goroutines)
	}
	if now, before := r.After.Resident, r.Warm.Resident; grew(before, now) {
		wrong("%s MB of memory after the load; want it near the %s MB after the warm-up", megabytes(now), megabytes(before))
	}
	if first, last := r.First(), r.Last(); grew(first.Resident, last.Resident) {
		wrong("%s MB of memory in the last fifth of the load; want it near the %s MB in the first", megabytes(last.Resident), megabytes(first.Resident))
	}
}

func grew(before, now int64) bool { return float64(now) > bound(before) }

func bound(before int64) float64 { return growthFactor*float64(before) + growthBytes }

// First is the median of each figure in the first fifth of the load.
func (r *report) First() sample { return median(r.Samples[:fifth(r.Samples)]) }

// Last is the median of each figure in the last fifth.
func (r *report) Last() sample { return median(r.Samples[len(r.Samples)-fifth(r.Samples):]) }

func fifth(samples []sample) int { return max(1, len(samples)/5) }

func median(samples []sample) sample {
	return sample{
		Resident:    middle(samples, func(s sample) int64 { return s.Resident }),
		Heap:        middle(samples, func(s sample) int64 { return s.Heap }),
		Files:       middle(samples, func(s sample) int { return s.Files }),
		Goroutines:  middle(samples, func(s sample) int { return s.Goroutines }),
		Connections: middle(samples, func(s sample) int { return s.Connections }),
	}
}

func middle[T int | int64](samples []sample, of func(sample) T) T {
	var figures []T
	for _, s := range samples {
		figures = append(figures, of(s))
	}
	slices.Sort(figures)
	return figures[len(figures)/2]
}

func megabytes(bytes int64) string { return fmt.Sprintf("%.1f", float64(bytes)/1e6) }

// Row is a kind in the report.
type Row struct {
	Name, About         string
	Exchanges, Failures int64
}

// Rows are the kinds.
func (r *report) Rows() []Row {
	var rows []Row
	for _, t := range r.Tallies {
		about := t.about
		if t.limited.Load() > 0 {
			about += fmt.Sprintf(": %d and %d", t.admitted.Load(), t.limited.Load())
		}
		rows = append(rows, Row{t.name, about, t.exchanges.Load(), t.failures.Load()})
	}
	return rows
}

// write writes the report and its plots, and the kept ones.
func (r *report) write(f shared.Folders) error {
	text, err := r.page(true)
	if err != nil {
		return err
	}
	summary, err := r.page(false)
	if err != nil {
		return err
	}
	memory := r.memory().SVG()
	return f.Write(map[string][]byte{"report.md": text, "memory.svg": memory, "counts.svg": r.counts().SVG()}, shared.Kept{
		Command: r.Command, Started: r.Started, Revision: r.Revision, Bars: r.bars(),
		Page: summary, Plots: map[string][]byte{"memory.svg": memory},
	})
}

// page is the report for people, with all plots or the kept one.
func (r *report) page(all bool) ([]byte, error) {
	t, err := template.New("soak").Funcs(template.FuncMap{
		"megabytes": megabytes, "version": runtime.Version, "all": func() bool { return all },
		"duration": func(d time.Duration) string { return d.Round(time.Second).String() },
	}).Parse(page)
	if err != nil {
		return nil, err
	}
	var text bytes.Buffer
	err = t.Execute(&text, r)
	return text.Bytes(), err
}

// bars are the criteria of judge, as figures.
func (r *report) bars() []shared.Bar {
	bar := func(figure, unit string, value, most float64) shared.Bar {
		held := value <= most
		return shared.Bar{Figure: figure, Under: "all kinds of load", Unit: unit, Ratio: shared.Ratio{Value: value}, Most: most, Aim: most, Held: held, Reached: held}
	}
	first, last := r.First(), r.Last()
	return []shared.Bar{
		bar("file descriptors at the end", "of them", float64(r.Settled.Files), float64(r.Fresh.Files)),
		bar("goroutines at the end", "of them", float64(r.Settled.Goroutines), float64(r.Fresh.Goroutines)),
		bar("memory after the load", "B", float64(r.After.Resident), bound(r.Warm.Resident)),
		bar("memory in the load's last fifth", "B", float64(last.Resident), bound(first.Resident)),
	}
}

func (r *report) memory() plot.Series {
	mega := func(bytes int64) float64 { return float64(bytes) / 1e6 }
	return plot.Series{
		Title: "Memory under load", Subtitle: "What is resident, and the heap with what is dead and not yet swept", Unit: "MB",
		Lines: []plot.Line{
			{Name: "resident", Points: r.points(func(s sample) float64 { return mega(s.Resident) }), Style: plot.Style{Colour: "#0969da", Bold: true}},
			{Name: "heap", Points: r.points(func(s sample) float64 { return mega(s.Heap) }), Style: plot.Style{Colour: "#8250df"}},
		},
	}
}

func (r *report) counts() plot.Series {
	return plot.Series{
		Title: "Descriptors, goroutines and connections under load", Subtitle: "File descriptors and goroutines of the process, and its clients' connections", Unit: "how many",
		Lines: []plot.Line{
			{Name: "descriptors", Points: r.points(func(s sample) float64 { return float64(s.Files) }), Style: plot.Style{Colour: "#0969da", Bold: true}},
			{Name: "goroutines", Points: r.points(func(s sample) float64 { return float64(s.Goroutines) }), Style: plot.Style{Colour: "#8250df"}},
			{Name: "connections", Points: r.points(func(s sample) float64 { return float64(s.Connections) }), Style: plot.Style{Colour: "#1a7f37"}},
		},
	}
}

// plotPoints are as many as can be told apart.
const plotPoints = 300

// points are a figure over time. They are few enough to be told apart: each is the largest of some
// samples.
func (r *report) points(of func(sample) float64) []plot.Point {
	each := int(math.Ceil(float64(len(r.Samples)) / plotPoints))
	var points []plot.Point
	for few := range slices.Chunk(r.Samples, max(1, each)) {
		p := plot.Point{X: few[0].At.Minutes()}
		for _, s := range few {
			p.Y = max(p.Y, of(s))
		}
		points = append(points, p)
	}
	return points
}
