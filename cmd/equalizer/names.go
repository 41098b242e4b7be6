package main

import (
	"context"
	"maps"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"gopher-equalizer/balancer"
	"gopher-equalizer/config"
	"gopher-equalizer/proxy/names"
)

// resolveTick is the time between two looks at which pools' names are due.
const resolveTick = time.Second

// hostsOf are the names of a pool's backends that are to be looked up, by the backends' URLs.
func hostsOf(c config.Pool) map[string]names.Host {
	if c.ResolveInterval == 0 {
		return nil
	}
	all := map[string]names.Host{}
	for _, b := range c.Backends {
		host, _, err := net.SplitHostPort(b.Addr())
		if err != nil || strings.HasPrefix(host, "/") { // a unix socket
			continue
		}
		if _, err := netip.ParseAddr(host); err != nil {
			all[b.URL] = names.Host{Name: host, Server: c.Resolver}
		}
	}
	return all
}

// allHosts are the names of all pools.
func allHosts(c config.Config) (all []names.Host) {
	for _, pool := range c.Pools {
		for _, h := range hostsOf(pool) {
			all = append(all, h)
		}
	}
	return all
}

// expand makes each address of a name a backend of its own. A name whose addresses aren't known
// stays as it is, and gets no requests while its probes fail.
func expand(listed []balancer.BackendSettings, hosts map[string]names.Host, known *names.Names) (all []balancer.BackendSettings) {
	for _, b := range listed {
		host, resolves := hosts[b.URL]
		if !resolves {
			all = append(all, b)
			continue
		}
		addresses := known.Addresses(host)
		if len(addresses) == 0 {
			all = append(all, b)
		}
		_, port, _ := net.SplitHostPort(b.Addr)
		for _, ip := range addresses {
			one := b
			one.Named, one.Address, one.Addr = b.Addr, ip.String(), net.JoinHostPort(ip.String(), port)
			all = append(all, one)
		}
	}
	return all
}

// resolveNames looks the names of backends up again when that is due, until ctx ends.
func (p *process) resolveNames(ctx context.Context) {
	tick := time.NewTicker(resolveTick)
	defer tick.Stop()
	due := map[string]time.Time{}
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			p.resolve(ctx, p.dueNames(due, time.Now()))
		}
	}
}

// dueNames are the pools whose names are due, and have been noted to be due again an interval
// later. A pool that is new is due: it may have been looked up by a reload that had to wait.
func (p *process) dueNames(due map[string]time.Time, now time.Time) (all []*pool) {
	for _, pool := range p.poolsInForce().sorted() {
		interval, name := pool.config.ResolveInterval, pool.name
		if interval > 0 && !now.Before(due[name]) {
			all = append(all, pool)
			due[name] = now.Add(interval - rand.N(interval/5+1)) // Proxies aren't in step.
		}
	}
	return all
}

// resolve looks the names of pools up, and has each pool have the addresses.
func (p *process) resolve(ctx context.Context, pools []*pool) {
	var hosts []names.Host
	for _, pool := range pools {
		hosts = slices.AppendSeq(hosts, maps.Values(pool.listed.Load().hosts))
	}
	p.names.Look(ctx, hosts...)
	for _, pool := range pools {
		p.follow(ctx, pool.name)
	}
}

// follow has a pool have the addresses of its names, if it has others. New ones are probed first.
func (p *process) follow(ctx context.Context, name string) {
	p.changing.Lock()
	defer p.changing.Unlock()
	of := p.poolsInForce()[name]
	if of == nil || ctx.Err() != nil {
		return
	}
	settings := of.listed.Load().addressed(p.names)
	if of.Has(settings.Backends) {
		return
	}
	change := of.Prepare(settings)
	change.Probe(ctx)
	if ctx.Err() != nil {
		change.Discard()
		return
	}
	change.Apply()
	p.log.Info().Str("pool", name).Int("backends", len(settings.Backends)).
		Msg("names of backends have other addresses: the pool has these now")
}
