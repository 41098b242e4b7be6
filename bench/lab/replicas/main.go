//go:build linux

// Command replicas measures what sharing buckets costs the database: how many renewals a second one
// PostgreSQL does, whether rounds are late at seven tenths of that, and what the database does
// beside a Redis that runs a script for each request. bench/README.md explains how to read it.
//
//	make bench-replicas
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"time"

	"gopher-equalizer/bench/lab/program"
	"gopher-equalizer/bench/lab/report"
)

func main() { replicas().Main() }

func replicas() program.Program[settings] {
	return program.Program[settings]{Name: "replicas", Usage: help, Parse: parse, Do: func(ctx context.Context, s settings, stderr io.Writer) error {
		return runAll(ctx, s, func(format string, args ...any) { fmt.Fprintf(stderr, "replicas: "+format+"\n", args...) })
	}}
}

// settings are the command line's, and what tests make smaller.
type settings struct {
	command   string // as the user typed it
	folders   report.Folders
	buckets   int           // that exist
	flood     time.Duration // how long replicas renew as fast as they can
	intervals []interval
	rate      int // of takes a second beside Redis
	time      time.Duration
	keys      []int // how many clients they are of
}

// interval is a lease_interval, and how many of them are measured after how many others.
type interval struct {
	time              time.Duration
	warmUp, intervals int
	// active is how many clients R is measured with: about as many as are renewed then, since rows
	// in the same pages cost less.
	active int
	// together has all replicas begin their rounds at once, which is the worst case. Otherwise they
	// begin a third of an interval after each other.
	together bool
}

const help = `replicas measures what sharing buckets over three replicas costs PostgreSQL.

  --buckets N  how many buckets exist, 1,000 to 10,000,000 (default 1,000,000)
  --results    keep the report in bench/results/DATE-replicas; it is in bench/out/replicas
               until the next run, too

It needs PostgreSQL's server programs, and redis-server to compare with.
`

// parse reads the command line. For --help the error is flag.ErrHelp.
func parse(args []string) (settings, error) {
	s := settings{
		command: program.Typed("bench-replicas", args), flood: 8 * time.Second,
		intervals: []interval{{time.Second, 3, 15, 10_000, false}, {time.Second, 3, 15, 10_000, true}, {10 * time.Second, 4, 4, 100_000, false}},
		rate:      10_000, time: 10 * time.Second, keys: []int{1_000, 100_000},
	}
	flags := flag.NewFlagSet("replicas", flag.ContinueOnError)
	flags.SetOutput(io.Discard) // run prints the error, and the help
	flags.IntVar(&s.buckets, "buckets", 1_000_000, "")
	results := flags.Bool("results", false, "")
	if err := flags.Parse(args); err != nil {
		return settings{}, err
	}
	s.folders = report.FoldersOf("replicas", *results)
	switch {
	case flags.NArg() > 0:
		return settings{}, fmt.Errorf("unexpected argument %q; want flags only", flags.Arg(0))
	case s.buckets < 1_000 || s.buckets > 10_000_000:
		return settings{}, fmt.Errorf("unexpected --buckets %d; want 1000 to 10000000", s.buckets)
	}
	return s, nil
}
