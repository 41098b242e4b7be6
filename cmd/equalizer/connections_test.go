package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The settings of connections to backends hold: how many there are, how many of them one client may
// hold, and how long they are kept.
func TestConnectionsToBackends(t *testing.T) {
	release := make(chan struct{})
	asked := make(chan struct{}, 10)
	var mu sync.Mutex
	states := map[net.Conn]http.ConnState{}
	b := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/wait" {
			asked <- struct{}{}
			<-release
		}
		_, _ = io.WriteString(w, "ok")
	}))
	b.Config.ConnState = func(c net.Conn, s http.ConnState) {
		mu.Lock()
		defer mu.Unlock()
		if states[c] = s; s == http.StateClosed {
			delete(states, c)
		}
	}
	b.Start()
	t.Cleanup(b.Close)
	p := launch(t, free("-c", writeFile(t, fmt.Sprintf(`
[server]
trusted_proxies = ["127.0.0.1"]
[pools.default]
backends = [%q]
max_connections = 4
queue = 0
client_share = 0.5
keep_alive = "100ms"
[pools.default.health]
type = "tcp"
interval = "24h"
timeout = "10s"
`, b.URL)))...)
	defer p.stop()

	var waiting sync.WaitGroup
	hold := func(n int, client string) {
		for range n {
			waiting.Go(func() {
				a, err := do("GET", p.proxy+"/wait", "", "X-Forwarded-For", client)
				assert.NoError(t, err)
				assert.Equal(t, 200, a.status)
			})
		}
		for range n {
			<-asked
		}
	}
	hold(2, "192.0.2.1")
	refused := p.get("/", "X-Forwarded-For", "192.0.2.1")
	require.Equal(t, 503, refused.status)
	assert.Contains(t, refused.body, "client-share")
	assert.Equal(t, "ok", p.get("/", "X-Forwarded-For", "192.0.2.2").body)
	hold(2, "192.0.2.3")
	refused = p.get("/", "X-Forwarded-For", "192.0.2.2")
	require.Equal(t, 503, refused.status)
	assert.Contains(t, refused.body, "backend-busy")
	assert.Equal(t, "1", refused.header.Get("Retry-After"))

	close(release)
	waiting.Wait()
	assert.Equal(t, "ok", p.get("/", "X-Forwarded-For", "192.0.2.1").body)
	require.Eventually(t, func() bool {
		mu.Lock()
		defer mu.Unlock()
		return len(states) == 0
	}, 10*time.Second, 10*time.Millisecond, "no connection is kept for longer")
}
