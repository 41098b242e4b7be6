//go:build linux

package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"time"

	"gopher-equalizer/bench/lab/load"
	"gopher-equalizer/bench/lab/peers"
	"gopher-equalizer/bench/lab/program"
	"gopher-equalizer/bench/lab/report"
)

// settings are the command line's.
type settings struct {
	command string // as the user typed it
	folders report.Folders
	caddy   bool
	rounds  int
	time    time.Duration // of a run
	warmUp  time.Duration // before each
	fill    time.Duration // of requests from random clients, once, so that tables are large
	idle    int           // connections whose cost is measured, for each of the loads' wires; may be 0
	shapes  []shape
	// variantsEvery is the distance of rounds in which variants take part: 1 is all rounds.
	variantsEvery int
}

// shape is a load, and what is measured under it.
type shape struct {
	load.Shape
	keys     []load.Key // the limiter's modes
	variants []string   // names of our variants that take part
	calls    bool       // also under strace
}

// isFor reports whether a peer takes part. Other proxies without a log take part if ours does.
func (s shape) isFor(p peers.Peer) bool {
	name := p.Name
	if p.Role == peers.Other {
		name = peers.NoLog
	}
	return !p.Variant || slices.Contains(s.variants, name)
}

// lean are the variants that show what the log, the store and hashing cost together.
func lean() []string { return []string{peers.NoLog, peers.Bare} }

// multiplexes reports whether the load is by HTTP/2.
func (s shape) multiplexes() bool { return s.Streams > 0 }

// shakes reports whether the load is full handshakes.
func (s shape) shakes() bool { return s.TLS && s.New }

// wire is what the load's connections speak.
func (s shape) wire() load.Wire {
	switch {
	case s.multiplexes():
		return load.HTTP2
	case s.TLS:
		return load.Secure
	}
	return load.Clear
}

// wires are what the loads' connections speak, each once.
func (s settings) wires() (wires []load.Wire) {
	for _, one := range s.shapes {
		if !slices.Contains(wires, one.wire()) {
			wires = append(wires, one.wire())
		}
	}
	return wires
}

// byTLS reports whether some load is by TLS.
func (s settings) byTLS() bool {
	return slices.ContainsFunc(s.shapes, func(s shape) bool { return s.TLS })
}

// every is all modes of the limiter.
func every() []load.Key { return []load.Key{load.NoKey, load.OneKey, load.RandomKeys} }

const usage = `suite compares this proxy with nginx, HAProxy and, if asked for, Caddy.

  --full      the whole matrix; says first how long that takes
  --claim     what README.md says: 30 rounds of small responses at c = 8, 64 and 512,
              2,000/s and 8,000/s, of 10 KiB and 1 MiB, and of a step from 500/s to
              c = 64, each client with a limit; about 25 minutes
  --variants  30 rounds of what the access log, the store on disk, and many limits,
              pools and routes cost, at c = 64 and 2,000/s; about 24 minutes
  --tls       by TLS 1.3: 30 rounds of small, 10 KiB and 1 MiB responses on kept
              connections, and of full handshakes; about 12 minutes
  --h2        by HTTP/2 over TLS 1.3: 30 rounds of small, 10 KiB and 1 MiB responses
              on 100 connections of 10 streams each, and of small ones on a single
              stream; about 20 minutes
  --caddy     Caddy too: go builds it first, which takes minutes the first time
  --rounds N  rounds, 1 to 100 (default 5; 7 with --full, 30 with --claim,
              --variants, --tls and --h2)
  --time D    the time of a run, 100ms to 1m (default 1s)
  --results   keep a page, its bars and a plot in bench/results/DATE-KIND; the whole
              report is in bench/out/KIND until the next run, KIND being quick, full,
              claim, variants, tls or h2

What is not installed, and what doesn't start, is named and left out.
`

