package main

import (
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// limited runs a proxy whose clients are identified by a header, on a store.
func limited(t *testing.T, flags []string, store string, more ...string) *proxied {
	t.Helper()
	args := free(append(flags, "--key", "header:X-Client", "--secret=false", "--capacity", "10", "--refill", "1/1m", "--store", store)...)
	return launch(t, append(args, more...)...)
}

func TestABucketAdmitsItsTokens(t *testing.T) {
	_, flags := startBackends(t, 1)
	p := limited(t, flags, "memory")
	defer p.stop()
	a := p.call("POST", "/buckets", `{"client_id":"test1234","capacity":15,"tokens":5,"refill":"1/1m"}`)
	require.Equal(t, 201, a.status, a.body)

	var admitted atomic.Int64
	var refusal answer
	var mu sync.Mutex
	var clients sync.WaitGroup
	for range 20 {
		clients.Go(func() {
			a, err := do("GET", p.proxy+"/", "", "X-Client", "test1234")
			assert.NoError(t, err)
			if a.status == 200 {
				admitted.Add(1)
				return
			}
			mu.Lock()
			refusal = a
			mu.Unlock()
		})
	}
	clients.Wait()
	assert.Equal(t, int64(5), admitted.Load())
	assert.Equal(t, 429, refusal.status)
	assert.Equal(t, "application/problem+json", refusal.header.Get("Content-Type"))
	assert.Contains(t, refusal.body, "quota-exceeded")
	assert.Equal(t, `"default";q=15;w=900`, refusal.header.Get("RateLimit-Policy"))
	seconds, err := strconv.Atoi(refusal.header.Get("Retry-After"))
	require.NoError(t, err)
	assert.InDelta(t, 55, seconds, 5, "a token a minute, and the first of it has run")
}

// Retry-After is right: a request passes then.
func TestRetryAfterIsTrue(t *testing.T) {
	_, flags := startBackends(t, 1)
	p := limited(t, flags, "memory")
	defer p.stop()
	a := p.call("POST", "/buckets", `{"client_id":"fast","capacity":1,"refill":"1/2s"}`)
	require.Equal(t, 201, a.status, a.body)
	require.Equal(t, 200, p.get("/", "X-Client", "fast").status)
	refusal := p.get("/", "X-Client", "fast")
	require.Equal(t, 429, refusal.status)
	seconds, err := strconv.Atoi(refusal.header.Get("Retry-After"))
	require.NoError(t, err)
	passed := time.After(time.Duration(seconds) * time.Second)
	<-passed // The client does as Retry-After asks. It doesn't wait for something to happen.
	assert.Equal(t, 200, p.get("/", "X-Client", "fast").status)
}

// 64 clients on one bucket never get more than capacity + refill * t.
func TestContentionOnOneBucket(t *testing.T) {
	_, flags := startBackends(t, 1)
	p := limited(t, flags, "memory")
	defer p.stop()
	a := p.call("POST", "/buckets", `{"client_id":"hot","capacity":50,"refill":"100/s"}`)
	require.Equal(t, 201, a.status, a.body)
	start := time.Now()
	l := startLoad(64, p.proxy+"/", "X-Client", "hot")
	await(t, "requests", func() bool { return l.answered.Load() > 100 && l.refused.Load() > 1000 })
	l.stop()
	elapsed := time.Since(start).Seconds()
	assert.LessOrEqual(t, float64(l.answered.Load()), 50+100*elapsed)
	assert.Zero(t, l.broken.Load())
}

// stores outlive a kill -9. Each returns a value for --store, a new one at every call.
func stores(t *testing.T) map[string]string {
	return map[string]string{
		"bolt":     filepath.Join(t.TempDir(), "buckets.db"),
		"postgres": server.Schema(t),
	}
}

func TestKillAfterAFlush(t *testing.T) {
	t.Parallel()
	for name, store := range stores(t) {
		t.Run(name, func(t *testing.T) {
			_, flags := startBackends(t, 1)
			p := limited(t, flags, store)
			for client, requests := range map[string]int{"spent": 12, "half": 5} {
				for range requests {
					p.get("/", "X-Client", client)
				}
			}
			require.Equal(t, 201, p.call("POST", "/buckets", `{"client_id":"managed","capacity":100,"tokens":7,"refill":"1/1h"}`).status)
			p.get("/", "X-Client", "managed")
			p.flushed()
			p.kill()

			p = limited(t, flags, store)
			assert.Equal(t, int64(0), p.bucket("spent").Tokens)
			assert.Equal(t, int64(5), p.bucket("half").Tokens)
			assert.Equal(t, bucket{ClientID: "managed", Capacity: 100, Tokens: 6, Refill: "1/1h", Managed: true}, p.bucket("managed"))
			assert.Equal(t, 429, p.get("/", "X-Client", "spent").status)
			p.stop()
		})
	}
}

// A strict process that is killed gives back nothing: its clients have lost what was reserved, and
// a client without a row may have spent everything. A failed start or a stop is no crash.
//
// The process that is killed makes no round, since its interval is an hour, and the early one is a
// twentieth of that. A round among the ten requests would give their client a row, and reserve only
// half of what they spend.
func TestKillOfAStrictProcess(t *testing.T) {
	t.Parallel()
	for name, store := range stores(t) {
		t.Run(name, func(t *testing.T) {
			_, flags := startBackends(t, 1)
			const strict = "[store]\ndurability = \"strict\"\n"
			idle := slices.Concat(flags, []string{"-c", writeFile(t, strict+"flush_interval = \"1h\"\n")})
			flags = append(flags, "-c", writeFile(t, strict))
			p := limited(t, flags, store)
			for range 3 {
				require.Equal(t, 200, p.get("/", "X-Client", "row").status)
			}
			p.flushed()
			p.stop()
			failed := spawn(t, free(append(flags, "--key", "header:X-Client", "--capacity", "10", "--refill", "1/1m", "--store", store, "--listen", "203.0.113.1:1")...)...)
			require.Equal(t, 1, failed.wait())

			p = limited(t, idle, store)
			require.Equal(t, int64(7), p.bucket("row").Tokens)
			for range 10 {
				require.Equal(t, 200, p.get("/", "X-Client", "no row").status)
			}
			require.Zero(t, p.status().Store.Flushes)
			p.kill()
			p = limited(t, flags, store)
			assert.Equal(t, int64(2), p.bucket("row").Tokens)
			assert.Equal(t, 429, p.get("/", "X-Client", "no row").status)
			assert.Equal(t, 429, p.get("/", "X-Client", "never seen").status)
			p.stop()
		})
	}
}

// A second process on the same file or schema exits 1 and names the holder.
func TestOneWriter(t *testing.T) {
	t.Parallel()
	for name, store := range stores(t) {
		t.Run(name, func(t *testing.T) {
			_, flags := startBackends(t, 1)
			p := limited(t, flags, store)
			file := writeFile(t, "[store]\nconnect_timeout = \"1s\"\n")
			second := spawn(t, free(append(flags, "-c", file, "--capacity", "10", "--store", store)...)...)
			assert.Equal(t, 1, second.wait())
			assert.Contains(t, second.logs.text(), "process "+strconv.Itoa(p.cmd.Process.Pid))
			p.stop()
		})
	}
}
