package main

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"gopher-equalizer/balancer"
	"gopher-equalizer/config"
	"gopher-equalizer/proxy"
	"gopher-equalizer/proxy/netconn"
)

// pools are the pools by name.
type pools map[string]*pool

// pool is a pool, with its configuration.
type pool struct {
	*balancer.Pool
	config config.Pool
	// hidden are the backends' authorities.
	hidden []string
}

func newPools(c config.Config, log zerolog.Logger) (pools, error) {
	all := pools{}
	for name, settings := range c.Pools {
		connections := connectionSettings(settings, log)
		connections.Timeouts.Shortest = shortestOwn(c, name)
		p, err := newPool(name, settings, connections)
		if err != nil {
			return nil, err
		}
		all[name] = p
	}
	return all, nil
}

func newPool(name string, c config.Pool, connections proxy.ConnectionSettings) (*pool, error) {
	backends, err := backendSettings(name, c)
	if err != nil {
		return nil, err
	}
	p := &pool{config: c}
	for _, b := range backends {
		p.hidden = append(p.hidden, b.Authorities()...)
	}
	p.Pool = balancer.NewPool(balancer.Settings{
		Name: name, Strategy: c.Strategy, Backends: backends, Logger: connections.Logger,
		Health: balancer.HealthSettings{
			Type: c.Health.Type, Path: c.Health.Path, Host: c.Health.Host, Statuses: c.Health.Statuses,
			Interval: c.Health.Interval, Timeout: c.Health.Timeout, Rise: c.Health.Rise, Fall: c.Health.Fall,
		},
		MaxConnections: c.MaxConnections, ClientShare: c.ClientShare,
		NewProber: proxy.NewBackends(connections),
	})
	return p, nil
}

func connectionSettings(pool config.Pool, log zerolog.Logger) proxy.ConnectionSettings {
	return proxy.ConnectionSettings{
		Timeouts: netconn.BackendLimits{
			Connect:  pool.ConnectTimeout,
			Response: pool.ResponseTimeout,
			Idle:     pool.IdleTimeout,
			Total:    pool.TotalTimeout,
			Age:      pool.MaxConnectionAge,
		},
		MaxResponseHeader: int(pool.MaxResponseHeader),
		KeepAlive:         pool.KeepAlive,
		Logger:            log,
	}
}

// shortestOwn is the shortest timeout of their own that routes to a pool have; 0 is none.
func shortestOwn(c config.Config, pool string) (shortest time.Duration) {
	for _, r := range c.RoutesInForce() {
		if r.Pool != pool && r.FallbackPool != pool {
			continue
		}
		for _, own := range []*time.Duration{r.ResponseTimeout, r.IdleTimeout, r.TotalTimeout} {
			if own != nil && *own > 0 && (shortest == 0 || *own < shortest) {
				shortest = *own
			}
		}
	}
	return shortest
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
		all = append(all, one.Status()...)
	}
	return all
}
