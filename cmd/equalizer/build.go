package main

import (
	"context"
	"io"

	"gopher-equalizer/api"
	"gopher-equalizer/config"
	"gopher-equalizer/limiter"
	"gopher-equalizer/proxy"
	"gopher-equalizer/proxy/certs"
	"gopher-equalizer/proxy/certs/acme"
)

// inForce is a configuration that is in force, and what was made of it. It is immutable.
type inForce struct {
	config.Loaded
	pools pools
	// adminCertificate is the admin API's own; nil if it has none.
	adminCertificate *certs.Certificate
	// settings and sources are the admin API's.
	settings api.Settings
	sources  api.Sources
	// snapshot is what requests are served by.
	snapshot *proxy.Snapshot
	// sessions is where the keys of clients' TLS sessions are kept, tickets where that of sticky
	// cookies is.
	sessions certs.Kept
	tickets  ticketStore
	// issuing keeps the certificates that an authority issues; nil if there are none.
	issuing *acme.Manager
}

// change is a configuration on its way to be in force, at the start and at each reload:
//
//   - prepare, probe and listen make all that it needs. They may fail, and change nothing.
//   - publish puts it in force, or discard undoes what was made.
//   - drain ends what isn't needed any more.
type change struct {
	p  *process
	to *inForce

	limits *limitsChange
	pools  *poolsChange
	edge   *edgeChange
	// log is where lines are to go; nil is standard error.
	log io.WriteCloser
	// listening are the listeners of the admin API and the proxy.
	listening []*listenersChange
	// former is the store that overrides were in; nil if it stays.
	former *lazyBlobs
}

// prepare makes what a configuration needs, except the listeners. If it fails nothing is left.
func (p *process) prepare(ctx context.Context, loaded config.Loaded) (*change, error) {
	c := &change{p: p, to: &inForce{Loaded: loaded}}
	if err := c.make(ctx); err != nil {
		c.discard()
		return nil, err
	}
	return c, nil
}

func (c *change) make(ctx context.Context) (err error) {
	if err := needsNoRestart(c.p.current.Load(), c.to.Loaded, c.p.limiting.Load() != nil); err != nil {
		return err
	}
	if c.limits, err = c.p.prepareLimits(ctx, c.to.Config); err != nil {
		return err
	}
	c.p.names.Look(ctx, allHosts(c.to.Config)...)
	shared := sharedByPools{c.p.overrides.Overrides, c.p.tickets, c.p.names}
	if c.pools, err = preparePools(c.to.Config, c.p.poolsInForce(), shared, c.p.log.Logger); err != nil {
		return err
	}
	c.to.pools = c.pools.pools
	if c.edge, err = c.p.prepareEdge(c.to.Config); err != nil {
		return err
	}
	if c.log, err = openLog(c.to.Config.Log); err != nil {
		return err
	}
	if c.to.snapshot, err = c.p.newSnapshot(c.to.Loaded, c.to.pools, c.limits.limit); err != nil {
		return err
	}
	if c.to.issuing = c.edge.issuing.manager; c.to.issuing != nil {
		c.to.snapshot.Challenges = c.to.issuing
	}
	var problems config.Problems
	if c.to.adminCertificate, problems = loadAdminCertificate(c.to.Config.Admin); len(problems) > 0 {
		return problems
	}
	c.to.settings, c.to.sources, err = c.p.apiSettings(c.to, c.limits.is)
	return err
}

// poolsInForce are the pools that there are; none before the start.
func (p *process) poolsInForce() pools {
	if now := p.current.Load(); now != nil {
		return now.pools
	}
	return nil
}

// probe probes the backends that are new, once each.
func (c *change) probe(ctx context.Context) error {
	c.pools.probe(ctx)
	return context.Cause(ctx)
}

