//go:build linux

package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"gopher-equalizer/bench/lab/child"
	"gopher-equalizer/bench/lab/load"
	"gopher-equalizer/bench/lab/measure"
	"gopher-equalizer/bench/lab/peers"
)

// target is a peer that runs, with its limiter in one mode.
type target struct {
	peers.Peer
	key     load.Key
	address string
	process *child.Process // nil where there is no proxy
	missed  bool           // its end was noted
}

// open starts a peer and sees that it does what it is there for.
func (s *stage) open(ctx context.Context, p peers.Peer, key load.Key) (*target, error) {
	t := &target{Peer: p, key: key, address: s.backends[0]}
	if p.Role == peers.Base {
		return t, nil
	}
	if err := s.launch(ctx, t); err != nil {
		t.close()
		return nil, fmt.Errorf("%s, limiter %s: left out: %w", p.Name, key, err)
	}
	return t, nil
}

func (s *stage) launch(ctx context.Context, t *target) error {
	dir, err := s.folder()
	if err != nil {
		return err
	}
	addresses, err := child.FreeAddresses(2)
	if err != nil {
		return err
	}
	t.address = addresses[0]
	program, err := t.Prepare(dir, t.address, addresses[1], s.backends, t.key != load.NoKey)
	if err != nil {
		return err
	}
	if t.process, err = child.Start(program); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if err := t.process.Await(ctx, func() error { _, err := get(ctx, "http://"+t.address+"/health"); return err }); err != nil {
		return err
	}
	if t.Role == peers.Floor {
		return nil
	}
	return s.prove(ctx, t)
}

// prove sees that a proxy says where requests come from, passes on the host, and takes the
// backends in turn.
func (s *stage) prove(ctx context.Context, t *target) error {
	head, err := get(ctx, "http://"+t.address+"/head")
	if err != nil {
		return err
	}
	for _, want := range []string{"x-forwarded-for: 127.0.0.1\r\n", "host: " + t.address + "\r\n"} {
		if !strings.Contains(strings.ToLower(string(head)), want) {
			return fmt.Errorf("backends get %q; want it to have %q", head, want)
		}
	}
	before, err := s.counts(ctx)
	if err != nil {
		return err
	}
	for range 2 * len(s.backends) {
		if _, err := get(ctx, "http://"+t.address+"/"+string(load.Small)); err != nil {
			return err
		}
	}
	after, err := s.counts(ctx)
	if err != nil {
		return err
	}
	got := make([]int64, len(after))
	for i := range after {
		got[i] = after[i] - before[i]
	}
	if t.Name == peers.Logging {
		if _, err := t.logged(ctx, int64(2*len(s.backends))); err != nil {
			return err
		}
	}
	if slices.Min(got) != 2 || slices.Max(got) != 2 {
		return fmt.Errorf("the backends got %v requests; want 2 each", got)
	}
	return nil
}

// logged is how many lines of access log there are since forget, once there are at least so many: a line is written
// after the answer that it tells of.
func (t *target) logged(ctx context.Context, least int64) (lines int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	err = t.process.Await(ctx, func() error {
		var err error
		if lines, err = t.process.Lines(); err == nil && lines < least {
			err = fmt.Errorf("its access log has %d lines; want at least %d", lines, least)
		}
		return err
	})
	return lines, err
}

// logDelay is more than a line of the access log may be written after its request.
const logDelay = 250 * time.Millisecond

// forget empties the access log, if there is one: it gets long, and is to be counted from here on. Lines of requests that
// have ended must not come after that, so it waits until none do.
func (t *target) forget(ctx context.Context) error {
	if t.Name != peers.Logging {
		return nil
	}
	for last := int64(-1); ; {
		lines, err := t.process.Lines()
		if err != nil {
			return err
		}
		if lines == last {
			return t.process.Clear()
		}
		last = lines
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(logDelay):
		}
	}
}

func (t *target) close() {
	if t.process != nil {
		t.process.Stop()
	}
}

// tree are the target's processes, none where there is no proxy.
func (t *target) tree() (measure.Tree, error) {
	if t.process == nil {
		return nil, nil
	}
	tree, err := measure.TreeOf(t.process.PID())
	if err != nil {
		err = fmt.Errorf("%w: %s", err, t.process.LastWords())
	}
	return tree, err
}
