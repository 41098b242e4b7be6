//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"gopher-equalizer/bench/lab/child"
	"gopher-equalizer/bench/lab/differ/play"
	"gopher-equalizer/bench/lab/peers"
	"gopher-equalizer/bench/lab/testbed"
)

const (
	// patience is how long our proxy may take, which is expected to do something each time.
	patience = 10 * time.Second
	// quiet is how long a peer must send nothing until that counts as its outcome.
	quiet = time.Second
)

// bed has the proxies, each in front of a backend of its own.
type bed struct {
	*testbed.Bed
	ours    *proxy
	peers   []*proxy
	lacking []string // a line for each peer that this machine lacks
}

// proxy is a running proxy.
type proxy struct {
	play.Proxy
	name, version string
	peer          bool
	process       *child.Process
	log           string
}

// open builds and starts everything.
func open(ctx context.Context, build func(*testbed.Bed, context.Context, ...string) error) (*bed, error) {
	shared, err := testbed.Open("differ")
	if err != nil {
		return nil, err
	}
	b := &bed{Bed: shared}
	if err := b.start(ctx, build); err != nil {
		b.Close()
		return nil, err
	}
	return b, nil
}

func (b *bed) start(ctx context.Context, build func(*testbed.Bed, context.Context, ...string) error) error {
	if err := build(b.Bed, ctx, testbed.Equalizer); err != nil {
		return err
	}
	all, lacking := peers.All(ctx, peers.Built{Equalizer: b.Program(testbed.Equalizer)})
	b.lacking = lacking
	for _, p := range all {
		if err := b.add(ctx, p); err != nil {
			return fmt.Errorf("%s: %w", p.Name, err)
		}
	}
	return nil
}

// add starts the peers that take part.
func (b *bed) add(ctx context.Context, p peers.Peer) (err error) {
	switch p.Name {
	case peers.Equalizer:
		b.ours, err = b.startProxy(ctx, p, patience)
		return err
	case "nginx", "haproxy":
		started, err := b.startProxy(ctx, p, quiet)
		if err == nil {
			started.peer = true
			b.peers = append(b.peers, started)
		}
		return err
	}
	return nil
}

// startProxy starts a proxy and its backend.
func (b *bed) startProxy(ctx context.Context, p peers.Peer, patience time.Duration) (*proxy, error) {
	dir, err := b.Folder()
	if err != nil {
		return nil, err
	}
	addresses, err := child.FreeAddresses(2)
	if err != nil {
		return nil, err
	}
	backend, err := play.StartBackend()
	if err != nil {
		return nil, err
	}
	b.Finally(func() { backend.Close() })
	client := play.Client{Addr: addresses[0], Patience: patience}
	started := &proxy{
		Proxy: play.Proxy{Client: client, Backend: backend},
		name:  p.Name, version: p.Version, log: filepath.Join(dir, "output.log"),
	}
	program, err := p.Prepare(peers.Place{Dir: dir, Listen: addresses[0], Admin: addresses[1]}, []string{backend.Addr()}, false)
	if err != nil {
		return nil, err
	}
	if started.process, err = b.Start(program); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	return started, started.process.Await(ctx, func() error { return started.Clean("/ready") })
}

// sound ends our proxy, which was built with the race detector, and checks that there was no race
// and no panic.
func (p *proxy) sound() error {
	p.process.Stop()
	text, err := os.ReadFile(p.log)
	if err != nil {
		return err
	}
	for _, word := range []string{"DATA RACE", "panic", "goroutine "} {
		if bytes.Contains(text, []byte(word)) {
			return errors.New(string(text))
		}
	}
	return nil
}
