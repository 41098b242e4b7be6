package main

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/rs/zerolog"

	"gopher-equalizer/balancer"
	"gopher-equalizer/config"
	"gopher-equalizer/proxy"
	"gopher-equalizer/proxy/names"
)

// pools are the pools by name, as one configuration has them.
type pools map[string]*pool

// pool is a pool with its configuration. A change of the configuration makes another one, with the
// same balancer.Pool and the same connections.
type pool struct {
	*balancer.Pool
	name string
	// config is as it was when the configuration came in force. listed has the backends of now.
	config config.Pool
	listed atomic.Pointer[listedBackends]
	// names has the addresses of the backends' names.
	names *names.Names
	// connections reach the backends.
	connections *proxy.Backends
}

// listedBackends are the backends of a pool as they are configured. It is immutable.
type listedBackends struct {
	// settings are the balancer's.
	settings balancer.Settings
	// hosts are the names of backends that are looked up, by the backends' URLs.
	hosts map[string]names.Host
	// hidden are the backends' authorities.
	hidden []string
}

// newListed are backends by a pool's configuration, and the rest of the balancer's settings.
func newListed(c config.Pool, s balancer.Settings) *listedBackends {
	l := &listedBackends{settings: s, hosts: hostsOf(c)}
	for _, b := range s.Backends {
		l.hidden = append(l.hidden, b.Authorities()...)
	}
	return l
}

// addressed are the settings with each address of a name that is known as a backend of its own.
func (l *listedBackends) addressed(known *names.Names) balancer.Settings {
	s := l.settings
	s.Backends = expand(s.Backends, l.hosts, known)
	return s
}

// hidden are the authorities of the backends.
func (p *pool) hidden() []string { return p.listed.Load().hidden }

// poolsChange is a change of all pools that is prepared. It is applied or discarded. Discard after
// apply ends the pools that were added.
type poolsChange struct {
	// pools are those of the configuration. Kept ones become so with apply.
	pools pools
	// added are those of them that are new, and removed those of before that aren't among them.
	added, removed []*pool
	// parts are what is prepared; none after apply.
	parts []poolChange
}

// poolChange is the change of one pool.
type poolChange struct {
	*balancer.Change
	of       *pool
	settings proxy.ConnectionSettings
}

// sharedByPools is what all pools have in common, over all configurations.
type sharedByPools struct {
	overrides *balancer.Overrides
	tickets   *balancer.Tickets
	names     *names.Names
}

// preparePools prepares the pools of a configuration in place of the previous ones, which are nil
// at the start. Nothing is changed before apply. The error names the keys of files that can't be
// used. The caller runs those that are added once they are applied.
func preparePools(c config.Config, previous pools, shared sharedByPools, log zerolog.Logger) (*poolsChange, error) {
	change := &poolsChange{pools: pools{}}
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(c.Pools)) {
		backends, err := backendSettings(name, c.Pools[name])
		if errs = append(errs, err); err != nil {
			continue
		}
		connections := connectionSettings(c.Pools[name], log)
		connections.Timeouts.Shortest = shortestOwn(c, name)
		settings := balancerSettings(name, c.Pools[name], backends)
		settings.Overrides, settings.Tickets, settings.Logger = shared.overrides, shared.tickets, log
		change.prepare(previous[name], c.Pools[name], settings, connections, shared.names)
	}
	if err := errors.Join(errs...); err != nil {
		change.discard()
		return nil, err
	}
	for _, name := range slices.Sorted(maps.Keys(previous)) {
		if change.pools[name] == nil {
			change.removed = append(change.removed, previous[name])
		}
	}
	return change, nil
}

