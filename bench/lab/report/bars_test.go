//go:build linux

package report

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"gopher-equalizer/bench/lab/load"
	"gopher-equalizer/bench/lab/peers"
)

// under1M is a cell whose limiter knows 1M keys.
func under1M(shape load.Shape, c *Cell) *Cell {
	c.Limiter, c.Load = load.RandomKeys, shape
	return c
}

// held are cells of ours, nginx and HAProxy under one load, with ours at 10, 9 and 12 to 10 each,
// all with access logs.
func held(shape load.Shape) []*Cell {
	cells := []*Cell{
		under1M(shape, made(peers.Equalizer, peers.Ours, 10, 9, 12)),
		under1M(shape, made("nginx", peers.Other, 10, 10, 10)), under1M(shape, made("haproxy", peers.Other, 20, 20, 20)),
	}
	for _, c := range cells {
		c.Logs = true
	}
	return cells
}

func TestTheBarOfEachLoad(t *testing.T) {
	f := func(shape load.Shape, bar, aim float64) {
		t.Helper()
		r := Report{Cells: held(shape)}
		r.Summarise()
		require.NotEmpty(t, r.Bars)
		got := r.Bars[0]
		assert.Equal(t, []any{shipped, shape.String() + "; limiter 1M keys", "nginx"}, []any{got.Figure, got.Under, got.Against})
		assert.Equal(t, []float64{1, 0.9, 1.2}, []float64{got.Value, got.Min, got.Max})
		assert.Equal(t, []any{bar, aim, bar >= 1, aim >= 1}, []any{got.Most, got.Aim, got.Held, got.Reached})
	}
	f(load.Shape{Connections: 8, Size: load.Small}, 1, 0.9)
	f(load.Shape{Rate: 2000, Size: load.Small}, 1, 0.9)
	f(load.Shape{Connections: 64, Size: load.Ten}, 0.95, 0.85)
	f(load.Shape{Connections: 512, Size: load.Mega}, 0.55, 0.3)
	f(load.Shape{Connections: 64, Size: load.Small, TLS: true}, 1.1, 0.95)
	f(load.Shape{Connections: 64, Size: load.Ten, TLS: true}, 1.1, 0.95)
	f(load.Shape{Connections: 8, Size: load.Mega, TLS: true}, 1.15, 1)
}

// The bar of handshakes is over nginx's, also where HAProxy's cost less.
func TestTheBarsOfTLS(t *testing.T) {
	cells := held(load.Shape{Connections: 64, Size: load.Small, New: true, TLS: true})
	cells[2] = under1M(cells[0].Load, made("haproxy", peers.Other, 5, 5, 5))
	r := Report{Cells: cells, Idle: []Idle{{Proxy: peers.Equalizer, Connections: 1000, Wire: load.Secure, Bytes: Spread{15 << 10, 14 << 10, 16 << 10}}}}
	r.Summarise()
	require.Len(t, r.Bars, 2)
	shake, idle := r.Bars[0], r.Bars[1]
	assert.Equal(t, []any{"CPU per full handshake and request", "nginx"}, []any{shake.Figure, shake.Against})
	assert.Equal(t, []float64{1, 1.6, 1.2}, []float64{shake.Value, shake.Most, shake.Aim})
	assert.Equal(t, []any{"1,000 connections, TLS", 14.0, false}, []any{idle.Under, idle.Most, idle.Held})
}

// By HTTP/2 there is one client only, and other bars.
func TestTheBarsOfStreams(t *testing.T) {
	f := func(connections, streams int, size load.Size, bar, aim float64) {
		t.Helper()
		shape := load.Shape{Connections: connections, Streams: streams, Size: size, TLS: true}
		cells := held(shape)
		for _, c := range cells {
			c.Limiter = load.OneKey
		}
		r := Report{Cells: cells}
		r.Summarise()
		require.Len(t, r.Bars, 1)
		assert.Equal(t, []any{shipped, shape.String() + "; limiter 1 key", "nginx"}, []any{r.Bars[0].Figure, r.Bars[0].Under, r.Bars[0].Against})
		assert.Equal(t, []float64{1, bar, aim}, []float64{r.Bars[0].Value, r.Bars[0].Most, r.Bars[0].Aim})
		assert.Contains(t, string(r.Overview()), "nginx")
	}
	f(100, 10, load.Small, 1, 0.85)
	f(100, 10, load.Ten, 1, 0.9)
	f(100, 10, load.Mega, 1.15, 1)
	f(1, 1, load.Small, 1.1, 1)
}

