//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"gopher-equalizer/bench/lab/child"
	"gopher-equalizer/bench/lab/load"
	"gopher-equalizer/bench/lab/measure"
	"gopher-equalizer/bench/lab/peers"
	"gopher-equalizer/bench/lab/testbed"
)

// bed is what all profiles share.
type bed struct {
	*testbed.Bed
	settings
	wrk      *load.Wrk
	perf     string
	backends []string
	proxies  []peers.Peer
}

func open(ctx context.Context, s settings) (*bed, error) {
	shared, err := testbed.Open("profile")
	if err != nil {
		return nil, err
	}
	b := &bed{Bed: shared, settings: s}
	if err := b.equip(ctx); err != nil {
		b.Close()
		return nil, err
	}
	return b, nil
}

// equip finds, builds and starts what all profiles need.
func (b *bed) equip(ctx context.Context) (err error) {
	if b.perf, err = exec.LookPath("perf"); err != nil {
		return errors.New("perf is not installed; on Debian it is in linux-perf")
	}
	if b.wrk, err = load.FindWrk(b.Dir); err != nil {
		return err
	}
	if err = b.Build(ctx, testbed.Equalizer, testbed.Backend, testbed.Pump); err != nil {
		return err
	}
	backends, err := b.Backends()
	if err != nil {
		return err
	}
	b.backends = backends.Addresses
	all, _ := peers.All(ctx, peers.Built{Equalizer: b.Program(testbed.Equalizer), Pump: b.Program(testbed.Pump)})
	for _, p := range all {
		if p.Role == peers.Floor || slices.Contains([]string{peers.Equalizer, peers.Bare, peers.Large}, p.Name) {
			b.proxies = append(b.proxies, p)
		}
	}
	return nil
}

// profile profiles a proxy under load, once its limits know some clients.
func (b *bed) profile(ctx context.Context, p peers.Peer) (spent, error) {
	process, order, err := b.start(ctx, p)
	if err != nil {
		return spent{}, err
	}
	defer process.Stop()
	fill := order
	fill.Shape, fill.Time = load.Shape{Connections: defaultConnections, Size: load.Small}, b.warmUp
	if _, err := b.put(ctx, fill); err != nil {
		return spent{}, err
	}
	tree, err := measure.TreeOf(process.PID())
	if err != nil {
		return spent{}, err
	}
	recording, err := b.record(process.PID())
	if err != nil {
		return spent{}, err
	}
	defer recording.Stop()
	before, err := tree.CPU()
	if err != nil {
		return spent{}, err
	}
	order.Time = b.time
	out, failed := b.put(ctx, order)
	after, err := tree.CPU()
	if err := errors.Join(failed, err); err != nil {
		return spent{}, err
	}
	on, err := recording.read(ctx)
	return spent{proxy: p.Name, request: (after - before) / time.Duration(max(1, out.Answered)), on: on}, err
}

func (b *bed) put(ctx context.Context, o load.Order) (load.Outcome, error) {
	if o.Rate > 0 {
		return load.Constant(ctx, o)
	}
	return b.wrk.Run(ctx, o)
}

// start starts a proxy, and returns its load.
func (b *bed) start(ctx context.Context, p peers.Peer) (*child.Process, load.Order, error) {
	order := load.Order{Shape: load.Shape{Connections: b.connections, Rate: b.rate, Size: load.Small}, Key: load.RandomKeys, Seed: rand.Uint32()}
	addresses, err := child.FreeAddresses(2)
	if err != nil {
		return nil, order, err
	}
	dir, err := b.Folder()
	if err != nil {
		return nil, order, err
	}
	order.Target = addresses[0]
	run, err := p.Prepare(peers.Place{Dir: dir, Listen: addresses[0], Admin: addresses[1]}, b.backends, true)
	if err != nil {
		return nil, order, err
	}
	process, err := b.Start(run)
	if err != nil {
		return nil, order, err
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	return process, order, process.Await(ctx, func() error { _, err := testbed.Get(ctx, "http://"+order.Target+"/health"); return err })
}

// recording is perf, which samples a process.
type recording struct {
	*child.Process
	perf, data string
}

// record samples a process, its kernel time and its stacks, until it is read or stopped.
func (b *bed) record(pid int) (*recording, error) {
	dir, err := b.Folder()
	if err != nil {
		return nil, err
	}
	r := &recording{perf: b.perf, data: filepath.Join(dir, "perf.data")}
	r.Process, err = b.Start(child.Program{Path: b.perf, Dir: dir, Args: []string{
		"record", "-q", "-e", "cpu-clock", "-F", "997", "-g", "-p", strconv.Itoa(pid), "-o", r.data,
	}})
	return r, err
}

// read ends the recording, and sums it up.
func (r *recording) read(ctx context.Context) (map[part]int, error) {
	r.Stop()
	var said bytes.Buffer
	cmd := exec.CommandContext(ctx, r.perf, "script", "-i", r.data, "-F", "ip,sym")
	cmd.Stderr = &said
	text, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("perf script: %w: %s: %s", err, bytes.TrimSpace(said.Bytes()), r.LastWords())
	}
	return sum(string(text))
}
