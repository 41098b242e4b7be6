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
	"slices"
	"time"

	"gopher-equalizer/bench/lab/child"
	"gopher-equalizer/bench/lab/load"
	"gopher-equalizer/bench/lab/program"
	"gopher-equalizer/bench/lab/testbed"
)

const usage = `strategies measures each strategy over five backends, one of them slow.

  --rate N    requests a second, 10 to 10000 (default 100)
  --rounds N  how often each is measured, 1 to 100 (default 3)
  --time D    the time of a run, 1s to 10m (default 10s)
  --into DIR  where the plots go (default docs/strategies)
`

type settings struct {
	rate, rounds int
	time         time.Duration
	into         string
}

func main() { strategies().Main() }

func strategies() program.Program[settings] {
	return program.Program[settings]{Name: "strategies", Usage: usage, Parse: parse, Do: compare}
}

func parse(args []string) (s settings, err error) {
	flags := flag.NewFlagSet("strategies", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.IntVar(&s.rate, "rate", 100, "")
	flags.IntVar(&s.rounds, "rounds", 3, "")
	flags.DurationVar(&s.time, "time", 10*time.Second, "")
	flags.StringVar(&s.into, "into", "docs/strategies", "")
	if err := flags.Parse(args); err != nil {
		return settings{}, err
	}
	switch {
	case flags.NArg() > 0:
		return settings{}, fmt.Errorf("unexpected argument %q; want flags only", flags.Arg(0))
	case s.rate < 10 || s.rate > 10_000:
		return settings{}, fmt.Errorf("unexpected --rate %d; want 10 to 10000", s.rate)
	case s.rounds < 1 || s.rounds > 100:
		return settings{}, fmt.Errorf("unexpected --rounds %d; want 1 to 100", s.rounds)
	case s.time < time.Second || s.time > 10*time.Minute:
		return settings{}, fmt.Errorf("unexpected --time %v; want 1s to 10m", s.time)
	}
	return s, nil
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
	results := newResults()
	for round := range s.rounds {
		for _, r := range results { // In turn, so that what else goes on meets all of them.
			fmt.Fprintf(stderr, "strategies: round %d, %s, for %v\n", round+1, r.name, s.time+warmUp)
			run, err := measure(ctx, bed, r.way, s)
			if err != nil {
				return fmt.Errorf("%s: %w", r.name, err)
			}
			r.runs = append(r.runs, run)
		}
	}
	for _, r := range results {
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

func measure(ctx context.Context, bed *testbed.Bed, w way, s settings) (run, error) {
	backends := startBackends(usual, usual, 10*usual, usual, usual)
	defer backends.close()
	addresses, err := child.FreeAddresses(2)
	if err != nil {
		return run{}, err
	}
	p, err := start(bed, w, addresses[0], addresses[1], backends.addresses())
	if err != nil {
		return run{}, err
	}
	defer p.Stop()
	if err := p.Await(ctx, func() error { return ready(addresses[0]) }); err != nil {
		return run{}, err
	}
	order := load.Order{Shape: load.Shape{Rate: s.rate, Size: load.Small}, Target: addresses[0], Key: load.RandomKeys, Time: warmUp}
	if _, err := load.Constant(ctx, order); err != nil {
		return run{}, err
	}
	backends.forget()
	order.Time = s.time
	out, err := load.Constant(ctx, order)
	if err != nil {
		return run{}, err
	}
	return run{out.Latency[slices.Index(load.Quantiles(), 99)], out.Failures(), backends.seen()}, nil
}
