//go:build linux

// Package report has the suite's measurements, sums them up, and writes them down: for people as
// Markdown with plots, for programs as JSON.
package report

import (
	"slices"
	"time"

	"gopher-equalizer/bench/lab/load"
	"gopher-equalizer/bench/lab/peers"
	"gopher-equalizer/bench/machine"
)

// Report is a whole run of the suite. Durations are in nanoseconds in JSON.
type Report struct {
	Command  string         `json:"command"` // what the user typed
	Started  time.Time      `json:"started"`
	Took     time.Duration  `json:"took"`
	Machine  []machine.Fact `json:"machine"`
	Versions []machine.Fact `json:"versions"`
	Rounds   int            `json:"rounds"`
	// VariantsEvery is the distance of rounds in which variants took part: 1 is all rounds.
	VariantsEvery int           `json:"variants_every"`
	Time          time.Duration `json:"time"`    // of a run
	WarmUp        time.Duration `json:"warm_up"` // before each
	Fill          time.Duration `json:"fill"`    // of requests from random clients, before the first round
	Bars          []Bar         `json:"bars"`
	Cells         []*Cell       `json:"cells"`
	Idle          []Idle        `json:"idle"`
	Notes         []string      `json:"notes"` // what was left out, and what went wrong
}

// Cell is a proxy with its limiter in one mode, under one load: a row of the report.
type Cell struct {
	Proxy   string     `json:"proxy"`
	Role    peers.Role `json:"role"`
	Variant bool       `json:"variant"` // with settings that its users don't have
	Logs    bool       `json:"logs"`    // keeps an access log
	Limiter load.Key   `json:"limiter"`
	Load    load.Shape `json:"load"`
	Command string     `json:"command"` // how the load was made
	Runs    []Run      `json:"runs"`
	// Syscalls are system calls per request, from a run of its own; nil if they were not counted.
	Syscalls *float64 `json:"syscalls,omitempty"`
	Summary  *Summary `json:"summary,omitempty"` // nil without runs
}

// Run is one round of a cell.
type Run struct {
	Round int `json:"round"` // from 1
	load.Outcome
	WarmUp  load.Outcome `json:"warm_up"`          // before the run
	Counted int64        `json:"counted"`          // requests of the run, by the backends
	Logged  int64        `json:"logged,omitempty"` // requests of warm-up and run, by the lines of the access log, if there is one
	// Resources of the proxy's processes. Zero without a proxy.
	CPU  time.Duration `json:"cpu"`
	Peak int64         `json:"peak"` // bytes resident at most
}

// Summary sums up a cell's runs.
type Summary struct {
	CPU   *Spread `json:"cpu,omitempty"`   // microseconds per request
	Ratio *Ratio  `json:"ratio,omitempty"` // of CPU, to the cheapest peer under the same load

	Rate     Spread   `json:"rate"` // responses per second
	P50      Spread   `json:"p50"`  // milliseconds
	P90      Spread   `json:"p90"`
	P99      Spread   `json:"p99"`
	P999     Spread   `json:"p999"`
	Failures int64    `json:"failures"`       // of all runs
	Peak     *Spread  `json:"peak,omitempty"` // megabytes
	Latency  []Spread `json:"latency"`        // milliseconds, by load.Quantiles
}

// Idle is what open connections cost a proxy.
type Idle struct {
	Proxy       string    `json:"proxy"`
	Connections int       `json:"connections"`
	Wire        load.Wire `json:"wire"`
	Bytes       Spread    `json:"bytes"` // of resident memory, per connection, of some processes one after the other
	Base        float64   `json:"base"`  // bytes resident without them: the median
}

// Summarise fills in the cells' summaries, and the bars.
func (r *Report) Summarise() {
	for _, c := range r.Cells {
		if len(c.Runs) > 0 {
			c.Summary = c.sum()
		}
	}
	for _, c := range r.Cells {
		if cheapest := r.cheapest(c); cheapest != nil && c.Summary != nil && c.Summary.CPU != nil {
			c.Summary.Ratio = compare(c, cheapest, Run.micros)
		}
	}
	r.Bars = r.bars()
}

func (c *Cell) sum() *Summary {
	s := &Summary{Rate: spread(c.Runs, func(r Run) float64 { return r.Rate() })}
	for i, q := range load.Quantiles() {
		at := spread(c.Runs, func(r Run) float64 { return r.Latency[i] })
		s.Latency = append(s.Latency, at)
		if named := map[float64]*Spread{50: &s.P50, 90: &s.P90, 99: &s.P99, 99.9: &s.P999}[q]; named != nil {
			*named = at
		}
	}
	for _, run := range c.Runs {
		s.Failures += run.Failures()
	}
	if c.Role != peers.Base {
		cpu := spread(c.Runs, Run.micros)
		peak := spread(c.Runs, func(r Run) float64 { return float64(r.Peak) / 1e6 })
		s.CPU, s.Peak = &cpu, &peak
	}
	return s
}

// micros are microseconds of CPU time per request, or per body.
func (r Run) micros() float64 {
	return float64(r.CPU) / float64(time.Microsecond) / r.Work()
}

// p99 is in milliseconds.
func (r Run) p99() float64 { return r.Latency[slices.Index(load.Quantiles(), 99)] }

// cheapest is the peer that did the same as this cell for the least CPU per request, by the median.
// The same includes the access log. It is nil if none did.
func (r *Report) cheapest(than *Cell) (least *Cell) {
	for _, c := range r.Cells {
		same := c.Role == peers.Other && c.Load == than.Load && c.Limiter == than.Limiter && c.Logs == than.Logs
		if same && c.Summary != nil && (least == nil || c.Summary.CPU.Median < least.Summary.CPU.Median) {
			least = c
		}
	}
	return least
}

// Revision is the measured revision.
func (r *Report) Revision() string {
	for _, f := range r.Versions {
		if f.Name == "revision" {
			return f.Value
		}
	}
	return "unknown"
}

// Loads are the loads of the cells, in their order.
func (r *Report) Loads() []load.Shape {
	var loads []load.Shape
	for _, c := range r.Cells {
		if !slices.Contains(loads, c.Load) {
			loads = append(loads, c.Load)
		}
	}
	return loads
}

// Under are the cells of one load, ordered by limiter mode.
func (r *Report) Under(shape load.Shape) []*Cell {
	var under []*Cell
	for _, key := range []load.Key{load.NoKey, load.OneKey, load.RandomKeys} {
		for _, c := range r.Cells {
			if c.Load == shape && c.Limiter == key {
				under = append(under, c)
			}
		}
	}
	return under
}

// Modes are cells of one load, the first of each limiter mode. The load is made in the same way for
// all of them.
func (r *Report) Modes(shape load.Shape) (first []*Cell) {
	for _, c := range r.Under(shape) {
		if len(first) == 0 || first[len(first)-1].Limiter != c.Limiter {
			first = append(first, c)
		}
	}
	return first
}

// Totals are the requests of all runs: those with a response, those refused, those that broke,
// those that may have been open at a run's end, and those that the backends counted.
func (r *Report) Totals() (answered, refused, broken, open, counted int64) {
	for _, c := range r.Cells {
		for _, run := range c.Runs {
			answered += run.Answered
			refused += run.Refused
			broken += run.Broken
			open += run.Open
			counted += run.Counted
		}
	}
	return answered, refused, broken, open, counted
}
