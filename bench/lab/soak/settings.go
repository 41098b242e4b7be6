//go:build linux

package main

import (
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"gopher-equalizer/bench/lab/program"
	shared "gopher-equalizer/bench/lab/report"
)

// settings are the command line's.
type settings struct {
	command string // as the user typed it
	time    time.Duration
	warmUp  time.Duration
	mix     []kind
	folders shared.Folders
}

const usage = `soak keeps this revision's binary under mixed load and sees that its memory, file
descriptors and goroutines end where they began.

  --time D   how long, 10s to 24h (default 30m), after a tenth of that as warm-up, 5s to 1m
  --mix A,B  the kinds of load (default all: %s)
  --results  keep its page and a plot in bench/results/DATE-soak; the report is in
             bench/out/soak until the next run
`

// parse reads the command line. For --help the error is flag.ErrHelp.
func parse(args []string) (settings, error) {
	s := settings{command: program.Typed("soak", args)}
	flags := flag.NewFlagSet("soak", flag.ContinueOnError)
	flags.SetOutput(io.Discard) // run prints the error, and the help
	flags.DurationVar(&s.time, "time", 30*time.Minute, "")
	mix := flags.String("mix", strings.Join(names(kinds()), ","), "")
	results := flags.Bool("results", false, "")
	if err := flags.Parse(args); err != nil {
		return settings{}, err
	}
	if flags.NArg() > 0 {
		return settings{}, fmt.Errorf("unexpected argument %q; want flags only", flags.Arg(0))
	}
	if s.time < 10*time.Second || s.time > 24*time.Hour {
		return settings{}, fmt.Errorf("unexpected --time %v; want 10s to 24h", s.time)
	}
	s.folders = shared.FoldersOf("soak", *results)
	s.warmUp = min(max(s.time/10, 5*time.Second), time.Minute)
	var err error
	s.mix, err = choose(*mix)
	return s, err
}

// choose picks kinds by their names.
func choose(mix string) ([]kind, error) {
	var chosen []kind
	for name := range strings.SplitSeq(mix, ",") {
		i := slices.IndexFunc(kinds(), func(k kind) bool { return k.name == name })
		if i < 0 {
			return nil, fmt.Errorf("unexpected kind %q in --mix; want some of %s", name, strings.Join(names(kinds()), ","))
		}
		chosen = append(chosen, kinds()[i])
	}
	return chosen, nil
}

func names(kinds []kind) []string {
	var names []string
	for _, k := range kinds {
		names = append(names, k.name)
	}
	return names
}