// prepare prepares one pool, in place of a previous one with the same name; nil if there is none.
func (change *poolsChange) prepare(previous *pool, c config.Pool, s balancer.Settings, connections proxy.ConnectionSettings, known *names.Names) {
	p := &pool{name: s.Name, config: c, names: known}
	if previous != nil {
		p.Pool, p.connections = previous.Pool, previous.connections
	} else {
		p.Pool = balancer.NewPool(balancer.Settings{Name: s.Name, Overrides: s.Overrides, Tickets: s.Tickets, Logger: s.Logger})
		p.connections = proxy.NewBackends(connections)
		change.added = append(change.added, p)
	}
	s.NewProber = p.connections.New
	p.listed.Store(newListed(c, s))
	s = p.listed.Load().addressed(known)
	s.NewProber = p.connections.With(connections)
	change.pools[s.Name] = p
	change.parts = append(change.parts, poolChange{p.Prepare(s), p, connections})
}

// probe probes the new backends of all pools, at the same time. Their results count with apply.
func (change *poolsChange) probe(ctx context.Context) {
	var probes sync.WaitGroup
	for _, part := range change.parts {
		probes.Go(func() { part.Probe(ctx) })
	}
	probes.Wait()
}

// warnings are about the values that another configuration changes and an override hides, and about
// overrides whose backends leave. The error names the keys of files that can't be used.
func (p pools) warnings(to config.Config) (all []string, err error) {
	var leaving []string
	for _, one := range p.sorted() {
		var backends []balancer.BackendSettings // none if the pool goes
		if configured, stays := to.Pools[one.name]; stays {
			if backends, err = backendSettings(one.name, configured); err != nil {
				return nil, err
			}
		}
		for _, hidden := range one.Overridden(backends) {
			all = append(all, hidden.String())
		}
		for _, l := range one.Leaving(backends) {
			leaving = append(leaving, l.String())
		}
	}
	return append(all, leaving...), nil
}

// apply makes the change, at once. Pools that are removed go on until retire.
func (change *poolsChange) apply() {
	for _, part := range change.parts {
		part.of.connections.Use(part.settings)
		part.Apply()
	}
	change.parts = nil
}

// retire ends the pools that are removed, once no request that begins can get to them.
func (change *poolsChange) retire() {
	for _, p := range change.removed {
		p.Remove()
	}
}

// discard lets go of what was prepared.
func (change *poolsChange) discard() {
	for _, part := range change.parts {
		part.Discard()
	}
	for _, p := range change.added {
		p.Close()
	}
}

// sorted are the pools by their names' order.
func (p pools) sorted() []*pool {
	var all []*pool
	for _, name := range slices.Sorted(maps.Keys(p)) {
		all = append(all, p[name])
	}
	return all
}

// probe probes all backends once, at the same time.
func (p pools) probe(ctx context.Context) {
	var probes sync.WaitGroup
	for _, one := range p {
		probes.Go(func() { one.Probe(ctx) })
	}
	probes.Wait()
}

// status is the backends' of all pools.
func (p pools) status() (all []balancer.BackendStatus) {
	for _, one := range p.sorted() {
		for _, status := range one.Status() {
			if host, resolves := one.listed.Load().hosts[status.URL]; resolves {
				if err := one.names.Err(host); err != nil {
					status.LookupError = err.Error()
				}
			}
			all = append(all, status)
		}
	}
	return all
}

// probeResults are the last results of the probes of the backend with an id, the last one first.
func (p pools) probeResults(id string) []balancer.ProbeResult {
	of, url, err := p.find(id)
	if err != nil {
		return nil
	}
	results, _ := of.ProbeResults(url) // There are none of a backend that has just left.
	return results
}

// poolStatus is the pools' own.
func (p pools) poolStatus() (all []balancer.PoolStatus) {
	for _, one := range p.sorted() {
		all = append(all, one.PoolStatus())
	}
	return all
}

// find returns the pool and the URL of a backend's id, POOL/URL. The error is
// balancer.ErrNoBackend.
func (p pools) find(id string) (of *pool, url string, err error) {
	name, url, _ := strings.Cut(id, "/")
	if p[name] == nil {
		return nil, "", balancer.ErrNoBackend
	}
	return p[name], url, nil
}
