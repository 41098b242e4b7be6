package main

import (
	"bufio"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/balancer/tlstest"
	"gopher-equalizer/proxy/netconn/deadtest"
)

// countedBackend is a backend that counts its open connections and its probes, and holds requests
// to /held until release.
type countedBackend struct {
	*httptest.Server
	held    chan struct{}
	release func()

	mu     sync.Mutex
	open   map[net.Conn]struct{}
	probes int
}

func countBackend(t *testing.T) *countedBackend {
	answers := make(chan struct{})
	b := &countedBackend{held: make(chan struct{}, 100), open: map[net.Conn]struct{}{}}
	b.release = sync.OnceFunc(func() { close(answers) })
	b.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/held":
			b.held <- struct{}{}
			<-answers
		case "/health":
			b.mu.Lock()
			b.probes++
			b.mu.Unlock()
		}
		_, _ = w.Write([]byte("ok"))
	}))
	b.Config.ConnState = func(c net.Conn, state http.ConnState) {
		b.mu.Lock()
		defer b.mu.Unlock()
		if b.open[c] = struct{}{}; state == http.StateClosed {
			delete(b.open, c)
		}
	}
	b.Start()
	t.Cleanup(func() { b.release(); b.Close() })
	return b
}

func (b *countedBackend) counts() (open, probes int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.open), b.probes
}

// backendView is the admin API's view of one.
type backendView struct {
	URL       string
	Healthy   bool
	State     string
	Weight    int
	Requests  int64
	LastProbe *string `json:"last_probe"`
}

func (p *proxied) backends() map[string]backendView {
	p.t.Helper()
	var all []backendView
	require.NoError(p.t, json.Unmarshal([]byte(p.call("GET", "/backends", "").body), &all))
	views := map[string]backendView{}
	for _, b := range all {
		views[b.URL] = b
	}
	return views
}

// probedPool is a pool that is probed every interval, with backends as they are written. A probe
// that comes late on a busy machine makes no backend unhealthy that was healthy before.
func probedPool(name string, interval time.Duration, backends ...string) string {
	return fmt.Sprintf("[pools.%s]\nbackends = [%s]\nhealth = { path = \"/health\", interval = %q, timeout = %q, rise = 1, fall = 100 }\n",
		name, strings.Join(backends, ", "), interval, min(interval, 200*time.Millisecond))
}

// weighted is a backend as it is written in a file.
func weighted(url string, weight int) string {
	return fmt.Sprintf("{ url = %q, weight = %d }", url, weight)
}

// A kept backend keeps its health, its counters and its connections, over whatever else changes in
// its pool. A new one is probed before it gets a request, and one that is dead, or says nothing,
// doesn't refuse the reload.
func TestReloadKeepsBackends(t *testing.T) {
	kept, dead, fresh := countBackend(t), deadtest.Address(t), countBackend(t)
	silent, _, _ := slowBackend(t)
	deadURL := "http://" + dead
	with := func(backends ...string) string { return local0 + probedPool("web", time.Hour, backends...) }
	r := launchWith(t, with(weighted(kept.URL, 1), weighted(deadURL, 1)))
	for range 5 {
		require.Equal(t, 200, r.get("/").status)
	}
	before := r.backends()
	require.True(t, before[kept.URL].Healthy)
	require.False(t, before[deadURL].Healthy)
	require.EqualValues(t, 5, before[kept.URL].Requests)
	open, probes := kept.counts()

	r.reloads(with(weighted(deadURL, 2), weighted(silent, 1), weighted(fresh.URL, 1), weighted(kept.URL, 3)) + "connect_timeout = \"1s\"\nstrategy = \"random\"\n")
	after := r.backends()
	assert.Equal(t, before[deadURL].LastProbe, after[deadURL].LastProbe)
	assert.Equal(t, map[string]bool{kept.URL: true, deadURL: false, silent: false, fresh.URL: true},
		map[string]bool{kept.URL: after[kept.URL].Healthy, deadURL: after[deadURL].Healthy, silent: after[silent].Healthy, fresh.URL: after[fresh.URL].Healthy})
	assert.EqualValues(t, 5, after[kept.URL].Requests)
	assert.Equal(t, 3, after[kept.URL].Weight)
	r.await("requests at both", func() bool {
		require.Equal(t, 200, r.get("/").status)
		now := r.backends()
		return now[fresh.URL].Requests > 0 && now[kept.URL].Requests > 5
	})
	nowOpen, nowProbes := kept.counts()
	assert.Equal(t, open, nowOpen, "connections are kept")
	assert.Equal(t, probes, nowProbes, "nobody probed it again")
	assert.Zero(t, r.backends()[silent].Requests+r.backends()[deadURL].Requests)
	r.stop()
}

