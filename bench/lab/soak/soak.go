//go:build linux

package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"gopher-equalizer/bench/lab/child"
	"gopher-equalizer/bench/lab/peers"
	"gopher-equalizer/bench/lab/testbed"
	"gopher-equalizer/bench/machine"
)

// backendMode is the argument by which this program becomes the backend.
const backendMode = "backend"

// settlePatience is how long the last connections to backends may be kept after the load. The proxy
// closes those that were idle for a minute.
const settlePatience = 3 * time.Minute

// bed is what the load goes to.
type bed struct {
	*testbed.Bed
	proxy *child.Process
	proxied
	backing string // the backend's address
	*sampler
}

// soak does the whole run. The error is why there was no run. Findings are in the report.
func soak(ctx context.Context, s settings, say func(string, ...any)) (*report, error) {
	r := &report{Command: s.command, Started: time.Now(), Time: s.time, WarmUp: s.warmUp, Machine: machine.Facts(), Revision: machine.Revision(ctx)}
	b, err := open(ctx)
	if err != nil {
		return nil, err
	}
	defer b.Close()
	if err := b.play(ctx, s, r, say); err != nil {
		return nil, fmt.Errorf("%w: %s", err, b.proxy.LastWords())
	}
	r.Took = time.Since(r.Started)
	r.judge()
	return r, nil
}

// play runs the phases one after the other, with a sample in between.
func (b *bed) play(ctx context.Context, s settings, r *report, say func(string, ...any)) (err error) {
	if r.Fresh, err = b.least(ctx); err != nil {
		return err
	}
	say("warming up for %v", s.warmUp)
	newMix(b.proxied, s.mix, s.warmUp).run(ctx, s.warmUp)
	if r.Warm, err = b.quiet(ctx); err != nil {
		return err
	}
	say("%v of %s", s.time, strings.Join(names(s.mix), ", "))
	load := newMix(b.proxied, s.mix, s.time)
	if r.Samples, err = b.under(ctx, load, s.time); err != nil {
		return err
	}
	r.Tallies = load.tallies
	if r.After, err = b.quiet(ctx); err != nil {
		return err
	}
	say("waiting for idle connections to be closed")
	r.Settled, r.IsSettled, err = b.await(ctx, settlePatience, func(now sample) bool {
		return now.Files <= r.Fresh.Files && now.Goroutines <= r.Fresh.Goroutines
	})
	return err
}

// under puts the load on and watches.
func (b *bed) under(ctx context.Context, load *mix, d time.Duration) ([]sample, error) {
	watching, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		defer cancel()
		load.run(ctx, d)
	}()
	samples, err := b.watch(watching)
	if err == nil {
		err = ctx.Err()
	}
	return samples, err
}

// quiet waits until no client is connected.
func (b *bed) quiet(ctx context.Context) (sample, error) {
	now, is, err := b.await(ctx, patience, func(now sample) bool { return now.Connections == 0 && now.InFlight == 0 })
	if err == nil && !is {
		err = fmt.Errorf("%d connections and %d requests are there %v after the last client has gone", now.Connections, now.InFlight, patience)
	}
	return now, err
}

// open builds the binary and starts it in front of a backend.
func open(ctx context.Context) (*bed, error) {
	shared, err := testbed.Open("soak")
	if err != nil {
		return nil, err
	}
	b := &bed{Bed: shared}
	if err = b.Build(ctx, testbed.Equalizer); err == nil {
		err = b.start(ctx)
	}
	if err != nil {
		b.Close()
		return nil, err
	}
	return b, nil
}

func (b *bed) start(ctx context.Context) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	_, err = b.Start(child.Program{Path: self, Args: []string{backendMode}, Hello: func(r io.Reader) error {
		line, err := bufio.NewReader(r).ReadString('\n')
		b.backing = strings.TrimSpace(line)
		return err
	}})
	if err != nil {
		return err
	}
	return b.startProxy(ctx)
}

// listeners are where the proxy listens, in clear and by TLS.
const listeners = "[[listeners]]\nlisten = %q\n[[listeners]]\nlisten = %q\ntls = true\n[[tls.certificates]]\ncert = %q\ndefault = true\n[log]\naccess = false\n"

// startProxy starts the proxy with everything on: health checks, a limit by header, and its store
// on disk.
func (b *bed) startProxy(ctx context.Context) error {
	dir, err := b.Folder()
	if err != nil {
		return err
	}
	addresses, err := child.FreeAddresses(3)
	if err != nil {
		return err
	}
	b.proxied = proxied{address: addresses[0], secure: addresses[2]}
	certificate, err := peers.NewCertificate(dir)
	if err != nil {
		return err
	}
	file := filepath.Join(dir, "equalizer.toml")
	if err := os.WriteFile(file, fmt.Appendf(nil, listeners, b.address, b.secure, certificate), 0o600); err != nil {
		return err
	}
	b.proxy, err = b.Start(child.Program{Path: b.Program(testbed.Equalizer), Dir: dir, Args: []string{
		"-c", file, "--backend", "http://" + b.backing, "--admin", addresses[1],
		"--key", "header:" + keyHeader, "--secret=false", "--capacity", "100", "--refill", "100/s", "--store", filepath.Join(dir, "buckets.db"),
	}})
	if err != nil {
		return err
	}
	b.sampler = &sampler{pid: b.proxy.PID(), admin: addresses[1], client: &http.Client{Transport: &http.Transport{}}}
	starting, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	ready := func() error { return b.call(starting, http.MethodGet, "/readyz", nil, new(any)) }
	if err := b.proxy.Await(starting, ready); err != nil {
		return err
	}
	return b.limit(ctx)
}

// limit gives the limited clients buckets that are too small for them.
func (b *bed) limit(ctx context.Context) error {
	for n := range limitedClients {
		body := strings.NewReader(`{"capacity":20,"refill":"1/s"}`)
		if err := b.call(ctx, http.MethodPut, "/buckets/"+limitedID(n), body, new(any)); err != nil {
			return err
		}
	}
	return nil
}
