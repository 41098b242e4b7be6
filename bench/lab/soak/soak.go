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
	"gopher-equalizer/bench/machine"
)

// backendMode is the argument by which this program becomes the backend.
const backendMode = "backend"

// settlePatience is how long the last connections to backends may be kept after the load: the proxy
// closes those that were idle for a minute.
const settlePatience = 3 * time.Minute

// stage is what the load goes to.
type stage struct {
	dir              string
	backend          *child.Process
	proxy            *child.Process
	address, backing string // of the proxy and of the backend, HOST:PORT
	*sampler
}

// soak does the whole run. The error says what kept it from being one; what it found is in the report.
func soak(ctx context.Context, s settings, say func(string, ...any)) (*report, error) {
	r := &report{Command: s.command, Started: time.Now(), Time: s.time, WarmUp: s.warmUp, Machine: machine.Facts(), Revision: machine.Revision(ctx)}
	st, err := set(ctx)
	if err != nil {
		return nil, err
	}
	defer st.strike()
	if err := st.play(ctx, s, r, say); err != nil {
		return nil, fmt.Errorf("%w: %s", err, st.proxy.LastWords())
	}
	r.Took = time.Since(r.Started)
	r.judge()
	return r, nil
}

// play has the phases follow each other, with a look in between.
func (st *stage) play(ctx context.Context, s settings, r *report, say func(string, ...any)) (err error) {
	if r.Fresh, err = st.least(ctx); err != nil {
		return err
	}
	say("warming up for %v", s.warmUp)
	newMix(st.address, s.mix).run(ctx, s.warmUp)
	if r.Warm, err = st.quiet(ctx); err != nil {
		return err
	}
	say("%v of %s", s.time, strings.Join(names(s.mix), ", "))
	load := newMix(st.address, s.mix)
	if r.Samples, err = st.under(ctx, load, s.time); err != nil {
		return err
	}
	r.Tallies = load.tallies
	if r.After, err = st.quiet(ctx); err != nil {
		return err
	}
	say("waiting for idle connections to be closed")
	r.Settled, r.IsSettled, err = st.await(ctx, settlePatience, func(now sample) bool {
		return now.Files <= r.Fresh.Files && now.Goroutines <= r.Fresh.Goroutines
	})
	return err
}

// under puts the load on and watches.
func (st *stage) under(ctx context.Context, load *mix, d time.Duration) ([]sample, error) {
	watching, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		defer cancel()
		load.run(ctx, d)
	}()
	samples, err := st.watch(watching)
	if err == nil {
		err = ctx.Err()
	}
	return samples, err
}

// quiet waits until no client is connected.
func (st *stage) quiet(ctx context.Context) (sample, error) {
	now, is, err := st.await(ctx, patience, func(now sample) bool { return now.Connections == 0 && now.InFlight == 0 })
	if err == nil && !is {
		err = fmt.Errorf("%d connections and %d requests are there %v after the last client has gone", now.Connections, now.InFlight, patience)
	}
	return now, err
}

// set builds the binary and starts it in front of a backend.
func set(ctx context.Context) (*stage, error) {
	dir, err := os.MkdirTemp("", "equalizer-soak-")
	if err != nil {
		return nil, err
	}
	st := &stage{dir: dir}
	if err = child.Build(ctx, dir, "./cmd/equalizer"); err == nil {
		err = st.start(ctx)
	}
	if err != nil {
		st.strike()
		return nil, err
	}
	return st, nil
}

// strike ends what set began.
func (st *stage) strike() {
	for _, p := range []*child.Process{st.proxy, st.backend} {
		if p != nil {
			p.Stop()
		}
	}
	_ = os.RemoveAll(st.dir) // in the system's folder for such things
}

func (st *stage) start(ctx context.Context) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	st.backend, err = child.Start(child.Program{Path: self, Args: []string{backendMode}, Dir: st.dir, Hello: func(r io.Reader) error {
		line, err := bufio.NewReader(r).ReadString('\n')
		st.backing = strings.TrimSpace(line)
		return err
	}})
	if err != nil {
		return err
	}
	return st.startProxy(ctx)
}

// startProxy starts it with everything on: health checks, a limit by header, and its store on disk.
func (st *stage) startProxy(ctx context.Context) error {
	dir := filepath.Join(st.dir, "proxy")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	addresses, err := child.FreeAddresses(2)
	if err != nil {
		return err
	}
	file := filepath.Join(dir, "equalizer.toml")
	if err := os.WriteFile(file, []byte("[log]\naccess = false\n"), 0o600); err != nil {
		return err
	}
	st.address = addresses[0]
	st.proxy, err = child.Start(child.Program{Path: filepath.Join(st.dir, "equalizer"), Dir: dir, Args: []string{
		"-c", file, "--backend", "http://" + st.backing, "--listen", st.address, "--admin", addresses[1],
		"--key", "header:" + keyHeader, "--secret=false", "--capacity", "100", "--refill", "100/s", "--store", filepath.Join(dir, "buckets.db"),
	}})
	if err != nil {
		return err
	}
	st.sampler = &sampler{pid: st.proxy.PID(), admin: addresses[1], client: &http.Client{Transport: &http.Transport{}}}
	starting, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	ready := func() error { return st.call(starting, http.MethodGet, "/readyz", nil, new(any)) }
	if err := st.proxy.Await(starting, ready); err != nil {
		return err
	}
	return st.limit(ctx)
}

// limit gives the clients that are to be limited a bucket that is too small for them.
func (st *stage) limit(ctx context.Context) error {
	for n := range limitedClients {
		body := strings.NewReader(`{"capacity":20,"refill":"20/s"}`)
		if err := st.call(ctx, http.MethodPut, "/buckets/"+limitedID(n), body, new(any)); err != nil {
			return err
		}
	}
	return nil
}
