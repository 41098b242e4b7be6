//go:build linux

package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"gopher-equalizer/bench/lab/load"
	"gopher-equalizer/bench/lab/peers"
	"gopher-equalizer/bench/lab/report"
	"gopher-equalizer/bench/machine"
)

// comparison is a run of the suite.
type comparison struct {
	settings
	*bed
	*progress
	report  report.Report
	targets []*target
	cells   []cell
}

// cell is a row of the report, and the target of its load.
type cell struct {
	*report.Cell
	target *target
	shape  shape
}

func (c cell) String() string { return fmt.Sprintf("%s, limiter %s, %s", c.Proxy, c.Limiter, c.Load) }

// compare measures what the settings want, and writes the report. If ctx ends, it returns early
// without a report.
func compare(ctx context.Context, s settings, stderr io.Writer) error {
	c := &comparison{settings: s, progress: newProgress(stderr), report: report.Report{
		Command: s.command, Started: time.Now(), Rounds: s.rounds, VariantsEvery: s.variantsEvery, Time: s.time, WarmUp: s.warmUp, Fill: s.fill,
	}}
	defer c.done()
	var err error
	if c.bed, err = open(ctx, s, c.say); err != nil {
		return err
	}
	defer c.Close()
	defer c.closeTargets()
	if err := c.measureAll(ctx); err != nil {
		return err
	}
	c.report.Took = time.Since(c.report.Started)
	c.report.Summarise()
	return c.write(c.report)
}

// measureAll takes all measurements.
func (c *comparison) measureAll(ctx context.Context) error {
	found, lacking := peers.All(ctx, c.built)
	for _, line := range append(c.lacking, lacking...) {
		c.note(ctx, line)
	}
	c.report.Machine, c.report.Versions = machine.Facts(), c.versions(ctx, found)
	for _, step := range []func(context.Context, []peers.Peer) error{c.openAll, c.idleAll, c.fillAll, c.roundsAll, c.syscallsAll} {
		if err := step(ctx, found); err != nil {
			return err
		}
		if ctx.Err() != nil {
			return fmt.Errorf("interrupted: %w", context.Cause(ctx))
		}
	}
	return nil
}

// note writes a line now, and in the report, about a failure that leaves the rest useful. Failures
// because the run is being ended aren't noted.
func (c *comparison) note(ctx context.Context, line string) {
	if ctx.Err() != nil {
		return
	}
	c.warn(line)
	c.report.Notes = append(c.report.Notes, line)
}

// openAll starts every peer, once for each mode of its limiter, and prints how long the run will
// take.
func (c *comparison) openAll(ctx context.Context, found []peers.Peer) error {
	for _, key := range c.modes() {
		for _, p := range found {
			if !p.Can(key) || !c.wants(p) {
				continue
			}
			t, err := c.start(ctx, p, key)
			if err != nil {
				c.note(ctx, err.Error())
				continue
			}
			c.targets = append(c.targets, t)
		}
	}
	c.planAll()
	c.warn(fmt.Sprintf("%d runs of %v, about %v in all", c.runs(), c.time, c.expected().Round(time.Second)))
	return nil
}

// modes are the modes of the limiter that any load is for.
func (c *comparison) modes() []load.Key {
	return slices.DeleteFunc(every(), func(key load.Key) bool {
		return !slices.ContainsFunc(c.shapes, func(s shape) bool { return slices.Contains(s.keys, key) })
	})
}

// wants reports whether a peer takes part in any load.
func (c *comparison) wants(p peers.Peer) bool {
	return slices.ContainsFunc(c.shapes, func(s shape) bool { return s.isFor(p) })
}

// planAll plans the cells: each load with each target that it is for.
func (c *comparison) planAll() {
	for _, s := range c.shapes {
		if !c.has(s) {
			continue // noted
		}
		for _, t := range c.targets {
			if slices.Contains(s.keys, t.key) && s.isFor(t.Peer) && (!s.TLS || t.TLS) {
				c.plan(s, t)
			}
		}
	}
}

// has reports whether there is what makes a load.
func (c *comparison) has(s shape) bool {
	switch {
	case s.multiplexes():
		return c.h2load != nil
	case s.Rate > 0 || s.shakes():
		return true
	}
	return c.wrk != nil
}

func (c *comparison) plan(s shape, t *target) {
	row := &report.Cell{Proxy: t.Name, Role: t.Role, Variant: t.Variant, Logs: t.Log != nil, Limiter: t.key, Load: s.Shape, Command: c.describe(s.Shape, t.key)}
	c.report.Cells = append(c.report.Cells, row)
	c.cells = append(c.cells, cell{row, t, s})
}