// parse reads the command line. For --help the error is flag.ErrHelp.
func parse(args []string) (settings, error) {
	flags := flag.NewFlagSet("suite", flag.ContinueOnError)
	flags.SetOutput(io.Discard) // run prints the error, and the help
	full := flags.Bool("full", false, "")
	claim := flags.Bool("claim", false, "")
	variants := flags.Bool("variants", false, "")
	byTLS := flags.Bool("tls", false, "")
	byH2 := flags.Bool("h2", false, "")
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
	s, kind, chosen := quick(), "quick", 0
	for _, one := range []struct {
		is   bool
		make func() settings
		kind string
	}{{*full, whole, "full"}, {*claim, claimed, "claim"}, {*variants, parted, "variants"}, {*byTLS, secured, "tls"}, {*byH2, multiplexed, "h2"}} {
		if one.is {
			s, kind, chosen = one.make(), one.kind, chosen+1
		}
	}
	if chosen > 1 {
		return settings{}, errors.New("unexpected --full, --claim, --variants, --tls and --h2 together; want one of them")
	}
	s.command, s.caddy, s.folders = typed(args, *full), *caddy, report.FoldersOf(kind, *results)
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

// quick is what make bench runs, in at most six minutes. Many short rounds make steadier ratios
// than few long ones, since a run of two seconds is as far from the next one as a run of one. One
// second has exactly one flush of the clients' spending.
func quick() settings {
	return settings{
		rounds: 5, time: time.Second, warmUp: 100 * time.Millisecond, fill: 4 * time.Second, idle: 1000, variantsEvery: 1,
		shapes: []shape{
			{Shape: load.Shape{Connections: 64, Size: load.Small}, keys: every(), variants: lean(), calls: true},
			{Shape: load.Shape{Rate: 2000, Size: load.Small}, keys: every(), calls: true},
		},
	}
}

// claimed is for the figures in README.md: many rounds of few loads, with a limit for each of a
// million clients. Variants show what the log, the store and hashing cost together. A fifth of the
// rounds of two loads suffices for them. The step to full load shows whether Go has its other
// processors in time. The largest responses come last, as in whole.
func claimed() settings {
	s := settings{rounds: 30, time: time.Second, warmUp: 100 * time.Millisecond, fill: 4 * time.Second, idle: 5000, variantsEvery: 5}
	add := func(one load.Shape, variants ...string) {
		s.shapes = append(s.shapes, shape{Shape: one, keys: []load.Key{load.RandomKeys}, variants: variants})
	}
	add(load.Shape{Connections: 64, Size: load.Small}, lean()...)
	add(load.Shape{Connections: 8, Size: load.Small})
	add(load.Shape{Connections: 512, Size: load.Small})
	add(load.Shape{Rate: 2000, Size: load.Small}, lean()...)
	add(load.Shape{Rate: 8000, Size: load.Small})
	add(load.Shape{Connections: 64, Size: load.Small, After: 500}, peers.Wide)
	add(load.Shape{Connections: 64, Size: load.Ten})
	add(load.Shape{Connections: 8, Size: load.Mega})
	return s
}

// parted is for what the log, the store, and many limits, pools and routes cost. Each variant runs
// in each round, since a few rounds can't tell 5 % from the noise.
func parted() settings {
	s := settings{rounds: 30, time: time.Second, warmUp: 100 * time.Millisecond, fill: 4 * time.Second, variantsEvery: 1}
	for _, one := range []load.Shape{{Connections: 64, Size: load.Small}, {Rate: 2000, Size: load.Small}} {
		s.shapes = append(s.shapes, shape{Shape: one, keys: []load.Key{load.RandomKeys}, variants: append(lean(), peers.InMemory, peers.Large)})
	}
	return s
}

// secured is for the figures by TLS, each client with a limit.
func secured() settings {
	s := settings{rounds: 30, time: time.Second, warmUp: 100 * time.Millisecond, fill: 4 * time.Second, idle: 5000, variantsEvery: 1}
	for _, one := range securedShapes() {
		s.shapes = append(s.shapes, shape{Shape: one, keys: []load.Key{load.RandomKeys}})
	}
	return s
}

// securedShapes are the loads by TLS. The largest responses come last, as in whole.
func securedShapes() []load.Shape {
	shapes := append(closed(load.Small, 64), closed(load.Ten, 64)...)
	shapes = append(shapes, load.Shape{Connections: 64, Size: load.Small, New: true})
	shapes = append(shapes, closed(load.Mega, 8)...)
	for i := range shapes {
		shapes[i].TLS = true
	}
	return shapes
}

// multiplexed is for the figures by HTTP/2, with one client that has a limit. Runs and warm-ups are
// longer than those of others, as they begin with the handshakes of all connections: h2load hangs
// if it is to stop before those are over.
func multiplexed() settings {
	s := settings{rounds: 30, time: 2 * time.Second, warmUp: time.Second, idle: 5000, variantsEvery: 1}
	for _, one := range []load.Shape{
		{Connections: 100, Streams: 10, Size: load.Small},
		{Connections: 100, Streams: 10, Size: load.Ten},
		{Connections: 1, Streams: 1, Size: load.Small},
		{Connections: 8, Streams: 10, Size: load.Mega},
	} {
		one.TLS = true
		s.shapes = append(s.shapes, shape{Shape: one, keys: []load.Key{load.OneKey}})
	}
	return s
}

// whole is the matrix in half an hour: every number of connections and rate, every size, kept and
// new connections. Combinations that tell little are left out. Larger responses run without the
// limiter and with its most expensive mode. 1 MiB has no single connection and, since it is more
// than loopback carries, no rate. New connections are 64 at a time. Variants and system calls are
// measured under quick's loads. TLS is measured with the limiter's most expensive mode.
//
// The largest responses come last, since the memory that they take stays.
func whole() settings {
	s := settings{rounds: 7, time: time.Second, warmUp: 200 * time.Millisecond, fill: 10 * time.Second, idle: 5000, variantsEvery: 1}
	s.shapes = quick().shapes
	for i := range s.shapes {
		s.shapes[i].variants = lean()
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
	add([]load.Key{load.RandomKeys}, securedShapes()...)
	add(costly, closed(load.Mega, 8, 64, 512)...)
	return s
}

// closed returns closed loops, one for each number of connections.
func closed(size load.Size, connections ...int) (shapes []load.Shape) {
	for _, c := range connections {
		shapes = append(shapes, load.Shape{Connections: c, Size: size})
	}
	return shapes
}

// typed is a command that repeats this run.
func typed(args []string, full bool) string {
	target := "bench"
	if full {
		target = "bench-full"
	}
	args = slices.DeleteFunc(slices.Clone(args), func(arg string) bool {
		return slices.Contains([]string{"--full", "-full"}, arg)
	})
	return program.Typed(target, args)
}
