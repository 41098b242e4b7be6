//go:build linux

package main

import (
	"flag"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"time"

	"gopher-equalizer/bench/lab/load"
	"gopher-equalizer/bench/lab/program"
)

// settings say what to run.
type settings struct {
	command string // as the user typed it
	out     string // the folder for the report
	caddy   bool
	rounds  int
	time    time.Duration // of a run
	warmUp  time.Duration // before each
	fill    time.Duration // of requests from random clients, once, so that tables are large
	idle    int           // connections, to see what they cost
	shapes  []shape
}

// shape is a load, and what else to do with it.
type shape struct {
	load.Shape
	keys     []load.Key // the limiter's modes
	variants bool       // also on those of our peers that are Variants
	calls    bool       // also under strace
}

// every are all modes of the limiter.
func every() []load.Key { return []load.Key{load.NoKey, load.OneKey, load.RandomKeys} }

const usage = `suite compares this proxy with nginx, HAProxy and, if asked for, Caddy.

  --full      the whole matrix; says first how long that takes
  --caddy     Caddy too: go builds it first, which takes minutes the first time
  --rounds N  rounds, 1 to 100 (default 9; 7 with --full)
  --time D    the time of a run, 100ms to 1m (default 700ms; 1s with --full)
  --results   keep the report under bench/results/DATE-quick or DATE-full; otherwise
              it is in bench/out/quick or bench/out/full until the next run

What is not installed, and what doesn't start, is named and left out.
`

// parse reads the command line. For --help the error is flag.ErrHelp.
func parse(args []string) (settings, error) {
	flags := flag.NewFlagSet("suite", flag.ContinueOnError)
	flags.SetOutput(io.Discard) // run prints the error, and the help
	full := flags.Bool("full", false, "")
	caddy := flags.Bool("caddy", false, "")
	rounds := flags.Int("rounds", 0, "")
	each := flags.Duration("time", 0, "")
	results := flags.Bool("results", false, "")
	if err := flags.Parse(args); err != nil {
		return settings{}, err
	}
	if flags.NArg() > 0 {
		return settings{}, fmt.Errorf("unexpected argument %q; want flags only", flags.Arg(0))
	}
	s, kind := quick(), "quick"
	if *full {
		s, kind = whole(), "full"
	}
	s.command, s.caddy, s.out = typed(args, *full), *caddy, filepath.Join("bench", "out", kind)
	if *results {
		s.out = filepath.Join("bench", "results", time.Now().Format(time.DateOnly)+"-"+kind)
	}
	flags.Visit(func(f *flag.Flag) {
		switch f.Name {
		case "rounds":
			s.rounds = *rounds
		case "time":
			s.time = *each
		}
	})
	return s, s.check()
}

func (s settings) check() error {
	if s.rounds < 1 || s.rounds > 100 {
		return fmt.Errorf("unexpected --rounds %d; want 1 to 100", s.rounds)
	}
	if s.time < 100*time.Millisecond || s.time > time.Minute {
		return fmt.Errorf("unexpected --time %v; want 100ms to 1m", s.time)
	}
	return nil
}

// quick is what make bench runs: five minutes at most. Many short rounds make steadier ratios than few long ones: a run of two
// seconds is as far from the next one as a run of one is.
func quick() settings {
	return settings{
		rounds: 9, time: 700 * time.Millisecond, warmUp: 100 * time.Millisecond, fill: 4 * time.Second, idle: 1000,
		shapes: []shape{
			{Shape: load.Shape{Connections: 64, Size: load.Small}, keys: every(), variants: true, calls: true},
			{Shape: load.Shape{Rate: 2000, Size: load.Small}, keys: every(), calls: true},
		},
	}
}

// whole is the matrix: every number of connections and rate, every size, connections that are kept and new ones, in half
// an hour. So it is not crossed where that tells little: larger answers are without the limiter and with the
// one that costs the most; 1 MiB has no single connection and, as it is more than loopback carries, no
// rate; new connections are 64 at a time. What our variants cost, and system calls, are seen under quick's loads.
//
// The largest answers come last, as what they leave in memory is there to stay.
func whole() settings {
	s := settings{rounds: 7, time: time.Second, warmUp: 200 * time.Millisecond, fill: 10 * time.Second, idle: 5000}
	s.shapes = quick().shapes
	for i := range s.shapes {
		s.shapes[i].variants = true
	}
	add := func(keys []load.Key, shapes ...load.Shape) {
		for _, one := range shapes {
			s.shapes = append(s.shapes, shape{Shape: one, keys: keys})
		}
	}
	off := []load.Key{load.NoKey}
	costly := []load.Key{load.NoKey, load.RandomKeys}
	add(every(), closed(load.Small, 1, 8, 512)...)
	add(every(), load.Shape{Rate: 8000, Size: load.Small})
	add(costly, closed(load.Ten, 1, 8, 64, 512)...)
	add(costly, load.Shape{Rate: 2000, Size: load.Ten}, load.Shape{Rate: 8000, Size: load.Ten})
	for _, size := range []load.Size{load.Small, load.Ten} {
		add(off, load.Shape{Connections: 64, Size: size, New: true})
	}
	add(costly, closed(load.Mega, 8, 64, 512)...)
	return s
}

// closed are closed loops, for each of some numbers of connections.
func closed(size load.Size, connections ...int) (shapes []load.Shape) {
	for _, c := range connections {
		shapes = append(shapes, load.Shape{Connections: c, Size: size})
	}
	return shapes
}

// typed is a command that does the same again.
func typed(args []string, full bool) string {
	target := "bench"
	if full {
		target = "bench-full"
	}
	args = slices.DeleteFunc(slices.Clone(args), func(arg string) bool {
		return slices.Contains([]string{"--full", "-full", "--results", "-results"}, arg)
	})
	return program.Typed(target, args)
}
