package main

import (
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// takesOver is how long a process that stands by may take to serve once the store is released. It
// takes less than a second, but a machine under load is no failure.
const takesOver = 10 * time.Second

// A process that stands by takes over where the one that served ended, by a stop or a crash. It
// says meanwhile that it isn't ready. Measured is the time from the moment at which the other one
// logs that the store is released, or from its SIGKILL, to the first response that is proxied.
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
			p.signal(syscall.SIGTERM)
			p.logs.await(t, "the store is released: waiting for what is being relayed")
			next.takeOver("a stop")
			require.Equal(t, 0, p.wait(), p.logs.text())
			assert.EqualValues(t, 3, next.bucket("a").Tokens, "one was taken before, and one after")
			assert.Equal(t, 200, next.call("GET", "/readyz", "").status)
			next.flushed()

			last := standBy(t, args...)
			next.signal(syscall.SIGKILL)
			last.takeOver("a crash")
			require.Equal(t, -1, next.wait())
			assert.EqualValues(t, 2, last.bucket("a").Tokens)
			assert.EqualValues(t, 50, last.bucket("vip").Tokens)
			last.stop()
		})
	}
}

// takeOver waits for the first response by a process that stood by until now, and checks and logs
// how long that takes.
func (p *proxied) takeOver(what string) {
	p.t.Helper()
	released := time.Now()
	p.awaitReady()
	require.Equal(p.t, 200, p.get("/", "X-Client", "a").status)
	took := time.Since(released)
	p.t.Logf("the first response came %v after %s", took.Round(time.Millisecond), what)
	assert.Less(p.t, took, takesOver)
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
