//go:build linux

package report

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/bench/lab/load"
	"gopher-equalizer/bench/lab/peers"
	"gopher-equalizer/bench/machine"
)

func small() load.Shape { return load.Shape{Connections: 8, Size: load.Small} }

// made is a cell whose rounds took these microseconds per request.
func made(proxy string, role peers.Role, micros ...int) *Cell {
	c := &Cell{Proxy: proxy, Role: role, Limiter: load.NoKey, Load: small(), Command: "wrk -c8"}
	for i, m := range micros {
		latency := make([]float64, len(load.Quantiles()))
		for j := range latency {
			latency[j] = float64(i + j + 1)
		}
		c.Runs = append(c.Runs, Run{
			Round: i + 1, Counted: 1000, CPU: time.Duration(m) * 1000 * time.Microsecond, Peak: 5e6,
			Outcome: load.Outcome{Answered: 1000, Elapsed: time.Second, Latency: latency},
		})
	}
	return c
}

func compared() *Report {
	failing := made("haproxy", peers.Other, 30, 30, 30)
	failing.Runs[1].Refused, failing.Runs[2].Broken = 2, 3
	calls := 5.25
	failing.Syscalls = &calls
	r := &Report{Command: "make bench", Rounds: 3, Machine: []machine.Fact{{Name: "CPU", Value: "fast"}}, Notes: []string{"caddy is missing"}, Cells: []*Cell{
		made("direct", peers.Base, 0, 0, 0), made("equalizer", peers.Ours, 10, 30, 45), made("nginx", peers.Other, 20, 10, 30),
		failing, made("gone", peers.Other),
	}, Idle: []Idle{{Proxy: "nginx", Connections: 10, Wire: load.Clear, Bytes: Spread{512.4, 500, 600}, Base: 3e6}}}
	r.Summarise()
	return r
}

func TestSummaries(t *testing.T) {
	r := compared()
	ours := r.Cells[1].Summary
	assert.Equal(t, &Spread{Median: 30, Min: 10, Max: 45}, ours.CPU)
	assert.Equal(t, []float64{1.5, 0.5, 3}, []float64{ours.Ratio.Value, ours.Ratio.Min, ours.Ratio.Max}) // of 10/20, 30/10, 45/30
	assert.Equal(t, 3, ours.Ratio.Rounds)
	assert.Equal(t, Spread{Median: 1000, Min: 1000, Max: 1000}, ours.Rate)
	assert.Equal(t, Spread{Median: 8, Min: 7, Max: 9}, ours.P50)
	assert.Equal(t, Spread{Median: 19, Min: 18, Max: 20}, ours.P999)
	assert.Equal(t, &Spread{Median: 5, Min: 5, Max: 5}, ours.Peak)
	assert.Equal(t, int64(5), r.Cells[3].Summary.Failures)

	direct := r.Cells[0].Summary
	assert.Nil(t, direct.CPU)
	assert.Nil(t, direct.Ratio)
	assert.Nil(t, direct.Peak)
	assert.Nil(t, r.Cells[4].Summary)
}

func TestRatiosAreToWhoDidTheSame(t *testing.T) {
	other := made("nginx", peers.Other, 1)
	other.Limiter = load.OneKey
	r := Report{Cells: []*Cell{made("equalizer", peers.Ours, 10), other}}
	r.Summarise()
	assert.Nil(t, r.Cells[0].Summary.Ratio)
	assert.Equal(t, 1.0, r.Cells[1].Summary.Ratio.Value)

	lost := made("nginx", peers.Other, 5, 20)
	lost.Runs = lost.Runs[1:] // its first round failed
	r = Report{Cells: []*Cell{made("equalizer", peers.Ours, 10, 30), lost}}
	r.Summarise()
	assert.Equal(t, &Ratio{Value: 1.5, Min: 1.5, Max: 1.5, Rounds: 1}, r.Cells[0].Summary.Ratio)

	quiet := made("nginx, no log", peers.Other, 2)
	logging := made("nginx", peers.Other, 5)
	logging.Logs = true
	ours := made("equalizer", peers.Ours, 10)
	ours.Logs = true
	r = Report{Cells: []*Cell{ours, logging, quiet, made("equalizer, bare", peers.Ours, 8)}}
	r.Summarise()
	assert.Equal(t, []float64{2, 4}, []float64{ours.Summary.Ratio.Value, r.Cells[3].Summary.Ratio.Value}, "those that log are held against each other")
}

func TestTheMedianOfAnEvenNumber(t *testing.T) {
	cell := made("nginx", peers.Other, 1, 2, 3, 10)
	assert.Equal(t, Spread{Median: 2.5, Min: 1, Max: 10}, spread(cell.Runs, Run.micros))
}

