package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"gopher-equalizer/api"
	"gopher-equalizer/balancer"
	"gopher-equalizer/cmd/equalizer/internal/procs"
	"gopher-equalizer/config"
	"gopher-equalizer/proxy"
	"gopher-equalizer/proxy/certs"
	"gopher-equalizer/proxy/names"
	"gopher-equalizer/proxy/rewrite"
)

// runProxy is `equalizer` with flags or a file.
func runProxy(ctx context.Context, args []string, t terminal) error {
	o, err := parseOptions("equalizer", args, t, 0)
	if err != nil {
		return err
	}
	hangups := t.signals(syscall.SIGHUP) // It would end the process while the configuration is read.
	loaded, err := o.load(t.getenv)
	if errors.As(err, new(usageError)) {
		return err
	}
	log := newLogger(loaded.Config.Log, t)
	defer log.close()
	if err != nil {
		return log.fatal(err, loaded.Sources)
	}
	for _, w := range loaded.Warnings {
		log.Warn().Msg(w.String())
	}
	listen, err := inheritListeners(loaded.Config, t.getenv)
	if err != nil {
		return log.fatal(err, loaded.Sources)
	}
	from := configured{first: loaded, again: func() (config.Loaded, error) { return o.load(t.getenv) }}
	return log.fatal(serve(ctx, from, t, log, listen, hangups, func(addresses) {}), loaded.Sources)
}

// configured is where the configuration of a run is from.
type configured struct {
	// first is that of the start, and again reads it again. Any number of goroutines may do so at
	// the same time.
	first config.Loaded
	again func() (config.Loaded, error)
}

// addresses are those that a running process listens on.
type addresses struct{ proxy, admin string }

// process is one run of the proxy. It is stopped in the order in which nothing is lost.
type process struct {
	from    configured
	log     runLog
	listen  listening
	started time.Time
	via     rewrite.ViaSuffix
	// governor gives Go its processors.
	governor *procs.Governor

	// current is the configuration in force; nil before there is one. limiting is nil as long as
	// nothing was ever limited.
	current  atomic.Pointer[inForce]
	limiting atomic.Pointer[limiting]
	// overrides are what operators said of backends, and tickets have clients come back to them.
	overrides *overrides
	tickets   *balancer.Tickets
	// names are looked up where each address is a backend.
	names *names.Names
	// changing is held while pools or the log's output are changed, and guards unusable: what was
	// logged of files of backends that can't be used, by the pools' names.
	changing sync.Mutex
	unusable map[string]string
	// certs has the certificates in force.
	certs *certs.Server
	proxy *proxy.Proxy
	admin *api.Server
	// proxyListeners and adminListeners belong to the start, and to the reload that runs.
	proxyListeners, adminListeners *listeners

	phase     atomic.Value   // api.Readiness
	reloads   *queue         // open while the process is ready
	reloaded  reloadHistory  // of reloads
	watcher   *watcher       // of the configuration's files, with those that it names
	certified *watcher       // of the files of certificates that the configuration in force names
	listed    *watcher       // of the files of backends that the configuration in force names
	failed    chan error     // the error of a listener that broke
	tasks     *tasks         // run until the end
	flusher   *tasks         // those that store, which end before the last flush
	servers   sync.WaitGroup // the Serve calls
}

func newProcess(from configured, log runLog, listen listening) *process {
	p := &process{
		from: from, log: log, listen: listen, started: time.Now(), via: rewrite.NewViaSuffix(),
		governor: procs.NewGovernor(),
		reloads:  newQueue(), failed: make(chan error, 1), tasks: newTasks(), flusher: newTasks(),
	}
	p.overrides, p.tickets = newOverrides(p.governor.Aside, log.Logger), balancer.NewTickets()
	p.names = names.New(log.Logger)
	p.certs = certs.NewServer(certs.NewSet(nil, nil))
	p.phase.Store(api.Starting)
	p.watcher = newWatcher(0, func() error { _, err := p.reload("reload_on_change"); return err })
	p.watcher.read(from.first.Files, nil)
	p.certified = newWatcher(rereadAgain, p.rereadCertificates)
	p.certified.read(from.first.CertificateFiles(), nil)
	p.listed = newWatcher(rereadAgain, p.rereadBackends)
	p.listed.readSince(backendsFiles(from.first), nil)
	p.proxyListeners = &listeners{open: p.openListener, passed: listen.passed, serve: p.serveProxy}
	p.adminListeners = &listeners{open: p.openListener, passed: listen.passed, serve: p.serveAdmin}
	p.adminListeners.change = func(net.Listener, proxy.Listener) {} // The API is configured as a whole.
	p.proxyListeners.change = func(ln net.Listener, how proxy.Listener) { p.proxy.Change(ln, how) }
	p.proxyListeners.retire = func(ln net.Listener) { p.proxy.Retire(ln) }
	p.adminListeners.retire = func(ln net.Listener) { _ = ln.Close() } // Its calls go on.
	return p
}

