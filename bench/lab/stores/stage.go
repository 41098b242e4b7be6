//go:build linux

package main

import (
	"context"
	_ "embed" // the configuration
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"text/template"
	"time"

	"gopher-equalizer/bench/lab/child"
	"gopher-equalizer/bench/lab/measure"
	"gopher-equalizer/config"
	"gopher-equalizer/store/postgres/pgtest"
)

// stage is what all proxies share: the programs, the backends, a PostgreSQL server of our own.
type stage struct {
	dir      string
	backend  *child.Process
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

// set sets the stage. What there is of it must be struck even if there is an error.
func (s *stage) set(ctx context.Context) (err error) {
	if s.dir, err = os.MkdirTemp("", "equalizer-stores-"); err != nil {
		return err
	}
	if err := child.Build(ctx, s.dir, "./cmd/equalizer", "./bench/lab/backend"); err != nil {
		return err
	}
	if s.postgres, err = pgtest.Start(); err != nil {
		return err
	}
	var hello struct{ Backends []string }
	s.backend, err = child.Start(child.Program{
		Path: filepath.Join(s.dir, "backend"), Dir: s.dir,
		Hello: func(r io.Reader) error { return json.NewDecoder(r).Decode(&hello) },
	})
	if err != nil {
		return err
	}
	s.backends = hello.Backends
	for _, driver := range []string{config.StoreMemory, config.StoreBolt, config.StorePostgres} {
		if err := s.open(ctx, driver); err != nil {
			return fmt.Errorf("%s: %w", driver, err)
		}
	}
	return nil
}

// strike ends all that set began.
func (s *stage) strike() {
	for _, p := range s.proxies {
		p.process.Stop()
	}
	if s.backend != nil {
		s.backend.Stop()
	}
	if s.postgres != nil {
		s.postgres.Close()
	}
	_ = os.RemoveAll(s.dir) // in the system's folder for such things
}

//go:embed equalizer.toml
var configuration string

// open starts a proxy and waits until it is ready.
func (s *stage) open(ctx context.Context, driver string) error {
	dir := filepath.Join(s.dir, driver)
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	addresses, err := child.FreeAddresses(2)
	if err != nil {
		return err
	}
	p := &proxy{driver: driver, address: addresses[0], admin: addresses[1]}
	path := filepath.Join(dir, "equalizer.toml")
	if err := s.configure(path, p); err != nil {
		return err
	}
	if p.process, err = child.Start(child.Program{Path: filepath.Join(s.dir, "equalizer"), Args: []string{"-c", path}, Dir: dir}); err != nil {
		return err
	}
	s.proxies = append(s.proxies, p)
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	return p.process.Await(ctx, func() error { return get(ctx, "http://"+p.admin+"/readyz", nil) })
}

func (s *stage) configure(path string, p *proxy) error {
	var server *url.URL
	if p.driver == config.StorePostgres {
		var err error
		if server, err = url.Parse(s.postgres.URL("")); err != nil {
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
		"Listen": p.address, "Admin": p.admin, "Backends": s.backends, "Driver": p.driver, "Postgres": server,
	})
}

// get reads an answer's JSON into v, unless that is nil. Anything but a 200 is an error.
func get(ctx context.Context, url string, v any) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", url, answer.Status)
	}
	if v == nil {
		return nil
	}
	return json.NewDecoder(answer.Body).Decode(v)
}

// cpu is what a proxy has used so far, and what PostgreSQL has if it is the proxy's store.
func (s *stage) cpu(p *proxy) (own, server time.Duration, err error) {
	if p.driver == config.StorePostgres {
		if server, err = cpuOf(s.postgres.PID()); err != nil {
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
