package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"gopher-equalizer/api"
	"gopher-equalizer/cmd/equalizer/internal/loglines"
	"gopher-equalizer/cmd/equalizer/internal/procs"
	"gopher-equalizer/config"
	"gopher-equalizer/limiter"
	"gopher-equalizer/proxy"
)

// runProxy is `equalizer` with flags or a file.
func runProxy(ctx context.Context, args []string, t terminal) error {
	o, err := parseOptions("equalizer", args, t, 0)
	if err != nil {
		return err
	}
	c, warnings, err := o.load(t.getenv)
	if errors.As(err, new(usageError)) {
		return err
	}
	log := newLogger(c.Log, t)
	defer log.lines.Close()
	if err != nil {
		return log.fatal(err)
	}
	for _, w := range warnings {
		log.Warn().Msg(w.String())
	}
	listen, err := inheritListeners(c, t.getenv)
	if err != nil {
		return log.fatal(err)
	}
	return log.fatal(serve(ctx, c, t, log, listen, func(addresses) {}))
}

// addresses are those that a running process listens on.
type addresses struct{ proxy, admin string }

// process is one run of the proxy. It is stopped in the order in which nothing is lost.
type process struct {
	config  config.Config
	log     zerolog.Logger
	lines   *loglines.Writer
	listen  listening
	started time.Time

	pools  pools
	store  limiter.Store    // nil if nothing is limited
	limits *limiter.Service // nil if nothing is limited
	proxy  *proxy.Proxy
	admin  *api.Server

	phase   atomic.Value   // api.Readiness
	failed  chan error     // the error of a listener that broke
	tasks   *tasks         // run until the end
	flusher *tasks         // the limiter's, which end before the last flush
	servers sync.WaitGroup // the two Serve calls
}

// serve runs the proxy until a signal, ctx or a broken listener stops it. ready is called once
// traffic is accepted.
func serve(ctx context.Context, c config.Config, t terminal, log runLog, listen listening, ready func(addresses)) error {
	ctx, stopWatching := watchSignals(ctx, t)
	defer stopWatching()
	p := &process{
		config: c, log: log.Logger, lines: log.lines, listen: listen, started: time.Now(), failed: make(chan error, 2),
		tasks: newTasks(), flusher: newTasks(),
	}
	p.phase.Store(api.Starting)
	p.tasks.run(func(ctx context.Context) { outliveSignals(ctx, t, log) })
	if t.getenv("GOMAXPROCS") == "" {
		p.tasks.run(func(ctx context.Context) { procs.Govern(ctx, fewProcs(c.Store.Driver)) })
	}
	at, err := p.start(ctx)
	if err != nil {
		p.tasks.end()
		p.flusher.end()
		p.stopUnserved()
		p.abandon()
		if ctx.Err() != nil {
			p.log.Info().Msg("stopped before it was ready")
			return nil
		}
		return err
	}
	ready(at)
	select {
	case <-ctx.Done():
	case err = <-p.failed:
		p.log.Error().Err(err).Msg("a listener broke: stopping")
	}
	return errors.Join(err, p.stop())
}

// start opens the store, loads the buckets, probes the backends, and opens the listeners: the admin
// API's before the first probes, and the public one when traffic can be served.
func (p *process) start(ctx context.Context) (addresses, error) {
	p.log.Info().Str("version", versionString()).Int("pid", os.Getpid()).Msg("starting")
	if err := p.openLimits(ctx); err != nil {
		return addresses{}, err
	}
	var err error
	if p.pools, err = newPools(p.config, p.log); err != nil {
		return addresses{}, err
	}
	if err := p.newProxy(); err != nil {
		return addresses{}, err
	}
	adminLn, err := p.serveAdmin(ctx)
	if err != nil {
		return addresses{}, err
	}
	p.pools.probe(ctx)
	if err := ctx.Err(); err != nil {
		return addresses{}, err
	}
	for _, pool := range p.pools {
		p.tasks.run(pool.Run)
	}
	if p.limits != nil {
		p.flusher.run(p.limits.Run)
	}
	proxyLn, err := p.serveProxy(ctx)
	if err != nil {
		return addresses{}, err
	}
	p.phase.Store(api.Ready)
	at := addresses{proxy: proxyLn.Addr().String(), admin: adminLn.Addr().String()}
	p.log.Info().Str("proxy", at.proxy).Str("admin", at.admin).Msg("ready")
	return at, nil
}

// openLimits opens the store and loads the buckets, if anything is limited.
func (p *process) openLimits(ctx context.Context) error {
	if len(p.config.Limits) == 0 {
		p.log.Info().Msg("nothing is limited: there is no [limits] section and no limit flag, so no store is opened")
		return nil
	}
	options, err := limiterOptions(p.config, p.log)
	if err != nil {
		return err
	}
	_, heirless := options.Heir()
	store, late, err := openStore(ctx, p.config.Store, heirless, p.log)
	if err != nil {
		return err
	}
	p.store, options.LoadLater = store, late
	p.limits, err = limiter.Open(ctx, options, store)
	if err == nil && !late {
		nameStore(ctx, p.config.Store, store, p.log)
	}
	return err
}

