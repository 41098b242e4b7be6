package main

import (
	"errors"
	"net/http"
	"net/http/httptrace"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/balancer/tlstest"
)

// errNotAccepted means that no connection was made: nobody listens any more, or the system reset
// one that nobody had accepted.
var errNotAccepted = errors.New("the connection wasn't accepted")

// A stop loses no request that comes by HTTP/2: those that run get their responses, and a client
// that is told to go away sends the next one on another connection, as long as any is accepted.
func TestStopLosesNothingByH2(t *testing.T) {
	b := startBackend(t, "127.0.0.1:0")
	store := t.TempDir() + "/buckets.db"
	text := twoListeners + poolOf("web", b.url()) + newPair(t, tlstest.NewCA(t).Issue("a.test")).table() +
		"[server]\ndrain_delay = \"1s\"\n[limits.site]\nkey = \"header:X-Client\"\nsecret = false\ncapacity = 1000000\nrefill = \"1/20m\"\n"
	r, _, secure := launchEdge(t, text, "--store", store)
	get := func(client *http.Client, path string) error {
		req, err := http.NewRequest("GET", "https://"+secure+path, nil)
		if err != nil {
			return err
		}
		req.Header.Set("X-Client", "one")
		var isConnected atomic.Bool
		resp, err := client.Do(req.WithContext(httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
			GotConn: func(httptrace.GotConnInfo) { isConnected.Store(true) },
		})))
		// A request that GOAWAY turned away is sent again, on a connection that may be refused.
		if err != nil && (!isConnected.Load() || errors.Is(err, syscall.ECONNREFUSED)) {
			return errors.Join(errNotAccepted, err)
		}
		if err != nil {
			return err
		}
		assert.Equal(t, 200, resp.StatusCode)
		assert.Equal(t, 2, resp.ProtoMajor)
		return resp.Body.Close()
	}

	var slow sync.WaitGroup
	for range 4 {
		client := &http.Client{Transport: byH2()}
		for range 25 {
			slow.Go(func() { assert.NoError(t, get(client, "/?delay=3s")) })
		}
	}
	r.await("all to be under way", func() bool { return r.inFlight(b) == 100 })

	stopped := make(chan struct{})
	var arrived, refused atomic.Int64
	var arrivals sync.WaitGroup
	for range 4 {
		client := &http.Client{Transport: byH2()}
		arrivals.Go(func() {
			for {
				select {
				case <-stopped:
					return
				default:
				}
				switch err := get(client, "/"); {
				case errors.Is(err, errNotAccepted):
					refused.Add(1)
				case assert.NoError(t, err):
					arrived.Add(1)
				}
			}
		})
	}
	await(t, "requests", func() bool { return arrived.Load() > 10 })
	r.signal(syscall.SIGTERM)
	r.logs.await(t, "stopping")
	before := arrived.Load()
	await(t, "requests to be served while it drains", func() bool { return arrived.Load() > before+10 })
	slow.Wait()
	require.Equal(t, 0, r.wait(), r.logs.text())
	close(stopped)
	arrivals.Wait()
	assert.Positive(t, refused.Load(), "in the end nobody listens")

	r, _, _ = launchEdge(t, text, "--store", store)
	assert.Equal(t, 1_000_000-100-arrived.Load(), r.bucket("one").Tokens, "every request is in the last flush")
	r.stop()
}
