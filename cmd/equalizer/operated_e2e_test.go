//go:build e2e

package main

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/balancer"
)

// A backend can be drained while the database is away. That holds at once, and is stored when the
// database is back.
func TestDrainWhileTheDatabaseIsAway(t *testing.T) {
	t.Parallel()
	server := newCluster(t)
	store := server.URL("equalizer")
	backends, flags := startBackends(t, 2)
	run := func() *proxied {
		return launch(t, free(append(flags, "--store", store, "--capacity", "1000", "-c", writeFile(t, "[store]\ntimeout = \"1s\"\n"))...)...)
	}
	p := run()
	require.NoError(t, server.Stop())
	assert.Contains(t, p.command("backends", "drain", backends[0].address), "not stored")
	is := p.operatedBackend(backends[0])
	assert.Equal(t, balancer.Drain, is.State)
	assert.False(t, is.Stored)
	for range 4 {
		assert.Equal(t, backends[1].address, p.get("/").header.Get("Backend"))
	}
	require.NoError(t, server.Run())
	p.await("the override to be stored", func() bool { return p.operatedBackend(backends[0]).Stored })
	p.kill()

	p = run()
	assert.Equal(t, balancer.Drain, p.operatedBackend(backends[0]).State)
	p.stop()
}
