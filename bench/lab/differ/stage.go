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
)

const (
	// patience is how long ours, which is expected to do something each time, may take to.
	patience = 10 * time.Second
	// quiet is how long a peer says nothing until that is taken for its answer.
	quiet = time.Second
)

// stage has the proxies, each in front of a backend of its own.
type stage struct {
	dir     string
	ours    *proxy
	peers   []*proxy
	lacking []string // a line for each peer that this machine lacks
}

// proxy is one that runs.
type proxy struct {
	play.Proxy
	name, version string
	peer          bool
	process       *child.Process
	log           string
}

// set builds and starts everything. build puts our own program, equalizer, into a folder.
func set(ctx context.Context, build func(ctx context.Context, dir string) error) (s *stage, err error) {
	dir, err := os.MkdirTemp("", "equalizer-differ-")
	if err != nil {
		return nil, err
	}
	s = &stage{dir: dir}
	if err := build(ctx, dir); err != nil {
		s.strike()
		return nil, err
	}
	all, lacking := peers.All(ctx, peers.Built{Equalizer: filepath.Join(dir, "equalizer")})
	s.lacking = lacking
	for _, p := range all {
		if err := s.add(ctx, p); err != nil {
			s.strike()
			return nil, fmt.Errorf("%s: %w", p.Name, err)
		}
	}
	return s, nil
}

// add starts those of the peers that take part.
func (s *stage) add(ctx context.Context, p peers.Peer) error {
	switch p.Name {
	case "equalizer":
		started, err := s.start(ctx, p, patience)
		s.ours = started
		return err
	case "nginx", "haproxy":
		started, err := s.start(ctx, p, quiet)
		if started != nil {
			started.peer = true
			s.peers = append(s.peers, started)
		}
		return err
	}
	return nil
}

// start starts a proxy. It is returned with an error too if there is something to stop.
func (s *stage) start(ctx context.Context, p peers.Peer, patience time.Duration) (*proxy, error) {
	dir := filepath.Join(s.dir, p.Name+".d")
	if err := os.Mkdir(dir, 0o700); err != nil {
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
	client := play.Client{Addr: addresses[0], Patience: patience}
	started := &proxy{
		Proxy: play.Proxy{Client: client, Backend: backend},
		name:  p.Name, version: p.Version, log: filepath.Join(dir, "output.log"),
	}
	program, err := p.Prepare(dir, addresses[0], addresses[1], []string{backend.Addr()}, false)
	if err != nil {
		return started, err
	}
	if started.process, err = child.Start(program); err != nil {
		return started, err
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	return started, started.process.Await(ctx, func() error { return started.Clean("/ready") })
}

// strike ends what set began.
func (s *stage) strike() {
	for _, p := range append(s.peers, s.ours) {
		if p == nil {
			continue
		}
		if p.process != nil {
			p.process.Stop()
		}
		p.Backend.Close()
	}
	_ = os.RemoveAll(s.dir) // in the system's folder for such things
}

// sound ends a proxy of ours that was built with the race detector, and sees that there was no race and no panic.
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
