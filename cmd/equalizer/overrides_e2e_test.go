//go:build e2e

package main

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/store/postgres/pgtest"
)

// A drain counts at once while the database is away, without limits too, and is stored when it is
// back. A start meanwhile goes on without what is stored, and takes it then.
func TestOverrideDuringAnOutage(t *testing.T) {
	t.Parallel()
	for name, away := range map[string]func(*pgtest.Cluster) (back func() error, err error){
		"stopped and started again": func(c *pgtest.Cluster) (func() error, error) { return c.Run, c.Stop() },
		"frozen and thawed":         func(c *pgtest.Cluster) (func() error, error) { return c.Thaw, c.Freeze() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := newCluster(t)
			backends, flags := startBackends(t, 2)
			args := free(append(flags, "--store", server.URL("equalizer"), "-c", writeFile(t, "[store]\ntimeout = \"1s\"\nrequired_at_start = false\n"))...)
			p := launch(t, args...)
			p.command("backends", "weight", backends[1].address, "3")
			p.await("the weight to be stored", func() bool { return p.operatedBackend(backends[1]).Stored })

			back, err := away(server)
			require.NoError(t, err)
			began := time.Now()
			p.command("backends", "drain", backends[0].address)
			assert.Less(t, time.Since(began), 10*time.Second)
			assert.False(t, p.operatedBackend(backends[0]).Stored)
			for range 8 {
				assert.Equal(t, backends[1].address, p.get("/").header.Get("Backend"))
			}
			second := launch(t, args...)
			assert.Equal(t, 1, second.operatedBackend(backends[1]).Weight)

			require.NoError(t, back())
			p.await("the drain to be stored", func() bool { return p.operatedBackend(backends[0]).Stored })
			second.await("the stored weight to count", func() bool { return second.operatedBackend(backends[1]).Weight == 3 })
			second.stop()
			p.stop()
			p = launch(t, args...)
			assert.Equal(t, "drain", string(p.operatedBackend(backends[0]).State))
			p.stop()
		})
	}
}

// A reload tells what it changes without effect, and an override goes with its backend.
func TestReloadOfOverriddenBackends(t *testing.T) {
	one, other := startBackend(t, "127.0.0.1:0"), startBackend(t, "127.0.0.1:0")
	with := func(backends ...string) string {
		return local0 + "[store]\ndriver = \"memory\"\n" + probedPool("web", time.Hour, backends...)
	}
	r := launchWith(t, with(weighted(one.url(), 1), weighted(other.url(), 1)))
	r.command("backends", "weight", one.address, "5")
	r.write(with(weighted(one.url(), 3), weighted(other.url(), 1)))
	a := r.call(http.MethodPost, "/reload", "{}")
	require.Equal(t, 200, a.status, a.body)
	assert.Contains(t, a.body, fmt.Sprintf("web/%s: the configuration says weight 3, an override says 5", one.url()))
	assert.Equal(t, 5, r.operatedBackend(one).Weight)
	r.reloads(with(weighted(other.url(), 1)))
	r.reloads(with(weighted(one.url(), 3), weighted(other.url(), 1)))
	assert.Equal(t, 3, r.operatedBackend(one).Weight)
	r.stop()
}
