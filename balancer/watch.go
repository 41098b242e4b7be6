package balancer

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"
)

// Probe is the first round. It probes all backends at the same time, except those in maintenance,
// and returns when each probe has ended. Each result decides alone.
func (p *Pool) Probe(ctx context.Context) {
	var round sync.WaitGroup
	for _, b := range p.probed() {
		round.Go(func() { p.check(ctx, b) })
	}
	round.Wait()

	// If every backend is in drain or maintenance, nothing has flipped.
	p.mu.Lock()
	defer p.mu.Unlock()
	p.logIfNoneHealthy()
}

// Run probes every backend, except those in maintenance, on a clock of its own until ctx ends. It
// returns when nothing that it started runs any more.
func (p *Pool) Run(ctx context.Context) {
	var watchers sync.WaitGroup
	for _, b := range p.probed() {
		watchers.Go(func() { p.watch(ctx, b) })
	}
	<-ctx.Done()
	watchers.Wait()
}

// probed are the backends that probes go to.
func (p *Pool) probed() []*Backend {
	var all []*Backend
	for _, b := range p.backends {
		if b.probed() {
			all = append(all, b)
		}
	}
	return all
}

// watch probes one backend until ctx ends. It starts anywhere within the first interval, so that
// the backends' probes are spread over it and don't come in bursts.
func (p *Pool) watch(ctx context.Context, b *Backend) {
	timer := time.NewTimer(rand.N(p.probes.Interval))
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		started := time.Now()
		p.check(ctx, b)
		timer.Reset(jitter(p.probes.Interval) - time.Since(started))
	}
}

// jitter shortens an interval by up to a fifth. Without it, proxies that were started together
// would probe a backend in step for ever, and one that is slow at fixed times could meet every
// probe or none. An interval never gets longer, since intervals bound how long a dead backend goes
// unnoticed.
func jitter(interval time.Duration) time.Duration {
	return interval - rand.N(interval/5+1)
}

// check probes one backend once, and takes the result.
func (p *Pool) check(ctx context.Context, b *Backend) {
	bounded, cancel := context.WithTimeout(ctx, p.probes.Timeout)
	found, err := p.probes.probe(bounded, b.prober, b.authority)
	cancel()
	if ctx.Err() != nil {
		return // The stop cut it short, which tells nothing about the backend.
	}
	p.observe(b, found, err)
}

// observe takes a probe's result. If it flips the backend's health, requests know first, and then
// the log, which may be slow.
func (p *Pool) observe(b *Backend, found string, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !b.observe(found, err, p.probes) {
		return
	}
	p.publish()
	p.logFlip(b)
	p.logIfNoneHealthy()
}

// logFlip logs that a backend's health flipped, what the last probe found, and how many in a row
// found it. The caller holds p.mu.
func (p *Pool) logFlip(b *Backend) {
	event, message := p.log.Info(), "backend is up"
	if !b.health.up {
		event, message = p.log.Warn(), "backend is down"
	}
	event.Str("pool", p.name).Str("backend", b.settings.URL).Str("state", string(b.settings.State)).
		Str("probe", b.lastProbe).Int("probes", b.health.streak).Msg(message)
}
