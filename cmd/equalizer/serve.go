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
	"gopher-equalizer/balancer"
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
	return log.fatal(serve(ctx, c, t, log, listenOn, func(addresses) {}))
}

func listenOn(address string) (net.Listener, error) {
	ln, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", address, err)
	}
	return ln, nil
}

// addresses are where a running process is found.
type addresses struct{ proxy, admin string }

// process is one run of the proxy: what was started, in the order of the design's "Start and
// stop", to be stopped in the order in which nothing is lost.
type process struct {
	config  config.Config
	log     zerolog.Logger
	lines   *loglines.Writer
	listen  func(address string) (net.Listener, error)
	started time.Time

	pool   *balancer.Pool
	store  limiter.Store    // nil where nothing is limited
	limits *limiter.Service // nil where nothing is limited
	proxy  *proxy.Proxy
	admin  *api.Server

	phase   atomic.Value   // api.Readiness
	failed  chan error     // a listener that broke
	tasks   sync.WaitGroup // what runs until background is cancelled
	servers sync.WaitGroup // the two Serve calls
}

// serve runs the proxy until a signal, ctx or a broken listener stops it. ready is called
// once traffic is accepted.
func serve(ctx context.Context, c config.Config, t terminal, log runLog, listen func(string) (net.Listener, error), ready func(addresses)) error {
	ctx, stopWatching := watchSignals(ctx, t)
	defer stopWatching()
	p := &process{config: c, log: log.Logger, lines: log.lines, listen: listen, started: time.Now(), failed: make(chan error, 2)}
	p.phase.Store(api.Starting)

	background, cancel := context.WithCancel(context.Background())
	endTasks := func() { cancel(); p.tasks.Wait() }
	p.tasks.Go(func() { outliveSignals(background, t, log) })
	if t.getenv("GOMAXPROCS") == "" {
		p.tasks.Go(func() { procs.Govern(background, fewProcs(c.Store.Driver)) })
	}
	at, err := p.start(ctx, background)
	if err != nil {
		endTasks()
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
	return errors.Join(err, p.stop(endTasks))
}

// start opens the store, loads, probes, and opens the listeners: the admin API's before the
// first probes, the public one when traffic can be served.
func (p *process) start(ctx, background context.Context) (addresses, error) {
	p.log.Info().Str("version", versionString()).Int("pid", os.Getpid()).Msg("starting")
	if err := p.openLimits(ctx); err != nil {
		return addresses{}, err
	}
	var err error
	if p.pool, err = newPool(p.config, p.log); err != nil {
		return addresses{}, err
	}
	if err := p.newProxy(); err != nil {
		return addresses{}, err
	}
	adminLn, err := p.serveAdmin()
	if err != nil {
		return addresses{}, err
	}
	p.pool.Probe(ctx)
	if err := ctx.Err(); err != nil {
		return addresses{}, err
	}
	p.tasks.Go(func() { p.pool.Run(background) })
	if p.limits != nil {
		p.tasks.Go(func() { p.limits.Run(background) })
	}
	proxyLn, err := p.serveProxy()
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
	_, limit, limited := onlyLimit(p.config)
	if !limited {
		p.log.Info().Msg("nothing is limited: there is no [limits] section and no limit flag, so no store is opened")
		return nil
	}
	store, late, err := openStore(ctx, p.config.Store, p.log)
	if err != nil {
		return err
	}
	p.store = store
	p.limits, err = limiter.Open(ctx, limiterOptions(limit, p.config.Store, late, p.log), store)
	return err
}

func (p *process) newProxy() error {
	settings, err := proxySettings(p.config)
	if err != nil {
		return err
	}
	var limits proxy.Limiter
	if p.limits != nil {
		limits = p.limits
	}
	p.proxy = proxy.New(settings, p.pool, limits, p.log)
	return nil
}

func (p *process) serveAdmin() (net.Listener, error) {
	settings, sources, err := p.apiSettings()
	if err != nil {
		return nil, err
	}
	ln, err := p.listen(p.config.Admin.Listen)
	if err != nil {
		return nil, fmt.Errorf("admin API: %w", err)
	}
	p.admin = api.New(settings, sources, p.log)
	p.servers.Go(func() { p.fail("admin API", p.admin.Serve(ln)) })
	return ln, nil
}

func (p *process) serveProxy() (net.Listener, error) {
	ln, err := p.listen(p.config.Server.Listen)
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

// stop ends the run in the order in which nothing is lost: readiness off, traffic drained, admin
// writes stopped and the last flush made, the admin API closed, the store let go of.
func (p *process) stop(endTasks func()) error {
	p.phase.Store(api.Stopping)
	p.log.Info().Dur("drain_delay", p.config.Server.DrainDelay).Msg("stopping")
	p.proxy.Drain()
	time.Sleep(p.config.Server.DrainDelay)

	ctx, cancel := context.WithTimeout(context.Background(), p.config.Server.ShutdownTimeout)
	defer cancel()
	if err := p.proxy.Shutdown(ctx); err != nil {
		p.log.Warn().Err(err).Msg("requests were cut")
	}
	endTasks()
	err := p.flushLast()
	p.abandon()
	if err == nil {
		p.log.Info().Msg("stopped: all that was spent is stored")
	}
	return err
}

// flushLast stores what is dirty. It has a shutdown_timeout of its own, since the requests may
// have used up theirs.
func (p *process) flushLast() error {
	if p.limits == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), p.config.Server.ShutdownTimeout)
	defer cancel()
	return p.limits.Close(ctx)
}

// stopUnserved ends a start that failed. Nothing was spent, so there is nothing to store; but if it is strict, the
// next start would take it for a crash.
func (p *process) stopUnserved() {
	if p.config.Store.Durability != config.DurabilityStrict {
		return
	}
	if err := p.flushLast(); err != nil {
		p.log.Warn().Err(err).Msg("the next start will count what is reserved as spent")
	}
}

// abandon closes what was opened, as far as the start came.
func (p *process) abandon() {
	ctx, cancel := context.WithTimeout(context.Background(), p.config.Store.Timeout)
	defer cancel()
	if p.admin != nil {
		if err := p.admin.Shutdown(ctx); err != nil {
			p.log.Warn().Err(err).Msg("admin requests were cut")
		}
	}
	p.servers.Wait()
	if p.store != nil {
		if err := p.store.Close(); err != nil {
			p.log.Warn().Err(err).Msg("closing the store")
		}
	}
}
