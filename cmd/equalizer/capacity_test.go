package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/balancer/tlstest"
)

// crowded is a pool that serves one request at a time, and has two wait.
const crowded = clearAndSecure + `
[pools.default]
backends = [%s]
max_in_flight = 1
queue = 2
queue_timeout = "1m"
client_share = 1.0
[pools.default.health]
path = "/health"
[[routes]]
[[routes]]
path_prefix = "/low"
priority = "low"
[[routes]]
path_prefix = "/high"
priority = "high"
`

// response is the outcome of a request: the status, or 0 if its client left.
type response struct {
	status int
	header http.Header
	body   string
}

// leaving sends a GET that its client can leave, and returns its outcome.
func leaving(t *testing.T, c *http.Client, url string) (<-chan response, context.CancelFunc) {
	ctx, leave := context.WithCancel(t.Context())
	came := make(chan response, 1)
	go func() {
		request, err := http.NewRequestWithContext(ctx, "GET", url, nil)
		if err != nil {
			came <- response{}
			return
		}
		r, err := c.Do(request)
		if err != nil {
			came <- response{}
			return
		}
		defer r.Body.Close()
		body, _ := io.ReadAll(r.Body)
		came <- response{r.StatusCode, r.Header, string(body)}
	}()
	return came, leave
}

// Requests wait while no backend has room, those of higher priority in front. Who finds the queue
// full gets a 503 with the time to try again, and who leaves frees the place there.
func TestCapacity(t *testing.T) {
	ca := tlstest.NewCA(t)
	b := startFaulty(t)
	served, release := make(chan string, 10), make(chan struct{})
	b.serve(func(w http.ResponseWriter, r *http.Request) {
		served <- r.URL.Path
		<-release
	})
	r, clear, secure := launchEdge(t, fmt.Sprintf(crowded, `"`+b.url()+`"`)+newPair(t, ca.Issue("a.test")).table())
	defer r.stop()
	config := &tls.Config{RootCAs: ca.Roots(), ServerName: "a.test"}
	old := &http.Transport{TLSClientConfig: config}
	t.Cleanup(old.CloseIdleConnections)
	for name, by := range map[string]struct {
		client *http.Client
		url    string
	}{
		"HTTP1":        {&http.Client{Transport: old}, "http://" + clear},
		"HTTP1 by TLS": {&http.Client{Transport: old}, "https://" + secure},
		"HTTP2":        {speaking(t, config.Clone()), "https://" + secure},
	} {
		t.Run(name, func(t *testing.T) {
			crowd(t, r.proxied, by.client, by.url, served, release)
		})
	}
}

// crowd has more requests come than a crowded pool has room for.
func crowd(t *testing.T, p *proxied, client *http.Client, url string, served <-chan string, release chan<- struct{}) {
	waiting := func(n int) {
		t.Helper()
		p.await("requests to wait", func() bool { return p.queue().Waiting == n })
	}
	before := p.queue()
	first, _ := leaving(t, client, url+"/first")
	require.Equal(t, "/first", <-served)
	low, _ := leaving(t, client, url+"/low")
	waiting(1)
	gone, leave := leaving(t, client, url+"/gone")
	waiting(2)

	full, _ := leaving(t, client, url+"/low/full")
	refused := <-full
	assert.Equal(t, 503, refused.status)
	assert.Equal(t, "1", refused.header.Get("Retry-After"))
	assert.Contains(t, refused.body, "urn:gopher-equalizer:queue-full")
	p.logs.awaitLine(t, "the refusal", func(line string) bool { return strings.Contains(line, `"reason":"queue-full"`) })

	leave()
	waiting(1)
	assert.Zero(t, (<-gone).status)
	high, _ := leaving(t, client, url+"/high")
	waiting(2)
	for _, path := range []string{"/high", "/low"} {
		release <- struct{}{}
		require.Equal(t, path, <-served)
	}
	high2, _ := leaving(t, client, url+"/high/2")
	waiting(1)
	low2, _ := leaving(t, client, url+"/low/2")
	waiting(2)
	high3, _ := leaving(t, client, url+"/high/3")
	assert.Equal(t, 503, (<-low2).status, "it gives way")
	for range 3 {
		release <- struct{}{}
	}
	for _, came := range []<-chan response{first, low, high, high2, high3} {
		assert.Equal(t, 200, (<-came).status)
	}
	<-served
	<-served
	now := p.queue()
	assert.EqualValues(t, 4, now.Waited-before.Waited)
	assert.EqualValues(t, 2, now.Refused-before.Refused)
	assert.EqualValues(t, 1, now.Left-before.Left)
	assert.Zero(t, now.Waiting)
}

// queueStatus is what GET /status has of a queue.
type queueStatus struct {
	Waiting               int
	Waited, Refused, Left int64
}

// queue is that of the only pool.
func (p *proxied) queue() queueStatus {
	p.t.Helper()
	pools := p.status().Pools
	require.Len(p.t, pools, 1)
	return pools[0].Queue
}
