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

	one.Server.MaxConnections = 50
	f(one, 256, 50, "")
	f(one, 0, 50, "")
	one.Server.MaxConnections = 5000
	f(one, 256, 79, `"open_files":256,"wanted":6122,"max_connections":79`)
	f(one, 1<<20, 5000, "")
}
