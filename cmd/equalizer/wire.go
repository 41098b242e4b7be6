package main

import (
	"cmp"
	"maps"
	"regexp"
	"runtime"
	"slices"
	"time"

	"github.com/rs/zerolog"

	"gopher-equalizer/api"
	"gopher-equalizer/balancer"
	"gopher-equalizer/config"
	"gopher-equalizer/limiter"
	"gopher-equalizer/limiter/gcra"
	"gopher-equalizer/proxy"
	"gopher-equalizer/proxy/h2"
	"gopher-equalizer/proxy/identity"
	"gopher-equalizer/proxy/netconn"
	"gopher-equalizer/proxy/outcome"
	"gopher-equalizer/proxy/rewrite"
)

// This file turns Config into each package's own settings. The packages don't know config, and
// config doesn't know them.

// clientLimits bound the clients, as far as the limit of open files goes.
func clientLimits(c config.Config, files descriptors, log zerolog.Logger) netconn.ClientLimits {
	s := c.Server
	return netconn.ClientLimits{
		Header:           s.HeaderTimeout,
		Idle:             s.IdleTimeout,
		Read:             s.ReadTimeout,
		Write:            s.WriteTimeout,
		MinRate:          int64(s.MinRate),
		RateGrace:        s.RateGrace,
		Connections:      files.maxConnections(s.MaxConnections, log),
		Pipes:            files.pipes,
		Handshakes:       cmp.Or(c.TLS.MaxHandshakes, runtime.NumCPU()),
		ClientHandshakes: c.TLS.MaxClientHandshakes,
	}
}

// http2Limits bound the clients that speak HTTP/2.
func http2Limits(s config.Server, files descriptors) h2.Limits {
	return h2.Limits{
		MaxHeader: int(s.MaxHeader), MaxStreams: s.MaxStreams, MaxRunning: files.running,
		StreamWindow: streamWindow, ConnWindow: connWindow,
	}
}

// How much of a request's body may come by HTTP/2 before a backend has taken it: enough for 40 Mbit
// a second at 50 ms, and four times that on one connection.
const (
	streamWindow = 256 << 10
	connWindow   = 1 << 20
)

// newSnapshot makes what requests are served by. limit is the limit of a name.
func (p *process) newSnapshot(loaded config.Loaded, pools pools, limit func(name string) *limiter.Limit) (*proxy.Snapshot, error) {
	c := loaded.Config
	trusted, err := identity.ParseTrusted(c.Server.TrustedProxies)
	if err != nil {
		return nil, err
	}
	files := newDescriptors(c, openFiles())
	s := &proxy.Snapshot{
		Trusted: trusted, MaxHeader: int(c.Server.MaxHeader), Log: p.log.ofRequests(c.Log),
		Tracing: identity.Tracing{Begin: c.Server.Traces == config.TracesBegin, Sampled: c.Server.TracesSampled},
		Via:     rewrite.ViaName(c.Server.Via, p.via),
		Clients: clientLimits(c, files, p.log.Logger),
		HTTP2:   http2Limits(c.Server, files),
	}
	s.Routes, err = routing{c, loaded.Sources, pools, limit}.routes()
	return s, err
}

func limiterOptions(c config.Config, aside func(round func()), log zerolog.Logger) (limiter.Options, error) {
	o := limiter.Options{
		MigrateTo:     c.Store.MigrateTo,
		LimitsKept:    c.Store.LimitsKept,
		FlushInterval: c.Store.FlushInterval,
		StoreTimeout:  c.Store.Timeout,
		Volatile:      c.Store.Driver == config.StoreMemory,
		Aside:         aside,
		Logger:        log,
	}
	for _, name := range slices.Sorted(maps.Keys(c.Limits)) {
		limit, err := limitOptions(name, c.Limits[name])
		if err != nil {
			return limiter.Options{}, err
		}
		limit.Strict = c.DurabilityOf(name) == config.DurabilityStrict
		limit.Sharing = sharing(c.Store, c.Limits[name])
		o.Limits = append(o.Limits, limit)
	}
	return o, nil
}

func limitOptions(name string, limit config.Limit) (limiter.LimitOptions, error) {
	key, err := identity.ParseKey(limit.Key, limit.Secret)
	if err != nil {
		return limiter.LimitOptions{}, err
	}
	o := limiter.LimitOptions{
		Name:        name,
		Fingerprint: key.Fingerprint(),
		Settings:    limit.Settings(),
		Tiers:       map[string]gcra.Settings{},
		MaxBuckets:  int64(limit.MaxBuckets),
	}
	if plain, secret := key.PlainFingerprint(); secret {
		o.Plain, o.Secret = plain, key.ClientID
	}
	for tier := range limit.Tiers {
		o.Tiers[tier] = limit.SettingsOf(tier)
	}
	return o, nil
}

