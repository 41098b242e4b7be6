//go:build linux

// Command strategies shows what each strategy does where one of five backends is ten times slower
// than the others: how many requests each backend gets, how soon it responds, and how long the
// slowest 1 in 100 requests takes, beside HAProxy's leastconn. It draws a plot for each into
// docs/strategies, and prints a table.
//
//	make strategies
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"gopher-equalizer/bench/lab/child"
	"gopher-equalizer/bench/lab/load"
	"gopher-equalizer/bench/lab/plot"
	"gopher-equalizer/bench/lab/program"
	"gopher-equalizer/bench/lab/testbed"
)

const usage = `strategies measures each strategy over five backends, one of them slow.

  --rate N    requests a second (default 100)
  --time D    how long each is measured (default 10s)
  --into DIR  where the plots go (default docs/strategies)
`

type settings struct {
	rate int
	time time.Duration
	into string
}

func main() {
	program.Program[settings]{Name: "strategies", Usage: usage, Parse: parse, Do: compare}.Main()
}

func parse(args []string) (s settings, err error) {
	flags := flag.NewFlagSet("strategies", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.IntVar(&s.rate, "rate", 100, "")
	flags.DurationVar(&s.time, "time", 10*time.Second, "")
	flags.StringVar(&s.into, "into", "docs/strategies", "")
	return s, flags.Parse(args)
}

// way is a proxy with a strategy.
type way struct{ name, strategy string }

var ways = []way{
	{"round_robin", "round_robin"},
	{"random", "random"},
	{"least_in_flight", "least_in_flight"},
	{"p2c", "p2c"},
	{"peak_ewma", "peak_ewma"},
	{"hash", "hash"},
	{"sticky", "sticky"},
	{haproxy, "leastconn"},
}

const haproxy = "HAProxy leastconn"

// result is what a way did.
type result struct {
	way
	p99      float64 // in milliseconds
	failures int64
	backends []seen
}

func compare(ctx context.Context, s settings, stderr io.Writer) error {
	bed, err := testbed.Open("strategies")
	if err != nil {
		return err
	}
	defer bed.Close()
	fmt.Fprintln(stderr, "strategies: building")
	if err := bed.Build(ctx, testbed.Equalizer); err != nil {
		return err
	}
	var results []result
	for _, w := range ways {
		fmt.Fprintf(stderr, "strategies: %s, for %v\n", w.name, s.time+warmUp)
		r, err := measure(ctx, bed, w, s)
		if err != nil {
			return fmt.Errorf("%s: %w", w.name, err)
		}
		results = append(results, r)
		if err := draw(r, s); err != nil {
			return err
		}
	}
	printTable(os.Stdout, results)
	return nil
}

// usual is how long a backend takes, on average. A busy machine's delays are short beside it.
const usual = 50 * time.Millisecond

// warmUp is for how long there is load before it counts.
const warmUp = 2 * time.Second

func measure(ctx context.Context, bed *testbed.Bed, w way, s settings) (result, error) {
	backends := startBackends(usual, usual, 10*usual, usual, usual)
	defer backends.close()
	addresses, err := child.FreeAddresses(2)
	if err != nil {
		return result{}, err
	}
	p, err := start(bed, w, addresses[0], addresses[1], backends.addresses())
	if err != nil {
		return result{}, err
	}
	defer p.Stop()
	if err := p.Await(ctx, func() error { return ready(addresses[0]) }); err != nil {
		return result{}, err
	}
	order := load.Order{Shape: load.Shape{Rate: s.rate, Size: load.Small}, Target: addresses[0], Key: load.RandomKeys, Time: warmUp}
	if _, err := load.Constant(ctx, order); err != nil {
		return result{}, err
	}
	backends.forget()
	order.Time = s.time
	out, err := load.Constant(ctx, order)
	if err != nil {
		return result{}, err
	}
	return result{w, out.Latency[slices.Index(load.Quantiles(), 99)], out.Failures(), backends.seen()}, nil
}

// draw writes the plot of a result.
func draw(r result, s settings) error {
	bars := plot.Bars{
		Title:    r.name,
		Subtitle: fmt.Sprintf("five backends, the third ten times slower, %d requests a second; 99 in 100 within %.0f ms", s.rate, r.p99),
		Unit:     "requests a second",
	}
	group := plot.Group{Name: "load, with the backend's mean and 99th percentile of latency"}
	for i, b := range r.backends {
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

func printTable(to io.Writer, results []result) {
	byTurn := results[0].p99
	fmt.Fprintln(to, "| strategy | p99 | / round_robin | requests by backend | failures |\n|---|---|---|---|---|")
	for _, r := range results {
		var counts []int
		for _, b := range r.backends {
			counts = append(counts, b.requests)
		}
		fmt.Fprintf(to, "| %s | %.0f ms | %.2f | %v | %d |\n", r.name, r.p99, r.p99/byTurn, counts, r.failures)
	}
}