func TestLoadsWithoutABar(t *testing.T) {
	f := func(cells []*Cell) {
		t.Helper()
		r := Report{Cells: cells}
		r.Summarise()
		assert.Empty(t, r.Bars)
	}
	f(held(load.Shape{Connections: 1, Size: load.Small}))
	f(held(load.Shape{Connections: 64, Size: load.Small, New: true}))
	f(held(load.Shape{Connections: 64, Size: load.Small})[:1]) // there is nobody to compare with
	f([]*Cell{made(peers.Equalizer, peers.Ours, 10), made("nginx", peers.Other, 10)})
}

func TestTheOtherBars(t *testing.T) {
	shape := load.Shape{Rate: 8000, Size: load.Small}
	cells := held(shape)
	for i := range cells[1].Runs {
		for j := range cells[1].Runs[i].Latency {
			cells[1].Runs[i].Latency[j] *= 2
		}
	}
	off := made(peers.NoLog, peers.Ours, 10, 10, 10)
	off.Load = shape
	logging := made(peers.Equalizer, peers.Ours, 11, 12, 13)
	logging.Load = shape
	r := Report{
		Cells: append(cells, off, logging, under1M(shape, made(peers.NoLog, peers.Ours)),
			under1M(shape, made(peers.Bare, peers.Ours, 9, 9, 9)), under1M(shape, made("nginx, no log", peers.Other, 12, 9, 9))),
		Idle: []Idle{
			{Proxy: "nginx"},
			{Proxy: peers.Equalizer, Connections: 5000, Wire: load.Clear, Bytes: Spread{6144, 5120, 20480}},
		},
	}
	r.Summarise()
	require.Len(t, r.Bars, 6) // nothing ran for the log with 1M keys
	bars := map[string]Bar{}
	for _, b := range r.Bars {
		bars[b.Figure] = b
	}
	p99 := bars["p99"]
	assert.Equal(t, []any{0.5, "nginx", true, true}, []any{p99.Value, p99.Against, p99.Held, p99.Reached})
	p999 := bars["p99.9"]
	assert.Equal(t, []any{0.5, "nginx", int64(3000), true, true}, []any{p999.Value, p999.Against, p999.Requests, p999.Held, p999.Reached})
	log := bars["CPU per request with the access log"]
	assert.Equal(t, []any{1.2, peers.NoLog, 1.15, 1.08, false}, []any{log.Value, log.Against, log.Most, log.Aim, log.Held})
	idle := bars["memory per idle connection"]
	assert.Equal(t, []any{Ratio{Value: 6, Min: 5, Max: 20}, "5,000 connections", true, false}, []any{idle.Ratio, idle.Under, idle.Held, idle.Reached})
	without := bars[bare]
	assert.Equal(t, []any{1.0, 0.75, "nginx, no log"}, []any{without.Value, without.Min, without.Against})
	assert.Equal(t, 5, r.Held())

	var page strings.Builder
	require.NoError(t, r.Markdown(&page))
	for _, want := range []string{
		"5 of 6 bars are held",
		"| p99.9 of 3,000 requests | 8,000/s, small; limiter 1M keys | nginx | 0.50 (0.50-0.50) | 0.0 % | 1.00 | 0.90 | yes | yes |\n",
		"| CPU per request, as shipped | 8,000/s, small; limiter 1M keys | nginx | 1.00 (0.90-1.20) | 10.0 % | 1.00 | 0.90 | yes | **no** |\n",
		"| CPU per request with the access log | 8,000/s, small; limiter off | equalizer, no log | 1.20 (1.10-1.30) | 4.2 % | 1.15 | 1.08 | **no** | **no** |\n",
		"| memory per idle connection | 5,000 connections | - | 6.00 (5.00-20.00) KiB | - | 6.4 KiB | 4.4 KiB | yes | **no** |\n",
		"Of the 2 ratios of ours",
	} {
		assert.Contains(t, page.String(), want)
	}
}