// apiSettings makes the admin API's settings and sources. limiting is nil if nothing is limited.
func (p *process) apiSettings(f *inForce, limiting *limiting) (api.Settings, api.Sources, error) {
	settings := adminSettings(f)
	sources := api.Sources{
		Backends:      f.pools.status,
		Probes:        f.pools.probeResults,
		Pools:         f.pools.poolStatus,
		BackendWriter: backends{f.pools, p.overrides},
		Routes:        func() []api.Route { return viewRoutes(f.Loaded) },
		Listeners:     func() []api.Listener { return viewListeners(f.Loaded) },
		Certificates:  func() []api.Certificate { return p.certificates(f) },
		Explain: func(q api.Question) api.Explanation {
			return explained(p.proxy.Explain(questionOf(q)), q.Host, f.Loaded)
		},
		Refusal:     func(id string) (api.RefusedRequest, bool) { return refusedRequest(p.proxy.Denied(id)) },
		Tail:        func(f api.TailFilter) api.Tail { return p.proxy.Tail(outcome.Filter(f)) },
		RefusedMost: func(most int) []api.RefusedClient { return refusedClients(p.proxy.DeniedMost(most)) },
		Errors:      func() []api.RefusedMessage { return refusedMessages(p.proxy.Refused()) },
		Config:      func() any { return p.latest(f).View() },
		Pending:     p.pending,
		Reloader:    p,
		Status:      func() api.Status { return p.status(f.Config.Store.Driver, limiting) },
		Counts:      p.counts,
		Ready:       p.readiness,
	}
	if len(f.Config.Limits) == 0 {
		return settings, sources, nil
	}
	sources.Reader, sources.Writer = limiting.limits, limiting.limits
	if limiting.replica != nil {
		sources.Replicas = limiting.replica
	}
	for _, name := range slices.Sorted(maps.Keys(f.Config.Limits)) {
		limit, err := apiLimit(name, f.Loaded)
		if err != nil {
			return api.Settings{}, api.Sources{}, err
		}
		sources.Limits = append(sources.Limits, limit)
	}
	return settings, sources, nil
}

func adminSettings(f *inForce) api.Settings {
	return api.Settings{
		Token:        string(f.Config.Admin.Token),
		ReadToken:    string(f.Config.Admin.ReadToken),
		TLS:          adminTLS(f.adminCertificate),
		Insecure:     f.Config.Admin.Insecure,
		Version:      versionString(),
		WriteTimeout: f.Config.Store.Timeout,
	}
}

func (p *process) readiness() api.Readiness { return p.phase.Load().(api.Readiness) }

func apiLimit(name string, loaded config.Loaded) (api.Limit, error) {
	c := loaded.Config
	of := c.Limits[name]
	key, err := identity.ParseKey(of.Key, of.Secret)
	if err != nil {
		return api.Limit{}, err
	}
	l := api.Limit{
		Name: name, Key: loaded.Sources.Shown(config.Join("limits", name, "key"), key.String()), Durability: c.DurabilityOf(name), ClientID: key.ClientID,
		Settings: of.Settings(), Tiers: map[string]gcra.Settings{},
	}
	for tier := range of.Tiers {
		l.Tiers[tier] = of.SettingsOf(tier)
	}
	return l, nil
}

func balancerSettings(name string, c config.Pool, backends []balancer.BackendSettings) balancer.Settings {
	return balancer.Settings{
		Name: name, Strategy: c.Strategy, SlowStart: c.SlowStart, Backends: backends,
		Health:      healthSettings(c.Health),
		Ejection:    ejectionSettings(c.Ejection),
		RetryBudget: &balancer.BudgetSettings{Percent: c.RetryBudget.Percent, Floor: c.RetryBudget.Floor},

		MaxConnections: c.MaxConnections, MaxInFlight: c.MaxInFlight, ClientShare: c.ClientShare,
		Queue: balancer.QueueSettings{Length: c.Queue, Timeout: c.QueueTimeout},
	}
}

// healthSettings are how backends are probed, of a Config that is valid.
func healthSettings(c config.Health) balancer.HealthSettings {
	h := balancer.HealthSettings{
		Type: c.Type, Port: c.Port, Method: c.Method, Path: c.Path, Host: c.Host,
		Statuses: c.Statuses, AdviceField: c.AdviceHeader,
		Interval: c.Interval, Timeout: c.Timeout, Rise: c.Rise, Fall: c.Fall,
	}
	for _, name := range slices.Sorted(maps.Keys(c.Headers)) {
		h.Fields = append(h.Fields, balancer.ProbeField{Name: name, Value: string(c.Headers[name])})
	}
	if c.MatchBody != "" {
		h.Body = regexp.MustCompile(c.MatchBody)
	}
	return h
}

func ejectionSettings(c config.Ejection) balancer.EjectionSettings {
	return balancer.EjectionSettings{
		Consecutive: c.ConsecutiveFailures, Statuses: c.Statuses,
		SuccessRate: c.SuccessRate, Latency: c.Latency,
		Interval: c.Interval, Deviations: c.Deviations, MinRequests: c.MinRequests, MinBackends: c.MinBackends,
		Time: c.Time, MaxTime: c.MaxTime, MaxPercent: c.MaxEjectedPercent, PanicPercent: c.PanicPercent,
	}
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

// shortestOwn is the shortest timeout that an exchange with a pool may have of its own: of its
// route or of an attempt. 0 is none.
func shortestOwn(c config.Config, pool string) (shortest time.Duration) {
	shorten := func(own time.Duration) {
		if own > 0 && (shortest == 0 || own < shortest) {
			shortest = own
		}
	}
	shorten(c.Pools[pool].Retry.PerTryTimeout)
	for _, r := range c.RoutesInForce() {
		if !slices.Contains(r.PoolNames(), pool) {
			continue
		}
		for _, own := range []*time.Duration{r.ResponseTimeout, r.IdleTimeout, r.TotalTimeout} {
			if own != nil {
				shorten(*own)
			}
		}
		if r.Retry != nil {
			shorten(r.Retry.PerTryTimeout)
		}
	}
	return shortest
}
