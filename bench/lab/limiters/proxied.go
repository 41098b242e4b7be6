//go:build linux

package main

import (
	"context"
	"errors"
	"io"
	"net"
	"runtime"
	"strconv"
	"time"

	"github.com/rs/zerolog"

	"gopher-equalizer/balancer"
	"gopher-equalizer/limiter"
	"gopher-equalizer/proxy"
	"gopher-equalizer/proxy/identity"
)

// serveProxy is the process of a proxy on loopback whose limiter has that many buckets. At each
// request of its parent it collects its garbage, and responds how long that took.
func serveProxy(backend, buckets string, in io.Reader, out io.Writer) error {
	n, err := strconv.Atoi(buckets)
	if err != nil {
		return err
	}
	_, limit, err := openService(plenty(), int64(n)+loadConnections, limiter.Options{})
	if err != nil {
		return err
	}
	v := newVisitor(n, 0)
	for n := range uint64(n) {
		limit.Take(v.client(n), 1)
	}
	key, err := identity.ParseKey("header:X-Client", false)
	if err != nil {
		return err
	}
	pool := balancer.NewPool(balancer.Settings{
		Name: "bench", Strategy: balancer.RoundRobin,
		Backends:  []balancer.BackendSettings{{URL: "http://" + backend, Addr: backend, Weight: 1, State: balancer.Ready}},
		Health:    balancer.HealthSettings{Type: balancer.HealthTCP, Timeout: time.Second},
		NewProber: proxy.NewBackends(proxy.ConnectionSettings{MaxResponseHeader: 64 << 10}).New,
	})
	pool.Probe(context.Background())
	route := proxy.Route{
		Destination: proxy.Destination{Pool: pool},
		Limits:      []proxy.LimitUse{proxy.NewLimitUse("bench", key, limit)},
	}
	p := proxy.New(&proxy.Snapshot{Routes: proxy.OneRoute(&route), MaxHeader: 16 << 10}, zerolog.New(io.Discard))
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	served := make(chan error, 1)
	go func() { served <- p.Serve(ln, proxy.Listener{}) }()
	runtime.GC()
	err = respond(ln.Addr().String(), in, out, func(string) time.Duration {
		start := time.Now()
		runtime.GC()
		return time.Since(start)
	})
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	_ = errors.Join(ln.Close(), p.Close(ctx), p.Wait(ctx)) // however it ends, the figures are taken
	<-served
	return err
}