// A backend that is removed, alone or with its pool, finishes what runs there. Then nothing is left
// of it: no connection, and no probe.
func TestReloadRemovesBackends(t *testing.T) {
	for _, pool := range []string{"web", "other"} {
		gone, stays := countBackend(t), countBackend(t)
		with := func(pool, url string) string {
			return local0 + probedPool(pool, 20*time.Millisecond, weighted(url, 1))
		}
		r := launchWith(t, with("web", gone.URL))
		serves := func() bool { return r.get("/").status == 200 }
		r.await("a probe in time", serves)
		got := make(chan answer, 1)
		go func() {
			a, err := do("GET", r.proxy+"/held", "")
			assert.NoError(t, err)
			got <- a
		}()
		<-gone.held
		r.reloads(with(pool, stays.URL))
		r.await("a probe of the other one", serves)
		assert.Empty(t, got)
		gone.release()
		assert.Equal(t, "ok", (<-got).body)
		r.await("the end of its connections", func() bool { open, _ := gone.counts(); return open == 0 })
		_, probes := gone.counts()
		_, others := stays.counts()
		r.await("probes of the other one", func() bool { _, now := stays.counts(); return now > others+10 })
		_, now := gone.counts()
		assert.Equal(t, probes, now)
		r.stop()
	}
}

// A WebSocket goes on though its route, its pool and its backend left the configuration.
func TestReloadKeepsTunnels(t *testing.T) {
	gone, stays := lasting(t), lasting(t)
	with := func(pool, url string) string { return local0 + poolOf(pool, url) }
	r := launchWith(t, with("web", gone.URL))
	ws, events := r.webSocket(), r.open("/events", "", " 200 ")
	r.reloads(with("web", stays.URL))
	ws.echoes("without its backend")
	events.goesOn()
	r.reloads(with("other", stays.URL))
	ws.echoes("without its pool")
	events.goesOn()
	r.reloads(with("other", stays.URL) + "[[routes]]\nhost = \"another.example\"\npool = \"other\"\n")
	assert.Equal(t, 404, r.get("/ws").status)
	ws.echoes("without its route")
	events.goesOn()
	require.NoError(t, ws.Close())
	require.NoError(t, events.Close())
	r.stop()
}

// A request whose header was on its way when its route and its pool left goes where it was going.
func TestReloadAmidAHeader(t *testing.T) {
	gone, stays := lasting(t), lasting(t)
	r := launchWith(t, local0+poolOf("web", gone.URL))
	c, err := net.Dial("tcp", strings.TrimPrefix(r.proxy, "http://"))
	require.NoError(t, err)
	defer c.Close()
	require.NoError(t, c.SetDeadline(time.Now().Add(deadline)))
	_, err = io.WriteString(c, "GET / HT")
	require.NoError(t, err)
	r.await("the request's beginning", func() bool { return r.status().Requests.InFlight == 1 })
	r.reloads(local0 + poolOf("other", stays.URL) + "[[routes]]\npath_prefix = \"/other\"\npool = \"other\"\n")
	assert.Equal(t, 404, r.get("/").status)
	_, err = io.WriteString(c, "TP/1.1\r\nHost: x\r\n\r\n")
	require.NoError(t, err)
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	require.NoError(t, err)
	assert.Equal(t, 200, resp.StatusCode)
	r.stop()
}

// Reloads that fail at the last step leave nothing of what they made.
func TestFailedReloadsLeaveNothing(t *testing.T) {
	kept, fresh := countBackend(t), countBackend(t)
	listen, admin := freeAddress(t), freeAddress(t)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	with := func(listen, name string, urls ...string) string {
		return addressed(listen, admin, poolOf(name, urls...))
	}
	r := launchWith(t, with(listen, "web", kept.URL))
	require.Equal(t, 200, r.get("/").status)
	before := held(r)
	for range 20 {
		r.refuses(with(taken.Addr().String(), "web", kept.URL, fresh.URL))
		r.refuses(with(taken.Addr().String(), "other", fresh.URL))
	}
	r.await("as much as before to be held", func() bool {
		now := held(r)
		return now.goroutines <= before.goroutines+3 && now.files <= before.files+3
	})
	open, _ := fresh.counts()
	assert.Zero(t, open)
	assert.Len(t, r.backends(), 1)
	require.Equal(t, 200, r.get("/").status)
	r.stop()
}

// Files of certificates are read again, though the file that names them is as it was.
func TestReloadReadsCertificates(t *testing.T) {
	right, wrong := tlstest.NewCA(t), tlstest.NewCA(t)
	b := startSecure(t, "127.0.0.1", right.Issue("127.0.0.1"), &tls.Config{})
	ca := filepath.Join(t.TempDir(), "ca.pem")
	replace(t, ca, wrong.File())
	text := strings.Replace(local0, "[server]\n", byReload, 1) + poolOf("web", b.url) + fmt.Sprintf("tls = { ca = %q }\nhealth = { interval = \"1h\", timeout = \"10s\" }\n", ca)
	r := launchWith(t, text)
	require.Equal(t, 503, r.get("/").status)
	replace(t, ca, right.File())
	assert.Equal(t, map[string]string{"pools.web.tls.ca": "content"}, r.reloads(text))
	require.Equal(t, 200, r.get("/").status)
	require.NoError(t, os.WriteFile(ca, []byte("half"), 0o600))
	assert.Contains(t, r.refuses(text), `"key":"pools.web.tls.ca"`)
	require.Equal(t, 200, r.get("/").status)
	r.stop()
}
