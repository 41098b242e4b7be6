package main

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A process that stands by takes over where the one that served ended, by a stop or a crash. It
// says meanwhile that it isn't ready.
func TestStandby(t *testing.T) {
	t.Parallel()
	server := newCluster(t)
	for name, store := range map[string]string{"bolt": t.TempDir() + "/buckets.db", "postgres": server.URL("equalizer")} {
		t.Run(name, func(t *testing.T) {
			_, flags := startBackends(t, 1)
			args := append(flags, "--store", store, "--key", "header:X-Client", "--capacity", "5", "--refill", "1/1h")
			p := launch(t, free(args...)...)
			require.Equal(t, 200, p.get("/", "X-Client", "a").status)
			require.Equal(t, 201, p.call("POST", "/buckets", `{"client_id":"vip","capacity":50}`).status)

			args = append(args, "-c", writeFile(t, "[store]\nstandby = true\n"))
			next := standBy(t, args...)
			p.stop()
			next.awaitReady()
			assert.EqualValues(t, 4, next.bucket("a").Tokens)
			assert.Equal(t, 200, next.get("/", "X-Client", "a").status)
			assert.Equal(t, 200, next.call("GET", "/readyz", "").status)
			next.flushed()

			last := standBy(t, args...)
			next.kill()
			last.awaitReady()
			assert.EqualValues(t, 3, last.bucket("a").Tokens)
			assert.EqualValues(t, 50, last.bucket("vip").Tokens)
			last.stop()
		})
	}
}

// standBy starts a process that has to wait for the store.
func standBy(t *testing.T, args ...string) *proxied {
	t.Helper()
	p := spawn(t, free(args...)...)
	p.admin = "http://" + local(p.logs.await(t, "standing by for the store")["admin"].(string))
	is := p.call("GET", "/readyz", "")
	assert.Equal(t, 503, is.status)
	assert.Contains(t, is.body, `"reason":"standby"`)
	assert.Equal(t, 503, p.call("GET", "/buckets", "").status)
	return p
}

// One that stands by on the same addresses is asked nothing, waits all the same, and ends at once
// when it is told to.
func TestStandbyOnTheSameAddress(t *testing.T) {
	t.Parallel()
	_, flags := startBackends(t, 1)
	args := append(flags, "--store", t.TempDir()+"/buckets.db", "--capacity", "5", "--listen", freeAddress(t), "--admin", freeAddress(t))
	p := launch(t, args...)
	args = append(args, "-c", writeFile(t, "[store]\nstandby = true\n"))
	next, other := spawn(t, args...), spawn(t, args...)
	const words = "standing by for the store; /readyz can't be asked meanwhile, since another process listens there"
	next.logs.await(t, words)
	other.logs.await(t, words)
	other.stop()
	assert.Equal(t, 200, p.get("/").status)
	p.stop()
	next.awaitReady()
	assert.Equal(t, 200, next.get("/").status)
	next.stop()
}