// serve runs the proxy until a signal, ctx or a broken listener stops it. At each of hangups it
// reads the configuration again. ready is called once traffic is accepted.
func serve(ctx context.Context, from configured, t terminal, log runLog, listen listening, hangups <-chan os.Signal, ready func(addresses)) error {
	ctx, stopWatching := watchSignals(ctx, t)
	defer stopWatching()
	p := newProcess(from, log, listen)
	p.tasks.run(func(ctx context.Context) { p.outliveSignals(ctx, t) })
	if t.getenv("GOMAXPROCS") == "" {
		p.tasks.run(p.governor.Run)
	}
	at, err := p.start(ctx)
	if err != nil {
		p.abandon()
		if ctx.Err() != nil {
			p.log.Info().Msg("stopped before it was ready")
			return nil
		}
		return err
	}
	p.tasks.run(func(ctx context.Context) { p.reloadAtSignals(ctx, hangups) })
	p.tasks.run(p.watcher.run)
	p.tasks.run(p.certified.run)
	p.tasks.run(p.listed.run)
	p.tasks.run(p.resolveNames)
	ready(at)
	select {
	case <-ctx.Done():
	case err = <-p.failed:
		p.log.Error().Err(err).Msg("a listener broke: stopping")
	}
	return errors.Join(err, p.stop())
}

// start has the first configuration be in force, as a reload does with another one. The admin API
// already serves during the first probes.
func (p *process) start(ctx context.Context) (addresses, error) {
	p.log.Info().Str("version", versionString()).Int("pid", os.Getpid()).Msg("starting")
	if p.from.first.Config.Store.Standby {
		if err := p.standBy(ctx, p.from.first); err != nil {
			return addresses{}, err
		}
	}
	c, err := p.prepare(ctx, p.from.first)
	if err != nil {
		return addresses{}, err
	}
	p.phase.Store(api.Starting)
	if err := p.startWith(ctx, c); err != nil {
		c.discard()
		return addresses{}, err
	}
	p.phase.Store(api.Ready)
	p.reloads.open()
	at := addresses{proxy: p.proxyListeners.addresses(), admin: p.adminListeners.addresses()}
	p.log.Info().Str("proxy", at.proxy).Str("admin", at.admin).Msg("ready")
	return at, nil
}

func (p *process) startWith(ctx context.Context, c *change) error {
	p.proxy = proxy.New(c.to.snapshot, p.log.Logger)
	c.publishPools()
	p.loadOverrides(ctx)
	p.loadTicketKey(ctx, c.to.Config)
	if err := c.listenForAdmin(ctx); err != nil {
		return fmt.Errorf("admin API: %w", err)
	}
	p.serveAdminBy(c.to.settings, c.to.sources)
	c.listening[0].publish()
	c.to.pools.probe(ctx)
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := c.listenForClients(ctx); err != nil {
		return fmt.Errorf("proxy: %w", err)
	}
	if c.to.Config.HasTLS() { // Rotate tells of an error, and clients of before come at once.
		_ = p.certs.Renew(ctx, p.sessionsOf(c.to.Config))
	}
	c.publishRest()
	p.flusher.run(p.overrides.Run)
	p.flusher.run(p.keepTicketKey)
	p.flusher.run(func(ctx context.Context) { p.certs.Rotate(ctx, p.keptSessions, p.log.Logger) })
	return nil
}

// openListener opens a listener. The first ones may be a supervisor's, or still a predecessor's.
func (p *process) openListener(ctx context.Context, w wantedListener) (net.Listener, error) {
	if p.current.Load() == nil {
		return p.listen.on(ctx, w.name, w.address)
	}
	return openNew(w, slices.Concat(p.proxyListeners.all, p.adminListeners.all))
}

func (p *process) serveProxy(ln net.Listener, how proxy.Listener) {
	p.servers.Go(func() { p.fail("proxy", p.proxy.Serve(ln, how)) })
}

func (p *process) serveAdmin(ln net.Listener, _ proxy.Listener) {
	p.servers.Go(func() { p.fail("admin API", p.admin.Serve(ln)) })
}

// fail has the process stop if a listener broke.
func (p *process) fail(what string, err error) {
	if err == nil {
		return
	}
	select {
	case p.failed <- fmt.Errorf("%s: %w", what, err):
	default: // It stops because of another one.
	}
}
