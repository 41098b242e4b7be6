package main

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/store/postgres/pgtest"
)

// The database is away for a while, under load. No proxied request fails, admin writes get
// responses within their deadline, and the rows are right afterwards. In TestLongDatabaseOutage it
// is away for longer.
func TestDatabaseOutage(t *testing.T) {
	t.Parallel()
	takeDatabaseAway(t, time.Second)
}

// takeDatabaseAway is TestDatabaseOutage. The length of the outage is what the proxy must survive,
// and not a wait for something.
func takeDatabaseAway(t *testing.T, outage time.Duration) {
	for name, away := range map[string]func(*pgtest.Cluster) (back func() error, err error){
		"stopped and started again": func(c *pgtest.Cluster) (func() error, error) { return c.Run, c.Stop() },
		"frozen and thawed":         func(c *pgtest.Cluster) (func() error, error) { return c.Thaw, c.Freeze() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := newCluster(t)
			store := server.URL("equalizer")
			_, flags := startBackends(t, 2)
			p := limited(t, flags, store, "-c", writeFile(t, "[store]\ntimeout = \"2s\"\n"))
			require.Equal(t, 201, p.call("POST", "/buckets", `{"client_id":"load","capacity":400000,"refill":"1/1h"}`).status)
			require.Equal(t, 201, p.call("POST", "/buckets", `{"client_id":"to-delete","capacity":5}`).status)
			l := startLoad(4, p.proxy+"/", "X-Client", "load")
			p.flushed()

			back, err := away(server)
			require.NoError(t, err)
			over := time.After(outage)
			for done := false; !done; {
				p.slowWrite()
				select {
				case <-over:
					done = true
				default:
				}
			}
			assert.False(t, p.status().Store.Up)
			assert.Equal(t, 200, p.call("GET", "/readyz", "").status, "an outage doesn't stop traffic")
			require.NoError(t, back())
			p.await("the store to be up", func() bool { return p.status().Store.Up })
			require.Equal(t, 204, p.call("DELETE", "/buckets/to-delete", "").status)
			l.stop()
			assert.Zero(t, l.broken.Load())
			assert.Zero(t, l.refused.Load())
			p.flushed()
			want := p.bucket("load").Tokens
			assert.Equal(t, 400_000-l.answered.Load(), want)
			p.kill()

			p = limited(t, flags, store)
			assert.Equal(t, want, p.bucket("load").Tokens)
			assert.Equal(t, 404, p.call("GET", "/buckets/to-delete", "").status)
			p.stop()
		})
	}
}

// slowWrite makes an admin write while the store is away.
func (p *proxied) slowWrite() {
	p.t.Helper()
	start := time.Now()
	a := p.call("PUT", "/buckets/during", `{"tokens":1}`)
	assert.Equal(p.t, 503, a.status, a.body)
	assert.Equal(p.t, "application/problem+json", a.header.Get("Content-Type"))
	assert.Less(p.t, time.Since(start), 10*time.Second, "store.timeout is 2s; the rest is a slow machine's")
}

// The database is away at the start. The process waits for it, or gives up and says where it
// looked.
func TestDatabaseAwayAtTheStart(t *testing.T) {
	t.Parallel()
	server := newCluster(t)
	store := server.URL("equalizer")
	require.NoError(t, server.Stop())
	_, flags := startBackends(t, 1)
	args := func(toml string) []string {
		return free(append(slices.Clone(flags), "-c", writeFile(t, toml), "--capacity", "10", "--refill", "1/1m", "--key", "header:X-Client", "--secret=false", "--store", store)...)
	}
	gaveUp := spawn(t, args("[store]\nconnect_timeout = \"1s\"\n")...)
	assert.Equal(t, 1, gaveUp.wait())
	assert.Contains(t, gaveUp.logs.text(), "127.0.0.1")

	later := launch(t, args("[store]\nconnect_timeout = \"1s\"\nrequired_at_start = false\n")...)
	require.Equal(t, 200, later.get("/", "X-Client", "a").status)
	assert.False(t, later.status().Store.Up)
	assert.Equal(t, 503, later.call("PUT", "/buckets/b", "{}").status)

	store = server.URL("another") // Otherwise the two would contend for one.
	waiting := spawn(t, args("[store]\nconnect_timeout = \"60s\"\n")...)
	waiting.logs.await(t, "waiting for PostgreSQL")
	require.NoError(t, server.Run())
	later.await("the store", func() bool { return later.status().Store.Up })
	assert.Equal(t, 201, later.call("PUT", "/buckets/b", "{}").status)
	assert.Equal(t, int64(9), later.bucket("a").Tokens)
	waiting.logs.await(t, "ready")
	later.stop()
	waiting.stop()
}

// newCluster is a PostgreSQL of the test's own, which it can stop and freeze.
func newCluster(t *testing.T) *pgtest.Cluster {
	t.Helper()
	c, err := pgtest.Start()
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}
