package balancer

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"
)

// watchers are a pool's probes on clocks, one for each backend that is probed. Pool.mu guards them.
type watchers struct {
	// ctx ends them; nil while the pool doesn't run.
	ctx     context.Context
	running sync.WaitGroup
	// closed is closed when the pool is.
	closed chan struct{}
}

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

// Run probes every backend, except those in maintenance, on a clock of its own until ctx ends or
// the pool is closed. It goes on over changes of the pool, and returns when nothing that it started
// runs any more. It may be called once.
func (p *Pool) Run(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	p.mu.Lock()
	if !p.watchers.isClosed() {
		p.watchers.ctx = ctx
		p.watchers.tend(p)
		p.watchers.running.Go(func() { p.judge(ctx) })
	}
	p.mu.Unlock()
	select {
	case <-ctx.Done():
	case <-p.watchers.closed:
	}
	p.mu.Lock()
	cancel()
	p.watchers.ctx = nil
	p.watchers.end(p.backends)
	p.mu.Unlock()
	p.watchers.running.Wait()
}

// close ends Run. It may be called again.
func (w *watchers) close() {
	if !w.isClosed() {
		close(w.closed)
	}
}

func (w *watchers) isClosed() bool {
	select {
	case <-w.closed:
		return true
	default:
		return false
	}
}

// tend starts watching the backends that are to be probed, and ends it for those that aren't.
func (w *watchers) tend(p *Pool) {
	for _, b := range p.backends {
		switch {
		case !b.probed():
			w.end([]*Backend{b})
		case w.ctx != nil && b.watch.end == nil:
			ctx, end := context.WithCancel(w.ctx)
			b.watch = watch{end, make(chan struct{}, 1)}
			retimed, first := b.watch.retimed, p.firstProbe(b)
			w.running.Go(func() { p.watch(ctx, b, first, retimed) })
		}
	}
}

// end ends the watching of backends.
func (w *watchers) end(backends []*Backend) {
	for _, b := range backends {
		if b.watch.end != nil {
			b.watch.end()
			b.watch = watch{}
		}
	}
}

// retime tells of another interval.
func (w *watchers) retime(backends []*Backend) {
	for _, b := range backends {
		select {
		case b.watch.retimed <- struct{}{}:
		default: // Nobody watches it, or it will look anyway.
		}
	}
}

// firstProbe is when the first probe of a backend is due. One about which nothing is known waits
// for it. The others start anywhere within an interval, so that their probes are spread over it and
// don't come in bursts. The caller holds p.mu.
func (p *Pool) firstProbe(b *Backend) time.Duration {
	if !b.health.known() {
		return 0
	}
	return rand.N(p.probes.Interval)
}

// probed are the backends that probes go to.
func (p *Pool) probed() []*Backend {
	p.mu.Lock()
	defer p.mu.Unlock()
	var all []*Backend
	for _, b := range p.backends {
		if b.probed() {
			all = append(all, b)
		}
	}
	return all
}

// health is how backends are probed now.
func (p *Pool) health() HealthSettings {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.probes
}

// watch probes one backend until ctx ends.
func (p *Pool) watch(ctx context.Context, b *Backend, first time.Duration, retimed <-chan struct{}) {
	timer := time.NewTimer(first)
	defer timer.Stop()
	var started time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case <-retimed:
			timer.Reset(p.sooner(b, again(p.health().Interval, started)))
			continue
		case <-timer.C:
		}
		started = time.Now()
		p.check(ctx, b)
		timer.Reset(p.sooner(b, jitter(p.health().Interval)-time.Since(started)))
	}
}

// sooner is when the next probe of a backend is due that would be due then: no later than an
// ejection may end.
func (p *Pool) sooner(b *Backend, due time.Duration) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if left := time.Until(b.ejection.until); left > 0 {
		return min(due, left)
	}
	return due
}

// again is when a probe is due after the interval has changed. What would be overdue is spread over
// the new interval.
func again(interval time.Duration, last time.Time) time.Duration {
	if due := jitter(interval) - time.Since(last); due > 0 {
		return due
	}
	return rand.N(interval)
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
	p.observe(ctx, b, p.health().probeInTime(ctx, b))
}

// observe takes a probe's result, unless the probe's ctx has ended: what is cut short tells nothing
// about the backend. If the result flips the backend's health, requests know first, and then the
// log, which may be slow.
func (p *Pool) observe(ctx context.Context, b *Backend, f finding) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if ctx.Err() == nil && p.learn(time.Now(), b, f) {
		p.publish()
		p.logIfNoneHealthy()
	}
}

// learn takes a probe's result, and reports whether others may get requests now, or other shares of
// them. The caller holds p.mu.
func (p *Pool) learn(now time.Time, b *Backend, f finding) (changed bool) {
	flipped, returned := b.observe(now, f, p.probes)
	advised := f.advice != nil && p.takeAdvice(b, *f.advice)
	if flipped {
		p.logFlip(b)
	}
	if returned {
		p.log.Info().Str("pool", p.name).Str("backend", b.Name()).Str("probe", b.probes.last().Found).
			Msg("backend is back after its ejection")
	}
	return flipped || returned || advised
}

// logFlip logs that a backend's health flipped, what the last probe found, and how many in a row
// found it. The caller holds p.mu.
func (p *Pool) logFlip(b *Backend) {
	event, message := p.log.Info(), "backend is up"
	if !b.health.up {
		event, message = p.log.Warn(), "backend is down"
	}
	event.Str("pool", p.name).Str("backend", b.Name()).Str("state", string(b.state())).
		Str("probe", b.probes.last().Found).Int("probes", b.health.streak).Msg(message)
}
