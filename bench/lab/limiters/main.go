//go:build linux

// Command limiters measures the limiter in memory: a take beside the least that one can cost and
// beside other limiters, the memory of a bucket, and how new clients and the garbage collector
// affect known clients.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"gopher-equalizer/bench/lab/program"
	"gopher-equalizer/bench/lab/report"
	"gopher-equalizer/bench/machine"
)

// suite is how much is measured, and the results.
type suite struct {
	fewClients, manyClients, allClients int

	takes, rounds int
	quiet         time.Duration // how long the machine alone is looked at
	reapFor       time.Duration // longer than the reaper takes
	// In a round each proxy has gcTurns turns of gcTurn in which garbage is collected, and as many
	// without.
	gcRounds, gcTurns int
	gcTurn            time.Duration

	log    io.Writer
	rows   []row
	tables []table
	notes  []string
}

func full() *suite {
	return &suite{
		fewClients: 10_000, manyClients: 1_000_000, allClients: 10_000_000,
		takes: 200_000, rounds: 41, quiet: 5 * time.Second, reapFor: 65 * time.Second, gcRounds: 8, gcTurns: 4, gcTurn: 2500 * time.Millisecond,
	}
}

// parts are in the order in which they are run.
func (s *suite) parts() []part {
	return []part{
		{"hot", s.hot}, {"cold", s.cold}, {"onekey", s.oneKey}, {"memory", s.memory}, {"arrivals", s.arrivals}, {"reaping", s.reaping}, {"gc", s.gc},
	}
}

type part struct {
	name    string
	measure func() error
}

func main() {
	if served, err := serveRole(); served {
		exit(err)
	}
	limiters().Main()
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "limiters:", err)
		os.Exit(program.ExitFailed)
	}
	os.Exit(0)
}

// settings are the command line's.
type settings struct {
	command string // as the user typed it
	only    []string
	folders report.Folders
}

const usage = `limiters measures the limiter in memory beside others, against its bars.

  --only A,B  the parts to run (default all: %s)
  --results   keep the report in bench/results/DATE-limiters; it is in bench/out/limiters
              until the next run, too
`

func limiters() program.Program[settings] {
	return program.Program[settings]{
		Name: "limiters", Usage: fmt.Sprintf(usage, strings.Join(full().names(), ",")), Parse: parse,
		Do: func(ctx context.Context, settings settings, stderr io.Writer) error {
			s := full()
			s.log = stderr
			return s.run(ctx, settings)
		},
	}
}

func (s *suite) names() (names []string) {
	for _, p := range s.parts() {
		names = append(names, p.name)
	}
	return names
}

// parse reads the command line. For --help the error is flag.ErrHelp.
func parse(args []string) (settings, error) {
	flags := flag.NewFlagSet("limiters", flag.ContinueOnError)
	flags.SetOutput(io.Discard) // the program prints the error, and the help
	only := flags.String("only", strings.Join(full().names(), ","), "")
	results := flags.Bool("results", false, "")
	if err := flags.Parse(args); err != nil {
		return settings{}, err
	}
	if flags.NArg() > 0 {
		return settings{}, fmt.Errorf("unexpected argument %q; want flags only", flags.Arg(0))
	}
	s := settings{command: program.Typed("bench-limiters", args), only: strings.Split(*only, ","), folders: report.FoldersOf("limiters", *results)}
	for _, name := range s.only {
		if !slices.Contains(full().names(), name) {
			return settings{}, fmt.Errorf("unexpected part %q in --only; want some of %s", name, strings.Join(full().names(), ","))
		}
	}
	return s, nil
}

// run measures the parts and writes the report.
func (s *suite) run(ctx context.Context, settings settings) error {
	facts, started, revision := machine.Facts(), time.Now().UTC(), machine.Revision(ctx)
	for _, p := range s.parts() {
		if !slices.Contains(settings.only, p.name) {
			continue
		}
		if err := p.measure(); err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
		if ctx.Err() != nil {
			return fmt.Errorf("interrupted: %w", context.Cause(ctx))
		}
	}
	page := s.page(settings.command, revision, facts)
	return settings.folders.Write(map[string][]byte{"report.md": page}, report.Kept{
		Command: settings.command, Started: started, Revision: revision, Bars: s.bars(), Page: page,
	})
}

func (s *suite) progress(format string, args ...any) {
	fmt.Fprintf(s.log, format+"\n", args...)
}
