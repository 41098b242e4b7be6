package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"runtime/metrics"
	"slices"

	"github.com/rs/zerolog"

	"gopher-equalizer/api"
	"gopher-equalizer/cmd/equalizer/internal/loglines"
	"gopher-equalizer/config"
	"gopher-equalizer/limiter"
	"gopher-equalizer/limiter/gcra"
	"gopher-equalizer/proxy"
	"gopher-equalizer/proxy/identity"
	"gopher-equalizer/proxy/netconn"
	"gopher-equalizer/proxy/outcome"
	"gopher-equalizer/proxy/rewrite"
	"gopher-equalizer/store"
	"gopher-equalizer/store/bolt"
	"gopher-equalizer/store/memory"
	"gopher-equalizer/store/postgres"
)

// This file turns Config into each package's own settings. The packages don't know config, and
// config doesn't know them.

func proxySettings(c config.Server) proxy.Settings {
	return proxy.Settings{
		Clients: netconn.ClientLimits{
			Header:    c.HeaderTimeout,
			Idle:      c.IdleTimeout,
			Read:      c.ReadTimeout,
			Write:     c.WriteTimeout,
			MinRate:   int64(c.MinRate),
			RateGrace: c.RateGrace,
		},
		MaxHeader: int(c.MaxHeader),
	}
}

// newSnapshot makes what requests are served by. Nothing is limited if limits is nil.
func newSnapshot(c config.Config, pools pools, limits *limiter.Service) (*proxy.Snapshot, error) {
	trusted, err := identity.ParseTrusted(c.Server.TrustedProxies)
	if err != nil {
		return nil, err
	}
	s := &proxy.Snapshot{Trusted: trusted, Via: rewrite.ViaName(c.Server.Via), AccessLog: c.Log.Access}
	s.Routes, err = routing{c, pools, limits}.routes()
	return s, err
}

