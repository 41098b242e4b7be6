package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"
	"time"

	"gopher-equalizer/config"
	"gopher-equalizer/limiter/gcra"
	"gopher-equalizer/store"
)

// The demo's ports and its store, which is a file of its own, so that it never mixes with a real
// one.
const (
	demoListen    = "127.0.0.1:8000"
	demoStore     = "data/demo.db"
	demoBackends  = 3
	firstDemoPort = 8081
)

// demoFlags are the flags of the demo.
type demoFlags struct {
	flagSet
	listen, admin, kept, authority string
	tls, traffic                   bool
}

func parseDemo(args []string, t terminal) (*demoFlags, error) {
	f := &demoFlags{flagSet: newFlags("demo", demoUsage, t.stdout)}
	f.StringVar(&f.listen, "listen", "", "")
	f.StringVar(&f.admin, "admin", config.Default().Admin.Listen, "")
	f.StringVar(&f.kept, "store", demoStore, "")
	f.BoolVar(&f.tls, "tls", false, "")
	f.StringVar(&f.authority, "authority", "", "")
	f.BoolVar(&f.traffic, "traffic", false, "")
	if err := parse(f.flagSet, args); err != nil {
		return nil, err
	}
	switch {
	case f.authority != "" && !f.tls:
		return nil, usageError{"--authority is for --tls"}
	case f.listen == "" && f.tls:
		f.listen = demoSecureListen
	case f.listen == "":
		f.listen = demoListen
	}
	return f, nil
}

// runDemo is `equalizer demo`: the proxy in front of sample backends, all in this process.
func runDemo(ctx context.Context, args []string, t terminal) error {
	flags, err := parseDemo(args, t)
	if err != nil {
		return err
	}
	shown := demoShown{kept: flags.kept, traffic: flags.traffic, token: t.getenv(config.EnvAdminToken) != ""}
	if flags.tls {
		if shown.authority, err = openAuthority(flags.authority); err != nil {
			return err
		}
	}
	var ports ports
	backends, err := startSamples(demoBackends, &ports, flags.traffic)
	if err != nil {
		return err
	}
	defer backends.stop()
	shown.backends = backends.urls()
	c, err := flags.config(shown, t)
	if err != nil {
		return err
	}
	log := newLogger(c.Log, t)
	defer log.close()
	listeners := listening{on: func(_ context.Context, _, address string) (net.Listener, error) { return ports.listen(address) }}
	loaded := config.Loaded{Config: c}
	from := configured{first: loaded, again: func() (config.Loaded, error) { return loaded, nil }}
	var visits visits
	defer visits.end()
	err = serve(ctx, from, t, log, listeners, t.signals(syscall.SIGHUP), func(at addresses) {
		shown.at, shown.moved = at, ports.moved
		fmt.Fprint(t.stdout, shown.text())
		if flags.traffic {
			visits.begin(ctx, shown, log)
		}
	})
	if errors.Is(err, store.ErrHeld) {
		err = fmt.Errorf("%w\nAnother demo runs here; give this one a file of its own with --store FILE", err)
	}
	return log.fatal(err, loaded.Sources)
}

// config is the demo's configuration by its flags.
func (f *demoFlags) config(shown demoShown, t terminal) (config.Config, error) {
	c := demoConfig(shown.backends)
	keptIn, err := parseStore(f.kept)
	if err != nil {
		return c, usageError{"--store: " + err.Error()}
	}
	keptIn.override(&c.Store)
	c.Server.Listen, c.Admin.Listen = f.listen, f.admin
	c.Admin.Token = config.Secret(t.getenv(config.EnvAdminToken))
	if shown.authority != nil {
		if err := secureDemo(&c, shown.authority); err != nil {
			return c, err
		}
	}
	if f.traffic {
		welcome(&c)
	}
	if problems := c.Validate(); len(problems) > 0 {
		return c, fmt.Errorf("the demo can't run with these flags:\n%w", config.Problems(problems))
	}
	return c, nil
}

func demoConfig(urls []string) config.Config {
	c := config.Default()
	pool := config.DefaultPool()
	pool.Health.Interval = time.Second
	pool.Health.Timeout = time.Second
	for _, url := range urls {
		pool.Backends = append(pool.Backends, config.DefaultBackend(url))
	}
	c.Pools = map[string]config.Pool{"default": pool}
	limit := config.DefaultLimit()
	limit.Capacity, limit.Refill = 10, gcra.Refill{Amount: 1, Per: time.Minute}
	c.Limits = map[string]config.Limit{"default": limit}
	c.Store.ConnectTimeout = 2 * time.Second // A second demo soon reports that the file is taken.
	c.Log.Format = "console"
	return c
}