// listen opens the listeners that aren't there yet. It comes last: connections wait for a listener
// from then on, and would be reset if it were closed again.
func (c *change) listen(ctx context.Context, on *listeners, wanted ...wantedListener) error {
	l, err := on.prepare(ctx, wanted)
	if err == nil {
		c.listening = append(c.listening, l)
	}
	return err
}

// listenForAdmin opens the listener of the admin API. A supervisor's may be on another address than
// the one that was checked with the configuration.
func (c *change) listenForAdmin(ctx context.Context) error {
	admin := c.to.Config.Admin
	if err := c.listen(ctx, c.p.adminListeners, wantedListener{name: adminSocket, key: "admin.listen", address: admin.Listen}); err != nil {
		return err
	}
	for _, l := range c.listening[len(c.listening)-1].all {
		if err := c.to.settings.CheckListener(l.Addr()); err != nil {
			return problem("admin.listen", "%v", err)
		}
	}
	return nil
}

// listenForClients opens the listeners of the proxy.
func (c *change) listenForClients(ctx context.Context) error {
	return c.listen(ctx, c.p.proxyListeners, c.edge.wantedListeners(c.to.Config)...)
}

// publish puts the configuration in force, in memory and at once. It can't fail.
func (c *change) publish() {
	c.publishPools()
	c.publishRest()
}

// publishPools has pools and overrides be as they are configured. The start does so before its
// first probes, so that the admin API shows them.
func (c *change) publishPools() {
	c.pools.apply() // What it drops is of the store before.
	c.useStore()
}

// publishRest has requests and the admin API be served by the configuration.
func (c *change) publishRest() {
	c.p.log.use(c.to.Config.Log, c.log)
	c.log = nil // It is the log's now.
	c.limits.publish()
	for _, added := range c.pools.added {
		c.p.tasks.run(added.Run)
	}
	c.p.certs.Use(c.edge.certificates)
	c.p.proxy.Use(c.to.snapshot)
	c.p.admin.Configure(c.to.settings, c.to.sources)
	c.to.sessions, c.to.tickets = c.p.sessionsOf(c.to.Config), c.p.ticketsOf(c.to.Config)
	c.p.current.Store(c.to)
	c.p.names.Retain(allHosts(c.to.Config))
	c.edge.issuing.publish(c.p)
	c.p.watcher.watch(c.to.Config.Server.ReloadOnChange == config.ReloadAll)
	c.p.unusable = nil
	c.p.listed.watch(len(c.to.Config.BackendsFiles()) > 0)
	c.p.certified.watch(c.to.Config.Server.ReloadOnChange == config.ReloadCertificates)
	for _, l := range c.listening {
		l.publish()
	}
}

// useStore keeps overrides in the configured store, and makes connections to it with the password
// that is configured now.
func (c *change) useStore() {
	var buckets limiter.Store
	if c.limits.is != nil {
		buckets = c.limits.is.store
	}
	usePassword(buckets, c.to.Config.Store.Postgres)
	c.former = c.p.overrides.use(c.to.Config.Store, buckets)
}

// drain ends what isn't needed any more: listeners when all that waits for them is accepted, pools
// when what runs there is over, and a store when nobody uses it.
func (c *change) drain() {
	for _, l := range c.listening {
		l.drain()
	}
	c.pools.retire()
	c.edge.issuing.drain(c.p)
	c.p.warn("closing the store that overrides were in", c.former.close())
}

// discard undoes what was made.
func (c *change) discard() {
	if c.log != nil {
		_ = c.log.Close()
	}
	for _, l := range c.listening {
		l.discard()
	}
	if c.pools != nil {
		c.pools.discard()
	}
	if c.edge != nil && c.edge.issuing != nil {
		c.edge.issuing.discard(c.p)
	}
	if c.limits != nil {
		// The shutdown's time also holds where a stop is what ended the change.
		ctx, cancel := context.WithTimeout(context.Background(), c.to.Config.Server.ShutdownTimeout)
		defer cancel()
		c.limits.discard(ctx)
	}
}
