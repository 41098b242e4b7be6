//go:build linux

package main

import (
	"context"
	_ "embed" // the configuration
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"text/template"
	"time"

	"gopher-equalizer/bench/lab/child"
	"gopher-equalizer/bench/lab/measure"
	"gopher-equalizer/bench/lab/testbed"
	"gopher-equalizer/config"
	"gopher-equalizer/store/postgres/pgtest"
)

// bed is shared by all proxies: the programs, the backends, a PostgreSQL server of our own.
type bed struct {
	*testbed.Bed
	backends []string
	postgres *pgtest.Cluster
	proxies  []*proxy
}

// proxy is the binary with one of its stores.
type proxy struct {
	driver         string
	address, admin string
	process        *child.Process
	cpu, server    []float64 // microseconds a request, of the proxy and of its database's server; by round
	rates, flushes []float64 // requests and flushes a second
	overruns       int64     // flushes that took longer than their interval
}

// open builds and starts everything.
func open(ctx context.Context) (*bed, error) {
	shared, err := testbed.Open("stores")
	if err != nil {
		return nil, err
	}
	b := &bed{Bed: shared}
	if err := b.start(ctx); err != nil {
		b.Close()
		return nil, err
	}
	return b, nil
}

func (b *bed) start(ctx context.Context) (err error) {
	if err := b.Build(ctx, testbed.Equalizer, testbed.Backend); err != nil {
		return err
	}
	if b.postgres, err = pgtest.Start(); err != nil {
		return err
	}
	b.Finally(b.postgres.Close)
	backends, err := b.Backends()
	if err != nil {
		return err
	}
	b.backends = backends.Addresses
	for _, driver := range []string{config.StoreMemory, config.StoreBolt, config.StorePostgres} {
		if err := b.startProxy(ctx, driver); err != nil {
			return fmt.Errorf("%s: %w", driver, err)
		}
	}
	return nil
}

//go:embed equalizer.toml
var configuration string

// startProxy starts a proxy and waits until it is ready.
func (b *bed) startProxy(ctx context.Context, driver string) error {
	dir, err := b.Folder()
	if err != nil {
		return err
	}
	addresses, err := child.FreeAddresses(2)
	if err != nil {
		return err
	}
	p := &proxy{driver: driver, address: addresses[0], admin: addresses[1]}
	path := filepath.Join(dir, "equalizer.toml")
	if err := b.configure(path, p); err != nil {
		return err
	}
	if p.process, err = b.Start(child.Program{Path: b.Program(testbed.Equalizer), Args: []string{"-c", path}, Dir: dir}); err != nil {
		return err
	}
	b.proxies = append(b.proxies, p)
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	return p.process.Await(ctx, func() error { _, err := testbed.Get(ctx, "http://"+p.admin+"/readyz"); return err })
}

func (b *bed) configure(path string, p *proxy) error {
	var server *url.URL
	if p.driver == config.StorePostgres {
		var err error
		if server, err = url.Parse(b.postgres.URL("")); err != nil {
			return err
		}
	}
	parsed, err := template.New("").Parse(configuration)
	if err != nil {
		return err
	}
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	defer file.Close()
	return parsed.Execute(file, map[string]any{
		"Listen": p.address, "Admin": p.admin, "Backends": b.backends, "Driver": p.driver, "Postgres": server,
	})
}

// cpu is the CPU time of a proxy so far, and of PostgreSQL if that is the proxy's store.
func (b *bed) cpu(p *proxy) (own, server time.Duration, err error) {
	if p.driver == config.StorePostgres {
		if server, err = cpuOf(b.postgres.PID()); err != nil {
			return 0, 0, err
		}
	}
	own, err = cpuOf(p.process.PID())
	return own, server, err
}

func cpuOf(pid int) (time.Duration, error) {
	tree, err := measure.TreeOf(pid)
	if err != nil {
		return 0, err
	}
	return tree.CPU()
}
