package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"gopher-equalizer/balancer"
	"gopher-equalizer/limiter"
	"gopher-equalizer/proxy"
)

// gc is the row of what collecting garbage among so many buckets costs the requests of a proxy that shares the
// process with them. Clients and backend are another process. Windows with and without
// the buckets alternate, and in each of them the garbage is collected once: in a proxy that serves known clients it is
// so every two minutes, when the runtime insists.
func (s *suite) gc() error {
	child, err := startLoad()
	if err != nil {
		return err
	}
	defer child.stop()
	p, err := startProxy(child.backend)
	if err != nil {
		return err
	}
	defer p.stop()

	var with, without, cycles []float64
	for range s.gcRounds {
		for _, buckets := range []int{0, s.allClients} {
			if err := p.limiter.fill(buckets); err != nil {
				return err
			}
			runtime.GC()
			got, took, err := s.window(child, p.address)
			if err != nil {
				return err
			}
			if buckets == 0 {
				without = append(without, got.P999)
				continue
			}
			with, cycles = append(with, got.P999), append(cycles, milliseconds(took))
		}
	}
	s.row(fmt.Sprintf("p99.9 of proxied requests, %s buckets / none, one collection in %v", count(s.allClients), s.gcWindow),
		"<= 1.2", "", ratios(with, without))
	s.table(fmt.Sprintf("proxied requests at %d a second: p99.9 in ms", loadRate), map[string][]float64{
		"with no buckets": without, "with " + count(s.allClients) + " buckets": with,
	})
	s.note("One collection with %s buckets took %s ms.", count(s.allClients), spread(cycles))
	return nil
}

// window is what clients saw while the garbage was collected once, and how long that took.
func (s *suite) window(child *load, address string) (loadResult, time.Duration, error) {
	took := make(chan time.Duration, 1)
	timer := time.AfterFunc(s.gcWindow/4, func() {
		start := time.Now()
		runtime.GC()
		took <- time.Since(start)
	})
	got, err := child.run(address, s.gcWindow)
	if err != nil {
		timer.Stop()
		return got, 0, err
	}
	return got, <-took, nil
}

// swapped is a limiter whose buckets can be exchanged while the proxy runs.
type swapped struct {
	service atomic.Pointer[limiter.Service]
}

func (l *swapped) Take(clientID string) limiter.Decision { return l.service.Load().Take(clientID) }

func (l *swapped) fill(buckets int) error {
	l.service.Store(nil) // or else two tables are held while the next one fills
	service, err := openService(plenty(), int64(buckets)+loadConnections)
	if err != nil {
		return err
	}
	v := newVisitor(buckets, 0)
	for n := range uint64(buckets) {
		service.Take(v.client(n))
	}
	l.service.Store(service)
	return nil
}

// running is a proxy on loopback.
type running struct {
	address string
	limiter *swapped
	stop    func()
}

func startProxy(backend string) (*running, error) {
	l := &swapped{}
	key, err := proxy.ParseKey("header:X-Client", false)
	if err != nil {
		return nil, err
	}
	pool := balancer.NewPool(balancer.Settings{
		Name: "bench", Strategy: balancer.RoundRobin,
		Backends:  []balancer.BackendSettings{{URL: "http://" + backend, Addr: backend, Weight: 1, State: balancer.Ready}},
		Health:    balancer.HealthSettings{Type: balancer.HealthTCP, Timeout: time.Second},
		NewClient: proxy.NewClient(proxy.ClientSettings{MaxConnections: 2 * loadConnections}),
	})
	pool.Probe(context.Background())
	p := proxy.New(proxy.Settings{Limit: "bench", Key: key, MaxHeaderBytes: 16 << 10}, pool, l, zerolog.New(io.Discard))
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	served := make(chan error, 1)
	go func() { served <- p.Serve(ln) }()
	stop := func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_ = errors.Join(ln.Close(), p.Shutdown(ctx)) // however it ends, the figures are taken
		<-served
	}
	return &running{ln.Addr().String(), l, stop}, nil
}
