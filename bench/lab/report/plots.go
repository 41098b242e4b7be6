//go:build linux

package report

import (
	"math"
	"strings"

	"gopher-equalizer/bench/lab/load"
	"gopher-equalizer/bench/lab/peers"
	"gopher-equalizer/bench/lab/plot"
)

// CPUPlot and LatencyPlot name a load's plots.
func CPUPlot(s load.Shape) string { return "cpu-" + s.Slug() + ".svg" }

// LatencyPlot is the load's plot of latencies.
func LatencyPlot(s load.Shape) string { return "latency-" + s.Slug() + ".svg" }

// OverviewPlot has all loads that proxies did with a million clients, and those by HTTP/2.
const OverviewPlot = "cpu.svg"

// Overview is that plot.
func (r *Report) Overview() []byte {
	b := plot.Bars{
		Title:    "CPU per request, clients with a limit: 1,000,000, or one by HTTP/2",
		Subtitle: "Median of the rounds, whiskers to least and most; x: over the cheaper of nginx and HAProxy; all log, except the bare one",
		Unit:     "us",
	}
	for _, shape := range r.Loads() {
		group := plot.Group{Name: shape.String()}
		for _, c := range r.Under(shape) {
			if (c.Limiter == load.RandomKeys || shape.Streams > 0) && (!c.Variant || c.Proxy == peers.Bare) {
				group.Bars = append(group.Bars, c.bar()...)
			}
		}
		if len(group.Bars) > 0 {
			b.Groups = append(b.Groups, group)
		}
	}
	return b.SVG()
}

// bar is a cell's CPU per request, none if that wasn't measured.
func (c *Cell) bar() []plot.Bar {
	if c.Summary == nil || c.Summary.CPU == nil {
		return nil
	}
	note, cpu := "", c.Summary.CPU
	if c.Summary.Ratio != nil {
		note = "x " + fixed(c.Summary.Ratio.Value, 2)
	}
	return []plot.Bar{{Name: c.Proxy, Value: cpu.Median, Min: cpu.Min, Max: cpu.Max, Note: note, Style: style(c)}}
}

// Plots are all files with plots, by name.
func (r *Report) Plots() map[string][]byte {
	files := map[string][]byte{OverviewPlot: r.Overview()}
	for _, shape := range r.Loads() {
		files[CPUPlot(shape)] = r.cpu(shape).SVG()
		files[LatencyPlot(shape)] = r.latency(shape).SVG()
	}
	return files
}

func (r *Report) cpu(shape load.Shape) plot.Bars {
	b := plot.Bars{
		Title:    "CPU per request: " + shape.String(),
		Subtitle: "User and kernel time of the proxy's processes: median of the rounds, whiskers to least and most; x: over the cheapest peer that logs alike",
		Unit:     "us",
	}
	for _, c := range r.Under(shape) {
		bar := c.bar()
		if bar == nil {
			continue
		}
		if name := "limiter: " + string(c.Limiter); len(b.Groups) == 0 || b.Groups[len(b.Groups)-1].Name != name {
			b.Groups = append(b.Groups, plot.Group{Name: name})
		}
		group := &b.Groups[len(b.Groups)-1]
		group.Bars = append(group.Bars, bar...)
	}
	return b
}

// latency plots the first of the limiter's modes that the load has: off, unless it always has one.
func (r *Report) latency(shape load.Shape) plot.Latency {
	mode := r.Modes(shape)[0].Limiter
	l := plot.Latency{
		Title:    "Latency by percentile: " + shape.String(),
		Subtitle: "Limiter " + string(mode) + "; each point is the median over the rounds",
	}
	for _, c := range r.Under(shape) {
		if c.Limiter == mode && c.Summary != nil {
			l.Lines = append(l.Lines, plot.Line{Name: c.Proxy, Points: c.points(), Style: style(c)})
		}
	}
	return l
}

// points end where less than one request of a run is left.
func (c *Cell) points() []plot.Point {
	fewest := c.Runs[0].Answered
	for _, run := range c.Runs {
		fewest = min(fewest, run.Answered)
	}
	var points []plot.Point
	for i, q := range load.Quantiles() {
		if math.Round(float64(fewest)*(1-q/100)) >= 1 && c.Summary.Latency[i].Median > 0 {
			points = append(points, plot.Point{X: q, Y: c.Summary.Latency[i].Median})
		}
	}
	return points
}

// style is a proxy's style in every plot. The colours are Okabe and Ito's, which everybody can tell
// apart.
func style(c *Cell) plot.Style {
	if c.Role == peers.Ours && c.Proxy != peers.Equalizer {
		return plot.Style{Colour: "#56b4e9", Dashed: c.Proxy == peers.NoLog}
	}
	if c.Role == peers.Ours {
		return plot.Style{Colour: "#0072b2", Bold: true}
	}
	known := map[string]string{"nginx": "#009e73", "haproxy": "#d55e00", "caddy": "#cc79a7"}
	name, _, _ := strings.Cut(c.Proxy, ",")
	if colour, ok := known[name]; ok {
		return plot.Style{Colour: colour, Dashed: c.Variant}
	}
	return plot.Style{Colour: "#8b949e", Dashed: c.Role == peers.Base}
}