func (c *comparison) roundsAll(ctx context.Context, _ []peers.Peer) error {
	for round := range c.rounds {
		cells := c.turn(round)
		for i, cell := range cells {
			if ctx.Err() != nil || c.gone(ctx, cell.target) {
				continue
			}
			c.say(fmt.Sprintf("round %d of %d, run %d of %d: %s", round+1, c.rounds, i+1, len(cells), cell))
			run, err := c.measure(ctx, cell)
			if err != nil {
				c.note(ctx, fmt.Sprintf("%s, round %d: %v", cell, round+1, err))
				continue
			}
			run.Round = round + 1
			cell.Runs = append(cell.Runs, run)
		}
	}
	return nil
}

// gone reports whether a proxy has ended, and notes that once.
func (c *comparison) gone(ctx context.Context, t *target) bool {
	if t.process == nil || !t.process.Ended() {
		return false
	}
	if !t.missed {
		t.missed = true
		c.note(ctx, fmt.Sprintf("%s, limiter %s, ended; it is left out from here on: %s", t.Name, t.key, t.process.LastWords()))
	}
	return true
}

// measure is one run of a cell.
func (c *comparison) measure(ctx context.Context, cell cell) (run report.Run, err error) {
	if cell.target.log != nil {
		if err := cell.target.log.forget(); err != nil {
			return run, err
		}
	}
	before := c.order(cell, c.warmUpOf(cell.target))
	before.Shape = before.Before()
	if run.WarmUp, err = c.put(ctx, before); err != nil {
		return run, err
	}
	counted, err := c.Settled(ctx, still(cell.Load))
	if err != nil {
		return run, err
	}
	taken, err := begin(cell.target)
	if err != nil {
		return run, err
	}
	if run.Outcome, err = c.put(ctx, c.order(cell, c.time)); err != nil {
		return run, err
	}
	if run.CPU, run.Peak, err = taken.end(); err != nil {
		return run, err
	}
	after, err := c.Settled(ctx, still(cell.Load))
	run.Counted = sum(after) - sum(counted)
	if err == nil && cell.target.log != nil {
		run.Logged, err = cell.target.log.atLeast(ctx, run.WarmUp.Answered+run.Answered)
	}
	if err == nil {
		err = cell.target.settle(ctx)
	}
	if err == nil && run.Answered == 0 {
		err = fmt.Errorf("nothing was answered, and %d requests broke", run.Broken)
	}
	return run, err
}

// still is how often in a row the backends' counts must be the same. With large responses a busy
// proxy may keep a request waiting for longer than a small one ever waits.
func still(l load.Shape) int {
	if l.Size == load.Mega {
		return 20
	}
	return 3
}

func (c *comparison) order(cell cell, d time.Duration) load.Order {
	address := cell.target.address
	if cell.Load.TLS {
		address = cell.target.secure
	}
	return load.Order{Shape: cell.Load, Key: cell.Limiter, Target: address, Time: d, Seed: rand.Uint32()}
}

// put puts one load on one target.
func (c *comparison) put(ctx context.Context, o load.Order) (load.Outcome, error) {
	switch {
	case o.Rate > 0:
		return load.Constant(ctx, o)
	case o.TLS && o.New:
		return load.Handshakes(ctx, o)
	case o.Streams > 0:
		return c.h2load.Run(ctx, o)
	}
	return c.wrk.Run(ctx, o)
}

func (c *comparison) closeTargets() {
	for _, t := range c.targets {
		t.close()
	}
}

// describe describes how a load is put on a proxy, for the report.
func (c *comparison) describe(s load.Shape, key load.Key) string {
	if s.After > 0 {
		then := s
		then.After = 0
		return c.describe(s.Before(), key) + "; then " + c.describe(then, key)
	}
	if s.Rate > 0 {
		from := map[load.Key]string{load.OneKey: "client-1", load.RandomKeys: "client-RANDOM"}[key]
		if from != "" {
			from = fmt.Sprintf(" -header='%s: %s'", load.KeyHeader, from)
		}
		return fmt.Sprintf("vegeta attack -rate=%d/s -duration=%v -keepalive=%t%s, as a library", s.Rate, c.time, !s.New, from)
	}
	if s.TLS && s.New {
		return fmt.Sprintf("%d clients in Go for %v: TLS 1.3 with X25519 and no session on a new connection, one request to /%s", s.Connections, c.time, s.Size)
	}
	if s.Streams > 0 {
		return quoted(c.h2load.Command(load.Order{Shape: s, Key: key, Target: "PROXY", Time: c.time}))
	}
	args := c.wrk.Command(load.Order{Shape: s, Key: key, Target: "PROXY", Time: c.time})
	if key == load.RandomKeys {
		args[len(args)-1] = "SEED" // another one for each run
	}
	return quoted(args) + fmt.Sprintf(", interrupted after %v", c.time)
}

// quoted is a command line.
func quoted(args []string) string {
	for i, arg := range args {
		if strings.Contains(arg, " ") {
			args[i] = "'" + arg + "'"
		}
	}
	return strings.Join(args, " ")
}