// What a variant costs, and the step, have bars of their own.
func TestTheBarsOfVariants(t *testing.T) {
	busy, step := load.Shape{Rate: 2000, Size: load.Small}, load.Shape{Connections: 64, Size: load.Small, After: 500}
	r := Report{Cells: []*Cell{
		under1M(busy, made(peers.Equalizer, peers.Ours, 12, 12, 12)), under1M(busy, made(peers.InMemory, peers.Ours, 10, 10, 10)),
		under1M(busy, made(peers.Large, peers.Ours, 12, 12, 12)), under1M(step, made(peers.Wide, peers.Ours, 10, 10, 10)),
		under1M(step, slower(30, made(peers.Equalizer, peers.Ours, 10, 10, 10))),
	}}
	r.Summarise()
	got := map[string][]any{}
	for _, b := range r.Bars {
		got[b.Figure] = []any{b.Value, b.Unit, b.Against, b.Most, b.Aim}
	}
	assert.Equal(t, map[string][]any{
		"CPU per request with the store on disk":              {1.2, "", peers.InMemory, 1.1, 1.03},
		"CPU per request with 3 limits, 50 pools, 200 routes": {1.0, "", peers.Equalizer, 1.05, 1.02},
		"p99.9, GOMAXPROCS=16":                                {20.0, "ms", "", 100.0, 20.0},
		"p99.9":                                               {30.0, "ms", "", 100.0, 20.0},
	}, got)
}

// slower sets the latencies of a cell from the 99.9th percentile on, in milliseconds.
func slower(ms float64, c *Cell) *Cell {
	for i := range c.Runs {
		for j := range c.Runs[i].Latency {
			if load.Quantiles()[j] >= 99.9 {
				c.Runs[i].Latency[j] = ms
			}
		}
	}
	return c
}

// p99 has bars in clear, at constant rates and in two closed loops.
func TestTheBarsOfP99(t *testing.T) {
	f := func(shape load.Shape, want ...float64) {
		t.Helper()
		r := Report{Cells: held(shape)}
		r.Summarise()
		var got []float64
		for _, b := range r.Bars {
			if b.Figure == "p99" {
				got = append(got, b.Most, b.Aim)
			}
		}
		assert.Equal(t, want, got)
	}
	f(load.Shape{Connections: 8, Size: load.Small}, 1.5, 1)
	f(load.Shape{Connections: 64, Size: load.Small}, 1.5, 1)
	f(load.Shape{Rate: 2000, Size: load.Ten}, 1, 0.9)
	f(load.Shape{Connections: 512, Size: load.Small})
	f(load.Shape{Connections: 64, Size: load.Ten})
	f(load.Shape{Connections: 64, Size: load.Small, TLS: true})
	f(load.Shape{Connections: 64, Size: load.Small, After: 500})
}

// rising are the latencies of a run, one for each of the Quantiles.
func rising(t *rapid.T) (latency []float64) {
	last := 0.0
	for range load.Quantiles() {
		last += rapid.Float64Range(0.01, 10).Draw(t, "more")
		latency = append(latency, last)
	}
	return latency
}

// Equal runs have the quantiles of each. Those of two different runs are between those of each.
func TestQuantilesOfAllRounds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var one, other Run
		one.Answered, other.Answered = rapid.Int64Range(1, 1e6).Draw(t, "one"), rapid.Int64Range(1, 1e6).Draw(t, "other")
		one.Latency, other.Latency = rising(t), rising(t)
		for i, q := range load.Quantiles() {
			assert.Equal(t, one.Latency[i], quantileOf([]Run{one}, q))
			assert.Equal(t, one.Latency[i], quantileOf([]Run{one, one, one}, q))
			both := quantileOf([]Run{one, other}, q)
			assert.GreaterOrEqual(t, both, min(one.Latency[i], other.Latency[i]))
			assert.LessOrEqual(t, both, max(one.Latency[i], other.Latency[i]))
		}
	})
	quiet, slow := Run{}, Run{}
	quiet.Answered, slow.Answered = 900, 100
	for range load.Quantiles() {
		quiet.Latency, slow.Latency = append(quiet.Latency, 1), append(slow.Latency, 5)
	}
	assert.Equal(t, []float64{1, 5}, []float64{quantileOf([]Run{quiet, slow}, 90), quantileOf([]Run{quiet, slow}, 91)})
}

