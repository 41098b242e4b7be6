// Command limiters measures the limiter in memory: a take beside the least that one can be and beside the limiters
// that others use, the memory of a bucket, and what new clients and the garbage collector do to those that are there.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"gopher-equalizer/bench/machine"
)

// suite is how much is measured, and what came out.
type suite struct {
	fewClients, manyClients, allClients int

	takes, rounds int
	quiet         time.Duration // how long the machine alone is looked at
	reapFor       time.Duration // longer than the reaper takes
	// In a round each proxy has gcTurns turns of gcTurn in which garbage is collected, and as many in which it isn't.
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
	only := flag.String("only", "", "the parts to run, with commas: hot, cold, onekey, memory, arrivals, reaping, gc (default all)")
	out := flag.String("out", "../out/limiters", "the folder for report.md")
	flag.Parse()
	s := full()
	s.log = os.Stderr
	exit(s.run(*only, *out))
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "limiters:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// run measures the parts and writes the report.
func (s *suite) run(only, folder string) error {
	facts, known := machine.Facts(), false
	for _, p := range s.parts() {
		if only != "" && !strings.Contains(","+only+",", ","+p.name+",") {
			continue
		}
		known = true
		if err := p.measure(); err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
	}
	if !known {
		return fmt.Errorf("-only %q names no part", only)
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	file, err := os.Create(filepath.Join(folder, "report.md"))
	if err != nil {
		return err
	}
	defer file.Close()
	command := "make bench-limiters"
	if only != "" {
		command += ` ARGS="-only ` + only + `"`
	}
	if err := s.write(file, command, machine.Revision(context.Background()), facts); err != nil {
		return err
	}
	return file.Close()
}

func (s *suite) progress(format string, args ...any) {
	fmt.Fprintf(s.log, format+"\n", args...)
}