func limiterOptions(c config.Config, log zerolog.Logger) (limiter.Options, error) {
	o := limiter.Options{
		MigrateTo:     c.Store.MigrateTo,
		LimitsKept:    c.Store.LimitsKept,
		FlushInterval: c.Store.FlushInterval,
		StoreTimeout:  c.Store.Timeout,
		Volatile:      c.Store.Driver == config.StoreMemory,
		Logger:        log,
	}
	for _, name := range slices.Sorted(maps.Keys(c.Limits)) {
		limit, err := limitOptions(name, c.Limits[name])
		if err != nil {
			return limiter.Options{}, err
		}
		limit.Strict = c.DurabilityOf(name) == config.DurabilityStrict
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

// fewProcs is how many processors are enough under little load. A thread that waits for a disk to
// sync keeps its processor for milliseconds. If that is the only one, all connections wait with it,
// so a store on disk gets a second.
func fewProcs(driver string) int {
	if driver == config.StoreBolt {
		return 2
	}
	return 1
}

// openStore opens the configured store, for which it waits up to connect_timeout. late is true if
// it isn't there yet, and traffic is to be served meanwhile. The error is heirless if the store's
// buckets are of a version that knew of one limit only, and heirless is why nobody gets them.
func openStore(ctx context.Context, c config.Store, heirless error, log zerolog.Logger) (s limiter.Store, late bool, err error) {
	switch c.Driver {
	case config.StoreMemory:
		return memory.New(), false, nil
	case config.StoreBolt:
		s, err = bolt.Open(ctx, bolt.Options{Path: c.Path, ConnectTimeout: c.ConnectTimeout, Timeout: c.Timeout, Heirless: heirless, Logger: log})
		return s, false, err
	case config.StorePostgres:
		return openPostgres(ctx, c, heirless, log)
	}
	return nil, false, fmt.Errorf("unexpected store driver %q; want %s, %s or %s", c.Driver, config.StoreBolt, config.StorePostgres, config.StoreMemory)
}

func openPostgres(ctx context.Context, c config.Store, heirless error, log zerolog.Logger) (s limiter.Store, late bool, err error) {
	o := postgresOptions(c, log)
	o.Heirless = heirless
	db, err := postgres.New(o)
	if err != nil {
		return nil, false, err
	}
	err = db.Connect(ctx)
	switch {
	case err == nil:
		return db, false, nil
	case c.RequiredAtStart, postgres.IsFinal(err), errors.Is(err, store.ErrHeld), ctx.Err() != nil:
		return nil, false, errors.Join(err, db.Close())
	}
	log.Error().Err(err).Msg("the store is away: traffic starts without it, as required_at_start is false, and its buckets are loaded when it is there")
	return db, true, nil
}

func postgresOptions(c config.Store, log zerolog.Logger) postgres.Options {
	return postgres.Options{
		Host: c.Postgres.Host, Port: c.Postgres.Port, User: c.Postgres.User, Password: string(c.Postgres.Password),
		DBName: c.Postgres.DBName, SSLMode: c.Postgres.SSLMode, Schema: c.Postgres.Schema,
		ConnectTimeout: c.ConnectTimeout, Timeout: c.Timeout, Logger: log,
	}
}

// apiSettings makes the admin API's settings and sources.
func (p *process) apiSettings() (api.Settings, api.Sources, error) {
	settings := api.Settings{
		Token:        string(p.config.Admin.Token),
		Version:      versionString(),
		WriteTimeout: p.config.Store.Timeout,
	}
	sources := api.Sources{
		Backends: p.pools.status,
		Routes:   func() []api.Route { return viewRoutes(p.config) },
		Errors:   func() []api.RefusedMessage { return refusedMessages(p.proxy.Refused()) },
		Status:   p.status,
		Ready:    func() api.Readiness { return p.phase.Load().(api.Readiness) },
	}
	if p.limits == nil {
		return settings, sources, nil
	}
	sources.Reader, sources.Writer = p.limits, p.limits
	for _, name := range slices.Sorted(maps.Keys(p.config.Limits)) {
		limit, err := apiLimit(name, p.config)
		if err != nil {
			return api.Settings{}, api.Sources{}, err
		}
		sources.Limits = append(sources.Limits, limit)
	}
	return settings, sources, nil
}

func apiLimit(name string, c config.Config) (api.Limit, error) {
	of := c.Limits[name]
	key, err := identity.ParseKey(of.Key, of.Secret)
	if err != nil {
		return api.Limit{}, err
	}
	l := api.Limit{
		Name: name, Key: key.String(), Durability: c.DurabilityOf(name), ClientID: key.ClientID,
		Settings: of.Settings(), Tiers: map[string]gcra.Settings{},
	}
	for tier := range of.Tiers {
		l.Tiers[tier] = of.SettingsOf(tier)
	}
	return l, nil
}

// status is what GET /status has from the packages.
func (p *process) status() api.Status {
	status := api.Status{Requests: requestsStatus(p.proxy.Stats()), Log: logStatus(p.lines), Runtime: runtimeStatus()}
	if p.limits == nil {
		return status
	}
	s := p.limits.Stats()
	status.Store = &api.StoreStatus{
		Driver: p.config.Store.Driver,
		Up:     s.StoreUp, Error: s.StoreError,
		Flushes: s.Flushes, FlushErrors: s.FlushErrors, FlushOverruns: s.FlushOverruns,
		LastFlush: api.Moment{Time: s.LastFlush},
		Dirty:     s.Dirty, LagSeconds: s.Lag.Seconds(),
	}
	all := bucketsStatus(s.Counts)
	status.Buckets = &all
	for _, l := range s.Limits {
		status.Limits = append(status.Limits, api.LimitStatus{Name: l.Name, BucketsStatus: bucketsStatus(l.Counts), Dirty: l.Dirty})
	}
	return status
}

func bucketsStatus(c limiter.Counts) api.BucketsStatus {
	return api.BucketsStatus{Count: c.Buckets, Managed: c.Managed, Max: c.MaxBuckets, OverflowTakes: c.OverflowTakes}
}

func requestsStatus(s proxy.Stats) api.RequestsStatus {
	return api.RequestsStatus{
		Total: s.Total, InFlight: s.InFlight, Connections: s.Connections,
		MaxConnections: s.MaxConnections, AcceptPauses: s.AcceptPauses,
		Allowed: s.Total - s.Limited, Limited: s.Limited,
		Responses:  api.ResponsesStatus(s.Responses),
		BadGateway: s.BadGateway, Unavailable: s.Unavailable, GatewayTimeout: s.GatewayTimeout,
		ClientGone: s.ClientGone, TooSlow: s.TooSlow, Mended: s.Mended,
		Retries: s.Retries, Cut: s.Cut, Panics: s.Panics,
	}
}

func logStatus(lines *loglines.Writer) api.LogStatus {
	status := api.LogStatus{Dropped: lines.Dropped()}
	if err := lines.Err(); err != nil {
		status.Error = err.Error()
	}
	return status
}

func refusedMessages(refused []outcome.Refused) []api.RefusedMessage {
	all := make([]api.RefusedMessage, len(refused))
	for i, r := range refused {
		all[i] = api.RefusedMessage{
			Time: api.Moment{Time: r.Time}, Refused: r.Message(), Method: r.Method,
			Reason: r.Reason, Field: r.Field, Offset: r.Offset, Excerpt: r.Excerpt,
		}
	}
	return all
}

// runtimeStatus asks the runtime in ways that don't stop the world. NumGoroutine leaves out the
// garbage collector's goroutines, which start with its first cycle. runtime/metrics counts them.
func runtimeStatus() api.RuntimeStatus {
	heap := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(heap)
	return api.RuntimeStatus{Goroutines: runtime.NumGoroutine(), HeapBytes: heap[0].Value.Uint64()}
}
