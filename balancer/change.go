package balancer

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"
)

// Change is a change of a pool that is prepared. Exactly one of Apply and Discard ends it, and
// there may be one at a time for each pool.
type Change struct {
	pool     *Pool
	settings Settings
	// backends are those of the settings, in their order: kept ones and new ones.
	backends []*Backend
	// found has the new ones, each with what its probe found.
	found map[*Backend]*finding
}

// Prepare makes what a pool needs to become what the settings say, except for Name and Overrides,
// which stay. Nothing is changed before Apply.
//
// A backend with the same URL, Addr and TLSIdentity is kept, with its health, its counters, its
// requests, its Prober and the rhythm of its probes.
func (p *Pool) Prepare(s Settings) *Change {
	p.mu.Lock()
	before := slices.Clone(p.backends)
	p.mu.Unlock()
	c := &Change{pool: p, settings: s, found: make(map[*Backend]*finding)}
	for _, b := range s.Backends {
		i := slices.IndexFunc(before, func(kept *Backend) bool { return kept.settings.same(b) })
		if i >= 0 {
			c.backends = append(c.backends, before[i])
			continue
		}
		fresh := newBackend(b, s)
		c.backends = append(c.backends, fresh)
		c.found[fresh] = &finding{}
	}
	p.mu.Lock()
	p.prepared = c.backends
	p.mu.Unlock()
	return c
}

// Has reports whether the pool has these backends, in this order.
func (p *Pool) Has(backends []BackendSettings) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.EqualFunc(p.backends, backends, func(b *Backend, s BackendSettings) bool { return b.settings.same(s) })
}

// same reports whether connections to both are the same.
func (b *BackendSettings) same(other BackendSettings) bool {
	return b.URL == other.URL && b.Addr == other.Addr && b.TLSIdentity == other.TLSIdentity
}

// Probe probes the new backends, except those in maintenance, at the same time and for
// HealthSettings.Timeout at most. Apply makes the results known. A backend that isn't healthy, or
// that wasn't probed because ctx ended, gets no request until its probes succeed.
func (c *Change) Probe(ctx context.Context) {
	var round sync.WaitGroup
	for i, b := range c.backends {
		if f := c.found[b]; f != nil && c.stateOf(i) != Maint {
			round.Go(func() {
				*f = c.settings.Health.probeInTime(ctx, b)
				f.made = ctx.Err() == nil
			})
		}
	}
	round.Wait()
}

// stateOf is what the operator will want of a backend.
func (c *Change) stateOf(i int) State {
	s := &c.settings.Backends[i]
	if o := c.pool.overrides.of(c.pool.id(s.URL)); o.State != "" {
		return o.State
	}
	return s.State
}

// Overridden are the values that a Change to these backends changes, or adds with a backend, and an
// override hides.
func (p *Pool) Overridden(backends []BackendSettings) []Overridden {
	p.mu.Lock()
	defer p.mu.Unlock()
	var all []Overridden
	seen := map[string]bool{}
	for _, s := range backends {
		if seen[s.URL] {
			continue
		}
		seen[s.URL] = true
		var was BackendSettings // none if it is new
		o := p.overrides.of(p.id(s.URL))
		if of := p.of(s.URL); len(of) > 0 {
			was, o = of[0].settings, of[0].override
		}
		if o.Weight != 0 && s.Weight != was.Weight {
			all = append(all, Overridden{p.id(s.URL), "weight", fmt.Sprint(s.Weight), fmt.Sprint(o.Weight)})
		}
		if o.State != "" && s.State != was.State {
			all = append(all, Overridden{p.id(s.URL), "state", string(s.State), string(o.State)})
		}
	}
	return all
}

// Overridden is a value of a backend that the configuration changes and an override hides.
type Overridden struct {
	// ID is the backend's, Key "weight" or "state".
	ID, Key string
	// Configured is what the configuration says now, Override what counts.
	Configured, Override string
}

// String is the value on one line: which backend's it is, and what each of the two says.
func (o Overridden) String() string {
	return fmt.Sprintf("%s: the configuration says %s %s, an override says %s", o.ID, o.Key, o.Configured, o.Override)
}

// Leaving is an override whose backend leaves. It is dropped, unless it is shared.
type Leaving struct {
	// ID is the backend's.
	ID       string
	Override Override
	// Unread reports whether the store, which isn't loaded yet, may say more of it.
	Unread bool
	// Shared reports whether it stays in the store, for other processes, and for the backend's
	// return.
	Shared bool
}

// String is the override on one line: which backend's it was, and what it said.
func (l Leaving) String() string {
	said := l.Override.String()
	if l.Unread {
		said = cmp.Or(said, "unknown") + "; the stored overrides aren't loaded yet"
	}
	if l.Shared {
		return fmt.Sprintf("%s: it leaves the configuration, but what an operator said stays, as other replicas may have it: %s", l.ID, said)
	}
	return fmt.Sprintf("%s: it leaves the configuration, and with it what an operator said: %s", l.ID, said)
}

// Apply makes the change, in memory and at once. Requests that begin from now on are under it. A
// backend that is left out gets no new request, finishes those that it has, and isn't probed any
// more. Its Prober is retired, and its override dropped if no backend has the same URL.
func (c *Change) Apply() {
	p := c.pool
	p.mu.Lock()
	p.drop(c.settings.Backends)
	removed := c.install()
	for _, b := range c.backends {
		if f := c.found[b]; f != nil && f.made && b.probed() {
			p.learn(time.Now(), b, *f)
		}
	}
	p.publish()
	p.watchers.tend(p)
	p.logIfNoneHealthy()
	p.mu.Unlock()
	retire(removed)
}

// install puts the settings in force, and returns the backends that are left out. The caller holds
// the pool's mu.
func (c *Change) install() (removed []*Backend) {
	p, s := c.pool, c.settings
	for _, b := range p.backends {
		if !slices.Contains(c.backends, b) {
			b.removed.Store(true)
			removed = append(removed, b)
		}
	}
	for i, b := range c.backends {
		b.settings.Backup, b.settings.MaxInFlight = s.Backends[i].Backup, s.Backends[i].MaxInFlight
		b.want(s.Backends[i].Weight, s.Backends[i].State, p.overrideOf(b))
		b.bound(s)
	}
	p.places.bound(s.MaxInFlight, 0)
	p.queue.use(s.Queue, s.ClientShare)
	p.watchers.end(removed)
	p.backends, p.prepared, p.log = c.backends, nil, s.Logger
	p.slowStart = s.SlowStart
	p.judging.use(s.Ejection, p.backends, time.Now())
	p.budget.use(s.RetryBudget)
	p.setStrategy(s.Strategy)
	retimed := s.Health.Interval != p.probes.Interval
	if p.probes = s.Health; retimed {
		p.watchers.retime(p.backends)
	}
	return removed
}

// Discard lets go of what was prepared.
func (c *Change) Discard() {
	c.pool.mu.Lock()
	c.pool.prepared = nil
	c.pool.mu.Unlock()
	for b := range c.found {
		b.prober.Retire()
	}
}

// retire retires the Probers of backends that were removed.
func retire(removed []*Backend) {
	for _, b := range removed {
		b.prober.Retire()
	}
}
