//go:build linux

// Command stores measures what surviving a restart costs: CPU per request at full load, with every
// request from another client, with durable stores over the memory store. bench/README.md explains
// how to read it.
//
//	make bench-stores
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"time"

	"gopher-equalizer/bench/lab/load"
	"gopher-equalizer/bench/lab/program"
	"gopher-equalizer/bench/lab/report"
)

func main() { stores().Main() }

func stores() program.Program[settings] {
	return program.Program[settings]{Name: "stores", Usage: usage, Parse: parse, Do: func(ctx context.Context, s settings, stderr io.Writer) error {
		return compare(ctx, s, func(format string, args ...any) { fmt.Fprintf(stderr, "stores: "+format+"\n", args...) })
	}}
}

// settings are the command line's.
type settings struct {
	command      string // as the user typed it
	folders      report.Folders
	rounds       int
	time, warmUp time.Duration // of a run, and before it
	fill         time.Duration // of load once, so that tables and stores are large
	put          func(dir string) (generator, error)
}

// generator puts load on a proxy.
type generator func(context.Context, load.Order) (load.Outcome, error)

const usage = `stores measures CPU per request with the stores bolt and postgres over that with memory.

  --rounds N  rounds, 3 to 100 (default 7)
  --time D    the time of a run, 1s to 1m (default 5s)
  --results   keep the report in bench/results/DATE-stores; it is in bench/out/stores
              until the next run, too

It needs wrk and PostgreSQL's server programs.
`

// parse reads the command line. For --help the error is flag.ErrHelp.
func parse(args []string) (settings, error) {
	s := settings{
		command: program.Typed("bench-stores", args),
		warmUp:  time.Second, fill: 15 * time.Second, put: closedLoop,
	}
	flags := flag.NewFlagSet("stores", flag.ContinueOnError)
	flags.SetOutput(io.Discard) // run prints the error, and the help
	flags.IntVar(&s.rounds, "rounds", 7, "")
	flags.DurationVar(&s.time, "time", 5*time.Second, "")
	results := flags.Bool("results", false, "")
	if err := flags.Parse(args); err != nil {
		return settings{}, err
	}
	s.folders = report.FoldersOf("stores", *results)
	switch {
	case flags.NArg() > 0:
		return settings{}, fmt.Errorf("unexpected argument %q; want flags only", flags.Arg(0))
	case s.rounds < 3 || s.rounds > 100:
		return settings{}, fmt.Errorf("unexpected --rounds %d; want 3 to 100", s.rounds)
	case s.time < time.Second || s.time > time.Minute:
		return settings{}, fmt.Errorf("unexpected --time %v; want 1s to 1m", s.time)
	}
	return s, nil
}

// closedLoop is full load: 64 connections that each send the next request once they have the
// response.
func closedLoop(dir string) (generator, error) {
	wrk, err := load.FindWrk(dir)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, o load.Order) (load.Outcome, error) {
		o.Connections = 64
		return wrk.Run(ctx, o)
	}, nil
}