func TestMarkdown(t *testing.T) {
	var page strings.Builder
	require.NoError(t, compared().Markdown(&page))
	text := page.String()
	for _, want := range []string{
		"    make bench\n", "| CPU | fast |", "- caddy is missing\n", "## c = 8, small\n", "](cpu-c8-small.svg)", "](latency-c8-small.svg)",
		"| off | **equalizer** | 30.0 (10.0-45.0) | 1.50 (0.50-3.00) | 1,000 (1,000-1,000) | 8.000 (7.000-9.000) |",
		"| off | direct | - | - | 1,000 ", "| 5 | 5.0 (5.0-5.0) | 5.2 |", "| off | gone | did not run |",
		"\nLoad by\n\n- `wrk -c8`, limiter off\n\n", "| nginx, in clear | 10 | 512 (500-600) | 3.0 |", "12,000 requests were answered, 2 of them with an error status; 3 broke.",
		"In every single run these agree", "None of the loads that have one ran",
	} {
		assert.Contains(t, text, want)
	}
	columns := strings.Count("limiter proxy CPU ratio rate p50 p90 p99 p99.9 failed memory calls", " ") + 2
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "| off ") {
			assert.Equal(t, columns, strings.Count(line, "|"), line)
		}
	}
}

func TestEveryModeOfTheLimiterHasItsCommand(t *testing.T) {
	var cells []*Cell
	for _, key := range []load.Key{load.RandomKeys, load.NoKey} {
		for _, proxy := range []string{"equalizer", "nginx"} {
			c := made(proxy, peers.Other, 10)
			c.Limiter, c.Command = key, "wrk "+string(key)
			cells = append(cells, c)
		}
	}
	r := Report{Cells: cells}
	r.Summarise()
	var page strings.Builder
	require.NoError(t, r.Markdown(&page))
	assert.Contains(t, page.String(), "\nLoad by\n\n- `wrk off`, limiter off\n- `wrk 1M keys`, limiter 1M keys\n\n")
}

func TestWhatDoesNotAddUpIsNamed(t *testing.T) {
	r := compared()
	r.Cells[2].Runs[1].Counted = 999
	assert.Equal(t, []string{
		"nginx, limiter off, c = 8, small, round 2: the backends counted 999 requests; want 1000 to 1000, " +
			"as 1000 were answered, 0 of them refused, 0 broke and up to 0 were open",
	}, r.Mismatches())
	var page strings.Builder
	require.NoError(t, r.Markdown(&page))
	assert.Contains(t, page.String(), "\n- nginx, limiter off, c = 8, small, round 2: the backends counted 999")
	assert.NotContains(t, page.String(), "In every single run")
}

func TestPlots(t *testing.T) {
	r := compared()
	plots := r.Plots()
	require.Len(t, plots, 3)
	cpu, latency := string(plots["cpu-c8-small.svg"]), string(plots["latency-c8-small.svg"])
	assert.Regexp(t, `>30\.0<tspan [^>]*>x 1\.50<`, cpu)
	assert.NotContains(t, cpu, ">direct<")
	assert.NotContains(t, cpu, ">gone<")
	assert.Contains(t, cpu, "x: over the cheapest peer that logs alike<")
	assert.Contains(t, latency, ">direct<")
	assert.Contains(t, latency, ">99.9 %<")
	assert.NotContains(t, latency, ">99.99 %<") // which isn't a whole request of 1,000
}

// The kept page has every figure of CPU, its bars, and one plot.
func TestSummary(t *testing.T) {
	r := compared()
	for _, c := range r.Cells {
		c.Limiter = load.RandomKeys
	}
	r.Versions = []machine.Fact{{Name: "revision", Value: "abc"}}
	var page strings.Builder
	require.NoError(t, r.Summary(&page))
	for _, want := range []string{
		"    make bench\n", "| revision | abc |", "](cpu.svg)\n",
		"| c = 8, small | 1M keys | **equalizer** | 30.0 (10.0-45.0) | 1.50 (0.50-3.00) | 3 | 17.000 (16.000-18.000) |\n",
		"| nginx, in clear | 10 | 512 (500-600) |\n", "In every single run these agree",
	} {
		assert.Contains(t, page.String(), want)
	}
	assert.NotContains(t, page.String(), "direct")
	assert.Equal(t, 1, strings.Count(page.String(), ".svg"))
	assert.Equal(t, "abc", r.Revision())
	overview := string(r.Plots()[OverviewPlot])
	assert.Contains(t, overview, ">c = 8, small<")
	assert.Regexp(t, `>30\.0<tspan [^>]*>x 1\.50<`, overview)
	assert.NotContains(t, overview, ">direct<")
}
