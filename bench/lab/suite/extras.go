//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"gopher-equalizer/bench/lab/load"
	"gopher-equalizer/bench/lab/measure"
	"gopher-equalizer/bench/lab/peers"
	"gopher-equalizer/bench/lab/report"
)

// callsTime is for how long calls are counted. With strace everything is so slow that there are few
// requests, but their calls hardly differ.
func (c *comparison) callsTime() time.Duration { return min(c.time, 500*time.Millisecond) }

const (
	// idleTimes is how often the cost of idle connections is measured.
	idleTimes = 3
	// idleFor is for how long they are idle before that. Some proxies give memory back meanwhile.
	idleFor = 3 * time.Second
)

// What a run takes in addition to its time, for starting wrk and settling, and what opening a
// connection takes, with one response. Both are from a run of the suite on two cores.
const (
	overhead   = 150 * time.Millisecond
	connecting = 500 * time.Microsecond
)

// expected is about how long the rest of the run takes.
func (c *comparison) expected() time.Duration {
	var d time.Duration
	for round := range c.rounds {
		for _, cell := range c.turn(round) {
			d += c.time + c.warmUpOf(cell.target) + overhead
			if cell.target.behind() {
				d += cell.target.Behind / 2 // until all spending is stored
			}
		}
	}
	for _, t := range c.targets {
		if t.key == load.RandomKeys {
			d += c.fill
		}
		if t.key == c.modes()[0] && c.idles(t.Peer) {
			kinds := time.Duration(len(c.idleKinds(t.Peer)))
			d += kinds * idleTimes * (time.Duration(c.idle)*connecting + idleFor + overhead)
		}
	}
	for _, cell := range c.cells {
		if cell.shape.calls {
			d += c.callsTime() + 2*overhead
		}
	}
	return d
}

// idles reports whether the cost of a peer's idle connections is measured.
func (c *comparison) idles(p peers.Peer) bool {
	return c.idle > 0 && p.Can(load.NoKey) && p.Role != peers.Base && !p.Variant
}

// opened reports whether a peer was started. If not, the reason was noted.
func (c *comparison) opened(p peers.Peer) bool {
	return slices.ContainsFunc(c.targets, func(t *target) bool { return t.Name == p.Name })
}

// idleAll measures what open connections cost each proxy, in processes of their own that have done
// nothing else.
func (c *comparison) idleAll(ctx context.Context, found []peers.Peer) error {
	for _, p := range found {
		if !c.idles(p) || !c.opened(p) || ctx.Err() != nil {
			continue
		}
		for _, wire := range c.idleKinds(p) {
			c.say(fmt.Sprintf("%d idle connections, %s: %s", c.idle, wire, p.Name))
			idle, err := c.idlePeer(ctx, p, wire)
			if err != nil {
				c.note(ctx, fmt.Sprintf("%s, idle connections, %s: %v", p.Name, wire, err))
				continue
			}
			c.report.Idle = append(c.report.Idle, idle)
		}
	}
	return nil
}

// idleKinds are the kinds of a peer's idle connections that are measured.
func (c *comparison) idleKinds(p peers.Peer) []load.Wire {
	return slices.DeleteFunc(c.wires(), func(w load.Wire) bool { return w != load.Clear && !p.TLS })
}

func (c *comparison) idlePeer(ctx context.Context, p peers.Peer, wire load.Wire) (report.Idle, error) {
	var bases, each []float64
	for range idleTimes {
		before, after, err := c.idleOne(ctx, p, wire)
		if err != nil {
			return report.Idle{}, err
		}
		bases, each = append(bases, float64(before)), append(each, float64(after-before)/float64(c.idle))
	}
	return report.Idle{Proxy: p.Name, Wire: wire, Connections: c.idle, Base: report.Over(bases).Median, Bytes: report.Over(each)}, nil
}

// idleOne is what is resident in a process before and after its connections.
func (c *comparison) idleOne(ctx context.Context, p peers.Peer, wire load.Wire) (before, after int64, err error) {
	t, err := c.start(ctx, p, load.NoKey)
	if err != nil {
		return 0, 0, err
	}
	defer t.close()
	tree, err := t.tree()
	if err != nil {
		return 0, 0, err
	}
	if before, err = tree.Resident(); err != nil {
		return 0, 0, err
	}
	address := t.address
	if wire != load.Clear {
		address = t.secure
	}
	open, err := load.OpenIdle(ctx, address, wire, c.idle)
	if err != nil {
		return 0, 0, err
	}
	defer open.Close()
	select {
	case <-time.After(idleFor):
	case <-ctx.Done():
		return 0, 0, context.Cause(ctx)
	}
	after, err = tree.Resident()
	return before, after, err
}

// fillAll puts many clients into the limiters' tables before anything is measured, as in a proxy
// that has been running for a while.
func (c *comparison) fillAll(ctx context.Context, _ []peers.Peer) error {
	shape := load.Shape{Connections: 64, Size: load.Small}
	if c.wrk == nil {
		shape = load.Shape{Rate: 2000, Size: load.Small}
	}
	for _, t := range c.targets {
		if t.key != load.RandomKeys || c.fill == 0 || ctx.Err() != nil {
			continue
		}
		c.say(fmt.Sprintf("filling the limiter's table: %s", t.Name))
		row := cell{&report.Cell{Load: shape, Limiter: t.key}, t, c.shapes[0]}
		if err := c.fillOne(ctx, row); err != nil {
			c.note(ctx, fmt.Sprintf("%s, filling its limiter's table: %v", t.Name, err))
		}
	}
	return nil
}

// fillOne fills a table, and waits until the target has nothing left to store.
func (c *comparison) fillOne(ctx context.Context, cell cell) error {
	out, err := c.put(ctx, c.order(cell, c.fill))
	if err == nil && cell.target.log != nil {
		_, err = cell.target.log.atLeast(ctx, out.Answered)
	}
	if err != nil {
		return err
	}
	return cell.target.settle(ctx)
}

// syscallsAll counts the system calls of a request.
func (c *comparison) syscallsAll(ctx context.Context, _ []peers.Peer) error {
	for _, cell := range c.cells {
		if !cell.shape.calls || cell.Role == peers.Base || ctx.Err() != nil || c.gone(ctx, cell.target) {
			continue
		}
		c.say("system calls: " + cell.String())
		calls, err := c.syscalls(ctx, cell)
		if errors.Is(err, measure.ErrNoStrace) {
			c.note(ctx, err.Error()+": no system calls per request")
			return nil
		}
		if err != nil {
			c.note(ctx, fmt.Sprintf("%s, system calls: %v", cell, err))
			continue
		}
		cell.Syscalls = &calls
	}
	return nil
}

func (c *comparison) syscalls(ctx context.Context, cell cell) (float64, error) {
	tree, err := cell.target.tree()
	if err != nil {
		return 0, err
	}
	dir, err := c.Folder()
	if err != nil {
		return 0, err
	}
	before, err := c.Settled(ctx, still(cell.Load))
	if err != nil {
		return 0, err
	}
	counting, err := measure.CountSyscalls(ctx, tree, dir)
	if err != nil {
		return 0, err
	}
	_, failed := c.put(ctx, c.order(cell, c.callsTime()))
	calls, err := counting.Stop()
	if err = errors.Join(failed, err); err != nil {
		return 0, err
	}
	after, err := c.Settled(ctx, still(cell.Load))
	if err != nil {
		return 0, err
	}
	if requests := sum(after) - sum(before); requests > 0 {
		return float64(calls) / float64(requests), nil
	}
	return 0, errors.New("no request came through")
}