// within takes latencies to rise evenly between two points.
func TestBetweenTwoPoints(t *testing.T) {
	run := Run{}
	run.Answered = 1000
	for i := range load.Quantiles() {
		run.Latency = append(run.Latency, float64(10*i))
	}
	for latency, want := range map[float64]float64{-1: 0, 0: 10, 10: 50, 15: 75, 30: 200, 35: 250, 190: 1000, 999: 1000} {
		assert.InDelta(t, want, run.within(latency), 1e-9, latency)
	}
}

// The spread and the noise of a figure over all rounds come from leaving out one of them.
func TestTogether(t *testing.T) {
	runs := []Run{{Counted: 1}, {Counted: 1}, {Counted: 2}}
	sum := func(left func([]Run) []Run) (sum float64) {
		for _, run := range left(runs) {
			sum += float64(run.Counted)
		}
		return sum
	}
	noise := 0.5
	assert.Equal(t, Ratio{Value: 4, Min: 2, Max: 4, Rounds: 3, Noise: &noise}, together(3, sum))
	assert.Equal(t, Ratio{Value: 4, Min: 4, Max: 4, Rounds: 2}, together(2, sum))
	ones, others := common(&Cell{Runs: []Run{{Round: 1}, {Round: 2}, {Round: 4}}}, &Cell{Runs: []Run{{Round: 4}, {Round: 1}}})
	assert.Equal(t, []Run{{Round: 1}, {Round: 4}}, ones)
	assert.Equal(t, ones, others)
}

func TestNoise(t *testing.T) {
	f := func(want float64, of ...float64) {
		t.Helper()
		var rounds []pair
		for _, one := range of {
			rounds = append(rounds, pair{one, 2})
		}
		got := noise(rounds)
		require.NotNil(t, got)
		assert.InDelta(t, want, *got, 1e-9)
	}
	f(0, 2, 2, 2)
	f(0.25, 1, 2, 3)
	f(0.25, 3, 1, 2)
	assert.Nil(t, noise([]pair{{1, 1}, {2, 1}}))
}

// The ratio doesn't show what slows a machine down for less than half of the rounds, however much,
// and never what hits both runs of a round alike.
func TestTheRatioLeavesOutASlowTime(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		of, to := rapid.Float64Range(1, 100).Draw(t, "of"), rapid.Float64Range(1, 100).Draw(t, "to")
		both := rapid.SliceOfN(rapid.Float64Range(1, 2), 3, 20).Draw(t, "both")
		alone := rapid.Float64Range(0.1, 10).Draw(t, "alone")
		slow := rapid.IntRange(0, (len(both)-1)/2).Draw(t, "slow")
		var rounds []pair
		for i, s := range both {
			p := pair{of * s, to * s}
			if i < slow {
				p.of *= alone
			}
			rounds = append(rounds, p)
		}
		assert.InDelta(t, of/to, middle(rounds), 1e-9*of/to)
	})
}

func TestTheAccessLogMustAddUp(t *testing.T) {
	c := made(peers.Equalizer, peers.Ours, 10, 10)
	c.Logs = true
	c.Runs[0].Logged, c.Runs[1].Logged = 1000, 1090
	c.Runs[1].WarmUp = load.Outcome{Answered: 100}
	r := Report{Cells: []*Cell{c}}
	require.Len(t, r.Mismatches(), 1)
	assert.Contains(t, r.Mismatches()[0], "equalizer, limiter off, c = 8, small, round 2: the access log counted 1090 requests; want 1100 to 1100")
	assert.Contains(t, r.totals(), "Access logs had 2,090 lines, of these and of the warm-ups.")
}
