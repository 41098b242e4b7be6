package main

import (
	"net/http"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// SIGTERM comes in the middle of 100 slow requests and of new connections. Every request whose
// first byte was read gets its response, the flush is done, and the exit code is 0.
func TestStopLosesNothing(t *testing.T) {
	backends, flags := startBackends(t, 2)
	store := t.TempDir() + "/buckets.db"
	file := writeFile(t, "[server]\ndrain_delay = \"1s\"\n[limits.default]\nmax_buckets = 1000\n")
	p := limited(t, flags, store, "-c", file)
	require.Equal(t, 201, p.call("POST", "/buckets", `{"client_id":"slow","capacity":1000,"refill":"1/24h"}`).status)

	var slow sync.WaitGroup
	var answered atomic.Int64
	for range 100 {
		slow.Go(func() {
			req, err := http.NewRequest("GET", p.proxy+"/?delay=3s", nil)
			if !assert.NoError(t, err) {
				return
			}
			req.Header.Set("X-Client", "slow")
			client := &http.Client{Transport: &http.Transport{}} // asks for keep-alive
			resp, err := client.Do(req)
			if assert.NoError(t, err) && assert.Equal(t, 200, resp.StatusCode) {
				resp.Body.Close()
				answered.Add(1)
				assert.True(t, resp.Close, "it is told not to come back on this connection")
			}
		})
	}
	p.await("all to be under way", func() bool { return p.inFlight(backends[0])+p.inFlight(backends[1]) == 100 })

	// New connections keep coming. Each gets a response, or was never accepted.
	arriving := make(chan struct{})
	var arrived, refused atomic.Int64
	var arrivals sync.WaitGroup
	for range 4 {
		arrivals.Go(func() {
			for {
				select {
				case <-arriving:
					return
				default:
				}
				a, err := do("GET", p.proxy+"/", "", "X-Client", "slow")
				if err != nil {
					refused.Add(1)
					continue
				}
				if assert.Contains(t, []int{200, 429}, a.status) && a.status == 200 {
					arrived.Add(1)
				}
			}
		})
	}
	p.signal(syscall.SIGTERM)
	await(t, "readiness to be off", func() bool {
		a, err := do("GET", p.admin+"/readyz", "")
		return err == nil && a.status == 503
	})
	before := arrived.Load()
	await(t, "new connections to be served while it drains", func() bool { return arrived.Load() > before })
	slow.Wait()
	require.Equal(t, 0, p.wait(), p.logs.text())
	close(arriving)
	arrivals.Wait()
	assert.Equal(t, int64(100), answered.Load())
	assert.Positive(t, refused.Load(), "in the end nobody listens")

	p = limited(t, flags, store)
	assert.Equal(t, 1000-100-arrived.Load(), p.bucket("slow").Tokens, "every request is in the last flush")
	p.stop()
}

func TestSecondSignalStopsAtOnce(t *testing.T) {
	backends, flags := startBackends(t, 1)
	p := launch(t, free(flags...)...)
	go func() { _, _ = do("GET", p.proxy+"/?delay=50s", "") }() // cut by the second signal
	p.await("it to be under way", func() bool { return p.inFlight(backends[0]) == 1 })
	p.signal(syscall.SIGINT)
	p.logs.await(t, "stopping")
	p.signal(syscall.SIGINT)
	assert.Equal(t, 130, p.wait())
}

func TestStopWithTheStoreAwaySaysWhatIsLost(t *testing.T) {
	t.Parallel()
	server := newCluster(t)
	_, flags := startBackends(t, 1)
	file := writeFile(t, "[server]\nshutdown_timeout = \"2s\"\n[store]\ntimeout = \"1s\"\n")
	p := limited(t, flags, server.URL("equalizer"), "-c", file)
	p.flushed()
	require.NoError(t, server.Stop())
	require.Equal(t, 200, p.get("/", "X-Client", "a").status)
	p.signal(syscall.SIGTERM)
	assert.Equal(t, 1, p.wait())
	assert.Contains(t, p.logs.text(), "1 bucket not flushed")
}

// What an operator said of backends isn't lost without a word, also where nothing is limited.
func TestStopWithTheStoreAwaySaysThatOverridesAreLost(t *testing.T) {
	t.Parallel()
	server := newCluster(t)
	backends, flags := startBackends(t, 2)
	file := writeFile(t, "[server]\nshutdown_timeout = \"2s\"\n[store]\ntimeout = \"1s\"\n")
	p := launch(t, free(append(flags, "--store", server.URL("equalizer"), "-c", file)...)...)
	require.NoError(t, server.Stop())
	p.command("backends", "maint", backends[0].address)
	p.command("backends", "weight", backends[1].address, "2")
	p.signal(syscall.SIGTERM)
	assert.Equal(t, 1, p.wait())
	assert.Contains(t, p.logs.text(), "2 overrides not stored")
	assert.NotContains(t, p.logs.text(), "all that was spent is stored")
}

// A signal before the process is ready ends it too.
func TestStopBeforeReady(t *testing.T) {
	t.Parallel()
	server := newCluster(t)
	url := server.URL("equalizer")
	require.NoError(t, server.Stop())
	_, flags := startBackends(t, 1)
	p := spawn(t, free(append(flags, "--capacity", "1", "--store", url)...)...)
	p.logs.await(t, "starting")
	p.signal(syscall.SIGTERM)
	assert.Equal(t, 0, p.wait(), p.logs.text())
}

// A request that is idle on a kept connection doesn't hold the stop up.
func TestIdleConnectionsDontHoldTheStopUp(t *testing.T) {
	_, flags := startBackends(t, 1)
	p := launch(t, free(flags...)...)
	client := &http.Client{}
	resp, err := client.Get(p.proxy + "/")
	require.NoError(t, err)
	resp.Body.Close()
	start := time.Now()
	p.stop()
	assert.Less(t, time.Since(start), 15*time.Second, "shutdown_timeout is 20s")
}
