//go:build linux

package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"gopher-equalizer/api"
	"gopher-equalizer/bench/lab/load"
	"gopher-equalizer/bench/lab/testbed"
	"gopher-equalizer/bench/machine"
	"gopher-equalizer/config"
)

// compare measures all proxies round by round, and writes the report.
func compare(ctx context.Context, s settings, say func(string, ...any)) error {
	say("building")
	facts := machine.Facts()
	b, err := open(ctx)
	if err != nil {
		return err
	}
	defer b.Close()
	put, err := s.put(b.Dir)
	if err != nil {
		return err
	}
	for _, p := range b.proxies {
		say("filling: %s", p.driver)
		if err := p.load(ctx, put, s.fill); err != nil {
			return err
		}
	}
	for round := range s.rounds {
		turn := slices.Clone(b.proxies)
		if round%2 == 1 {
			slices.Reverse(turn)
		}
		for _, p := range turn {
			say("round %d of %d: %s", round+1, s.rounds, p.driver)
			if err := b.measure(ctx, p, put, s); err != nil {
				return fmt.Errorf("%s, round %d: %w", p.driver, round+1, err)
			}
		}
	}
	return write(s, b.proxies, facts, say)
}

func (p *proxy) order(d time.Duration) load.Order {
	return load.Order{Shape: load.Shape{Size: load.Small}, Key: load.RandomKeys, Target: p.address, Time: d, Seed: rand.Uint32()}
}

// load puts load on a proxy without measuring it, and waits until all spending is stored.
func (p *proxy) load(ctx context.Context, put generator, d time.Duration) error {
	if _, err := put(ctx, p.order(d)); err != nil {
		return err
	}
	return p.settle(ctx)
}

// settle waits until all spending is stored, so that no run pays for the flushes of another.
func (p *proxy) settle(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	return p.process.Await(ctx, func() error {
		store, err := p.status(ctx)
		if err == nil && p.driver != config.StoreMemory && store.Dirty > 0 {
			err = fmt.Errorf("%d buckets are not flushed", store.Dirty)
		}
		return err
	})
}

func (p *proxy) status(ctx context.Context) (*api.StoreStatus, error) {
	var status api.Status
	if err := testbed.GetJSON(ctx, "http://"+p.admin+"/status", &status); err != nil {
		return nil, err
	}
	if s := status.Store; !s.Up || s.FlushErrors > 0 {
		return nil, fmt.Errorf("%d flushes failed: %s", s.FlushErrors, s.Error)
	}
	return status.Store, nil
}

// measure is one run, after a warm-up that leaves the proxy amid its flushes, as the run does.
func (b *bed) measure(ctx context.Context, p *proxy, put generator, of settings) error {
	if _, err := put(ctx, p.order(of.warmUp)); err != nil {
		return err
	}
	before, err := p.status(ctx)
	if err != nil {
		return err
	}
	own, server, err := b.cpu(p)
	if err != nil {
		return err
	}
	out, err := put(ctx, p.order(of.time))
	if err != nil {
		return err
	}
	ownAfter, serverAfter, err := b.cpu(p)
	if err != nil {
		return err
	}
	after, err := p.status(ctx)
	switch {
	case err != nil:
		return err
	case out.Failures() > 0 || out.Answered == 0:
		return fmt.Errorf("%d requests of %d failed", out.Failures(), out.Answered)
	}
	micros := func(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) / float64(out.Answered) }
	p.cpu, p.server = append(p.cpu, micros(ownAfter-own)), append(p.server, micros(serverAfter-server))
	p.rates = append(p.rates, out.Rate())
	p.flushes = append(p.flushes, float64(after.Flushes-before.Flushes)/out.Elapsed.Seconds())
	p.overruns += after.FlushOverruns - before.FlushOverruns
	return p.settle(ctx)
}
