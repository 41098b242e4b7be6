package main

import (
	"bytes"
	"testing"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/assert"

	"gopher-equalizer/config"
)

// withBackends is a configuration with that many backends, with that many connections each.
func withBackends(n, connections int) config.Config {
	c := config.Default()
	pool := config.DefaultPool()
	pool.MaxConnections = connections
	for range n {
		pool.Backends = append(pool.Backends, config.DefaultBackend("http://b"))
	}
	c.Pools = map[string]config.Pool{"default": pool}
	return c
}

// withHTTP2 adds a listener whose clients may speak it.
func withHTTP2(c config.Config) config.Config {
	listener := config.DefaultListener(":443")
	listener.TLS = true
	c.Listeners = []config.Listener{listener}
	return c
}

func TestMaxRunning(t *testing.T) {
	f := func(c config.Config, configured, limit, want int) {
		t.Helper()
		c.Server.MaxRunning = configured
		d := newDescriptors(c, limit)
		assert.Equal(t, want, d.running)
		if limit > 256 {
			assert.LessOrEqual(t, d.files(d.clients()), limit)
		}
	}
	f(withBackends(1, 1024), 5, 1<<20, 0)
	one := withHTTP2(withBackends(1, 1024))
	f(one, 0, 1<<20, 2024)
	f(one, 0, 4096, 2024)
	f(one, 0, 1024, (1024-66-128)/4)
	f(one, 0, 1, 1)
	f(one, 0, 0, 2024)
	f(withHTTP2(withBackends(1, 10)), 0, 1<<20, 1010)
	f(withHTTP2(withBackends(100, 1<<20)), 0, 1<<20, (1<<20-1<<17-264)/4)

	f(one, 50, 1<<20, 50)
	f(one, 50, 1024, 50)
	f(one, 50, 0, 50)
	f(one, 5000, 1<<20, 5000)
	f(one, 5000, 1024, (1024-66-128)/2)
}

func TestMaxConnections(t *testing.T) {
	f := func(c config.Config, limit, want int, warns string) {
		t.Helper()
		var log bytes.Buffer
		got := newDescriptors(c, limit).maxConnections(c.Server.MaxConnections, zerolog.New(&log))
		assert.Equal(t, want, got)
		if warns == "" {
			assert.Empty(t, log.String())
		} else {
			assert.Contains(t, log.String(), warns)
		}
		if limit > 100 {
			assert.LessOrEqual(t, newDescriptors(c, limit).files(got), limit)
		}
	}
	one := withBackends(1, 1024)
	f(one, 256, 79, `"open_files":256,"wanted":11122,"max_connections":79`)
	f(one, 1, 1, `"open_files":1`)
	f(one, 1<<20, 1<<20-1<<17-66-1024, "")
	f(one, 0, 0, "")
	f(withBackends(3, 1024), 4096, 1757, `"max_connections":1757`)
	f(withBackends(100, 1<<20), 1<<20, (1<<20-1<<17-264)/2, "")

	// A request of HTTP/2 needs a connection to a backend, and many come over one of a client.
	secure := withHTTP2(withBackends(1, 1024))
	f(secure, 256, 59, `"max_connections":59`)
	f(secure, 1<<20, 1<<20-1<<17-66-1024, "")
	f(withHTTP2(withBackends(100, 1<<20)), 1<<20, (1<<20-1<<17-264)*3/8, "")

	one.Server.MaxConnections = 50
	f(one, 256, 50, "")
	f(one, 0, 50, "")
	one.Server.MaxConnections = 5000
	f(one, 256, 79, `"open_files":256,"wanted":6122,"max_connections":79`)
	f(one, 1<<20, 5000, "")
}
