//go:build linux

package main

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"gopher-equalizer/bench/lab/child"
	"gopher-equalizer/bench/lab/load"
	"gopher-equalizer/bench/lab/measure"
	"gopher-equalizer/bench/lab/peers"
	"gopher-equalizer/bench/lab/testbed"
)

// target is a running peer with its limiter in one mode.
type target struct {
	peers.Peer
	key     load.Key
	address string
	secure  string // its address by TLS; empty if it has none
	admin   string
	log     *accessLog     // nil if it keeps none
	process *child.Process // nil where there is no proxy
	missed  bool           // its end was noted
}

// start starts a peer, and checks that it works as it should.
func (b *bed) start(ctx context.Context, p peers.Peer, key load.Key) (*target, error) {
	t := &target{Peer: p, key: key, address: b.Addresses[0]}
	if p.Role == peers.Base {
		return t, nil
	}
	if err := b.launch(ctx, t); err != nil {
		t.close()
		return nil, fmt.Errorf("%s, limiter %s: left out: %w", p.Name, key, err)
	}
	return t, nil
}

func (b *bed) launch(ctx context.Context, t *target) error {
	dir, err := b.Folder()
	if err != nil {
		return err
	}
	addresses, err := child.FreeAddresses(3)
	if err != nil {
		return err
	}
	t.address, t.admin = addresses[0], addresses[1]
	if b.certificate != "" && t.TLS {
		t.secure = addresses[2]
	}
	at := peers.Place{Dir: dir, Listen: t.address, Admin: t.admin, Secure: t.secure, Certificate: b.certificate}
	program, err := t.Prepare(at, b.Addresses, t.key != load.NoKey)
	if err != nil {
		return err
	}
	if t.process, err = b.Start(program); err != nil {
		return err
	}
	if t.Log != nil {
		t.log = &accessLog{path: filepath.Join(dir, t.Log.File), flush: t.Log.Flush, process: t.process}
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if err := t.process.Await(ctx, func() error { _, err := testbed.Get(ctx, "http://"+t.address+"/health"); return err }); err != nil {
		return err
	}
	if t.Role == peers.Floor {
		return nil
	}
	if err := b.proveTLS(ctx, t); err != nil {
		return err
	}
	return b.prove(ctx, t)
}

// proveTLS checks that a proxy that has TLS responds by it, and keeps the connection. Where there
// are loads by HTTP/2 it must speak that, too.
func (b *bed) proveTLS(ctx context.Context, t *target) error {
	if t.secure == "" {
		return nil
	}
	open, err := load.OpenIdle(ctx, t.secure, load.Secure, 1)
	if err != nil {
		return fmt.Errorf("by TLS: %w", err)
	}
	open.Close()
	if b.h2load == nil {
		return nil
	}
	return b.h2load.Prove(ctx, t.secure)
}

// prove checks that a proxy adds the client's address, passes on the host, and takes the backends
// in turn.
func (b *bed) prove(ctx context.Context, t *target) error {
	head, err := testbed.Get(ctx, "http://"+t.address+"/head")
	if err != nil {
		return err
	}
	for _, want := range []string{"x-forwarded-for: 127.0.0.1\r\n", "host: " + t.address + "\r\n"} {
		if !strings.Contains(strings.ToLower(string(head)), want) {
			return fmt.Errorf("backends get %q; want it to have %q", head, want)
		}
	}
	before, err := b.Counts(ctx)
	if err != nil {
		return err
	}
	for range 2 * len(b.Addresses) {
		if _, err := testbed.Get(ctx, "http://"+t.address+"/"+string(load.Small)); err != nil {
			return err
		}
	}
	after, err := b.Counts(ctx)
	if err != nil {
		return err
	}
	got := make([]int64, len(after))
	for i := range after {
		got[i] = after[i] - before[i]
	}
	if t.log != nil {
		if _, err := t.log.atLeast(ctx, int64(2*len(b.Addresses))); err != nil {
			return err
		}
	}
	if slices.Min(got) != 2 || slices.Max(got) != 2 {
		return fmt.Errorf("the backends got %v requests; want 2 each", got)
	}
	return nil
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