func (p *process) newProxy() error {
	snapshot, err := newSnapshot(p.config, p.pools, p.limits)
	if err != nil {
		return err
	}
	settings, files := proxySettings(p.config.Server), newDescriptors(p.config, openFiles())
	settings.Clients.Connections = files.maxConnections(p.config.Server.MaxConnections, p.log)
	settings.Clients.Pipes = files.pipes
	p.proxy = proxy.New(settings, snapshot, p.log)
	return nil
}

func (p *process) serveAdmin(ctx context.Context) (net.Listener, error) {
	settings, sources, err := p.apiSettings()
	if err != nil {
		return nil, err
	}
	ln, err := p.listen.on(ctx, adminSocket, p.config.Admin.Listen)
	if err != nil {
		return nil, fmt.Errorf("admin API: %w", err)
	}
	p.admin = api.New(settings, sources, p.log)
	p.servers.Go(func() { p.fail("admin API", p.admin.Serve(ln)) })
	return ln, nil
}

func (p *process) serveProxy(ctx context.Context) (net.Listener, error) {
	ln, err := p.listen.on(ctx, proxySocket, p.config.Server.Listen)
	if err != nil {
		return nil, fmt.Errorf("proxy: %w", err)
	}
	p.servers.Go(func() { p.fail("proxy", p.proxy.Serve(ln)) })
	return ln, nil
}

func (p *process) fail(what string, err error) {
	if err != nil {
		p.failed <- fmt.Errorf("%s: %w", what, err)
	}
}

// stop ends the run in the order in which nothing is lost: readiness off, the listeners drained and
// closed, the last flush, and the store released, so that a successor can serve. Then it waits for
// what is being relayed.
func (p *process) stop() error {
	p.phase.Store(api.Stopping)
	p.log.Info().Dur("drain_delay", p.config.Server.DrainDelay).Msg("stopping")
	p.proxy.Drain()
	time.Sleep(p.config.Server.DrainDelay)

	ctx, cancel := context.WithTimeout(context.Background(), p.config.Server.ShutdownTimeout)
	defer cancel()
	if err := p.admin.StopAccepting(); err != nil {
		p.log.Warn().Err(err).Msg("stopping the admin API")
	}
	var admin sync.WaitGroup
	admin.Go(func() { p.endAdmin(ctx) })
	if err := p.proxy.Close(ctx); err != nil {
		p.log.Warn().Err(err).Msg("requests may have spent tokens that aren't stored")
	}
	err := p.release(ctx)
	p.awaitRelayed(ctx)
	admin.Wait()
	p.servers.Wait()
	p.tasks.end()
	if err == nil {
		p.log.Info().Msg("stopped: all that was spent is stored")
	}
	return err
}

// release stores what is dirty, and closes the store.
func (p *process) release(ctx context.Context) error {
	p.flusher.end()
	if p.limits == nil {
		return nil
	}
	err := p.limits.Close(ctx)
	p.closeStore()
	p.log.Info().Int64("requests", p.proxy.Stats().InFlight).Msg("the store is released: waiting for what is being relayed")
	return err
}

// awaitRelayed waits for what is being relayed. If a supervisor waits for this process to end
// before it starts the next one, tunnels and event streams are cut after tunnel_grace, so that new
// connections don't wait for them.
func (p *process) awaitRelayed(ctx context.Context) {
	if p.listen.inherited {
		grace := time.AfterFunc(p.config.Server.TunnelGrace, func() {
			if n := p.proxy.CutLasting(); n > 0 {
				p.log.Info().Int("cut", n).Msg("tunnels and event streams outlived tunnel_grace")
			}
		})
		defer grace.Stop()
	}
	if err := p.proxy.Wait(ctx); err != nil {
		p.log.Warn().Err(err).Msg("requests were cut")
	}
}

// stopUnserved ends a start that failed. Nothing was spent, so there is nothing to store. But if
// a limit is strict, the next start would otherwise take this for a crash.
func (p *process) stopUnserved() {
	if p.limits == nil || !p.limits.IsStrict() {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), p.config.Server.ShutdownTimeout)
	defer cancel()
	if err := p.limits.Close(ctx); err != nil {
		p.log.Warn().Err(err).Msg("the next start will count what is reserved as spent")
	}
}

// abandon closes what a start that failed has opened.
func (p *process) abandon() {
	ctx, cancel := context.WithTimeout(context.Background(), p.config.Store.Timeout)
	defer cancel()
	if p.admin != nil {
		p.endAdmin(ctx)
	}
	p.servers.Wait()
	if p.store != nil {
		p.closeStore()
	}
}

// endAdmin waits for the admin requests that run, and cuts them when ctx ends.
func (p *process) endAdmin(ctx context.Context) {
	if err := p.admin.Shutdown(ctx); err != nil {
		p.log.Warn().Err(err).Msg("admin requests were cut")
	}
}

func (p *process) closeStore() {
	if err := p.store.Close(); err != nil {
		p.log.Warn().Err(err).Msg("closing the store")
	}
}
