package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/balancer/tlstest"
)

// Reloads under load fail no request and close no connection. Each changes something everywhere.
// TestManyReloadsUnderLoad has more of them.
func TestReloadsUnderLoad(t *testing.T) { reloadUnderLoad(t, 10, 0) }

// reloadUnderLoad reloads so many times, with a pause after each, under a load of all kinds.
func reloadUnderLoad(t *testing.T, reloads int, pause time.Duration) {
	site := newReloadedSite(t)
	r := launchWith(t, site.config(0))
	clear, secure := site.addresses(r)
	load, arrivals := startReloadLoad(clear, secure), startArrivals(clear+"/", "X-Client", "arrival")
	awaitLoad := func() {
		before := load.counts()
		r.await("load of every kind", func() bool { return load.counts().allMore(before) || load.hasFailed() })
	}
	awaitLoad()
	for n := range 4 { // What is kept for good is there.
		r.reloads(site.config(n))
		awaitLoad()
	}
	before := held(r)
	for n := 4; n < 4+reloads; n++ {
		assert.NotEmpty(t, r.reloads(site.config(n)))
		<-time.After(pause)
	}
	r.reloads(site.config(0))
	awaitLoad()
	r.await("as much as before to be held", func() bool {
		now := held(r)
		return now.goroutines <= before.goroutines+10 && now.files <= before.files+10 && now.heap <= before.heap*5/4+4<<20
	})
	load.stop()
	arrivals.stop()
	assert.Empty(t, load.failed)
	assert.Empty(t, arrivals.other)
	assert.Zero(t, arrivals.refused.Load())
	assert.EqualValues(t, fullBucket-arrivals.answered.Load(), r.bucket("arrival").Tokens)
	assert.EqualValues(t, fullBucket-load.requests.Load(), r.bucket("GET").Tokens, "what was spent stays spent, and no more than that was")
	assert.EqualValues(t, fullBucket-load.uploads.Load(), r.bucket("POST").Tokens)
	assert.Equal(t, load.clients(), load.connections.Load(), "each client has the connection that it began with")
	r.stop()
	assert.Zero(t, r.logs.count("reload failed: nothing was changed"))
	t.Logf("%d reloads: %+v, and %d on connections of their own", reloads, load.counts(), arrivals.answered.Load())
}

// fullBucket is the least that a client's bucket holds. A token takes an hour to earn.
const fullBucket = 400_000

// reloadedSite makes configurations that differ in much, and serve the same, in clear and by TLS.
type reloadedSite struct {
	urls  []string
	cert  pair
	store string
	moves [2]string // the addresses of a listener
}

func newReloadedSite(t *testing.T) *reloadedSite {
	return &reloadedSite{
		urls:  []string{lasting(t).URL, lasting(t).URL, lasting(t).URL},
		cert:  newPair(t, tlstest.NewCA(t).Issue("a.test")),
		store: filepath.Join(t.TempDir(), "buckets.db"),
		moves: [2]string{freeAddress(t), freeAddress(t)},
	}
}

// addresses are the URLs of the listeners that stay.
func (*reloadedSite) addresses(r reloadable) (clear, secure string) {
	r.t.Helper()
	all := strings.Split(r.logs.await(r.t, "ready")["proxy"].(string), ", ")
	return "http://" + all[0], "https://" + all[1]
}

// config is the nth configuration. Which of the backends there are changes, and so does the rest
// about pools, limits, routes and clients. One of the listeners moves. The routes of tunnels and
// event streams are there every other time.
func (s *reloadedSite) config(n int) string {
	gone := n % 4 // All are there every fourth time.
	var backends []string
	for i, url := range s.urls {
		if i+1 != gone {
			backends = append(backends, fmt.Sprintf("{ url = %q, weight = %d }", url, 1+(i+n)%3))
		}
	}
	text := fmt.Sprintf(`
%s
[[listeners]]
listen = "127.0.0.1:0"
[[listeners]]
listen = "localhost:0"
tls = true
[[listeners]]
listen = %q
[server]
max_header = "%dKiB"
idle_timeout = "%dm"
read_timeout = "%ds"
min_rate = "%d/s"
max_connections = %d
drain_delay = "0s"
[admin]
listen = "127.0.0.1:0"
[log]
access = %v
[store]
driver = "bolt"
path = %q
flush_interval = "%dms"
[limits.site]
key = "header:X-Client"
trusted_header = true
secret = false
capacity = %d
refill = "1/%dm"
[pools.web]
backends = [%s]
strategy = "%s"
keep_alive = "1s"
response_timeout = "%ds"
max_connections = %d
health = { interval = "%dms", timeout = "100ms" }
[[routes]]
pool = "web"
limits = ["site"]
response_headers = { set = { X-Nth = "%d" } }
`, s.cert.table(), s.moves[n%2], 8+n%3*4, 5+n%2, 60+n%5, 64+n%2, 1000+n, n%2 == 0, s.store, 500+n%7, fullBucket+n%3*10_000, 60+n%5,
		strings.Join(backends, ", "), []string{"round_robin", "random"}[n%2], 30+n%4, 500+n%6, 300+n%3*100, n)
	if n%2 == 0 {
		text += "[[routes]]\npath_prefix = \"/ws\"\npool = \"lasting\"\n[[routes]]\npath_prefix = \"/events\"\npool = \"lasting\"\n" +
			fmt.Sprintf("[pools.lasting]\nbackends = [%q]\nhealth = { interval = \"500ms\", timeout = \"100ms\" }\n", s.urls[0])
	}
	return text
}

// reloadLoad is what clients of all kinds do at the same time, each on one connection. Those that
// send requests are as many again by HTTP/2.
type reloadLoad struct {
	url     string
	stopped chan struct{}
	running sync.WaitGroup
	// connections is how many were made, and the others how much was done.
	connections                       atomic.Int64
	requests, uploads, events, echoes atomic.Int64
	mu                                sync.Mutex
	failed                            []string
}

const reloadClients, reloadUploaders, reloadReaders, reloadEchoers = 6, 3, 2, 2

func (*reloadLoad) clients() int64 {
	return 2*(reloadClients+reloadUploaders) + reloadReaders + reloadEchoers
}

func startReloadLoad(url, secure string) *reloadLoad {
	l := &reloadLoad{url: url, stopped: make(chan struct{})}
	for kind, n := range map[string]int{"GET": reloadClients, "POST": reloadUploaders} {
		for range n {
			l.running.Go(func() { l.request(kind, url, &http.Transport{MaxConnsPerHost: 1}) })
			l.running.Go(func() { l.request(kind, secure, byH2()) })
		}
	}
	for range reloadReaders {
		l.running.Go(func() { l.last("/events", "", l.readEvent) })
	}
	for range reloadEchoers {
		l.running.Go(func() { l.last("/ws", "Connection: Upgrade\r\nUpgrade: websocket\r\n", l.echo) })
	}
	return l
}

func (l *reloadLoad) stop() {
	close(l.stopped)
	l.running.Wait()
}

func (l *reloadLoad) stopping() bool {
	select {
	case <-l.stopped:
		return true
	default:
		return false
	}
}

// fail notes what must not be.
func (l *reloadLoad) fail(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.failed) < 10 {
		l.failed = append(l.failed, fmt.Sprintf(format, args...))
	}
}

func (l *reloadLoad) hasFailed() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.failed) > 0
}

// byH2 is a client's transport that speaks HTTP/2 only, by TLS, and verifies nothing.
func byH2() *http.Transport {
	transport := &http.Transport{Protocols: new(http.Protocols), TLSClientConfig: &tls.Config{ServerName: "a.test", InsecureSkipVerify: true}}
	transport.Protocols.SetHTTP2(true)
	return transport
}

func (l *reloadLoad) dial(address string) (net.Conn, error) {
	l.connections.Add(1)
	return net.DialTimeout("tcp", address, deadline)
}

// request sends requests one after the other. Bodies come in pieces.
func (l *reloadLoad) request(method, url string, transport *http.Transport) {
	transport.DialContext = func(_ context.Context, _, address string) (net.Conn, error) { return l.dial(address) }
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: deadline}
	for !l.stopping() {
		var body io.Reader
		if method == "POST" {
			body = &pieces{left: 20}
		}
		req, _ := http.NewRequest(method, url+"/", body) // It is a good URL.
		req.Header.Set("X-Client", method)
		resp, err := client.Do(req)
		if err != nil {
			l.fail("%s: %v", method, err)
			return
		}
		text, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err != nil || resp.StatusCode != 200 || string(text) != "ok" {
			l.fail("%s: %d %q %v", method, resp.StatusCode, text, err)
			return
		}
		if method == "POST" {
			l.uploads.Add(1)
		} else {
			l.requests.Add(1)
		}
	}
}

// pieces is a body of that many pieces, with pauses between them.
type pieces struct{ left int }

func (p *pieces) Read(b []byte) (int, error) {
	if p.left == 0 {
		return 0, io.EOF
	}
	p.left--
	time.Sleep(5 * time.Millisecond) // It is how slow the client is.
	return copy(b, strings.Repeat("x", 1000)), nil
}

// last keeps one response going on.
func (l *reloadLoad) last(path, header string, goOn func(net.Conn, *bufio.Reader) error) {
	c, err := l.dial(strings.TrimPrefix(l.url, "http://"))
	if err != nil {
		l.fail("%s: %v", path, err)
		return
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(10 * deadline))
	fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: x\r\nX-Client: %s\r\n%s\r\n", path, path, header)
	r := bufio.NewReader(c)
	status, err := r.ReadString('\n')
	for line := ""; err == nil && line != "\r\n"; line, err = r.ReadString('\n') {
	}
	if err != nil || !strings.Contains(status, " 200 ") && !strings.Contains(status, " 101 ") {
		l.fail("%s: %q %v", path, status, err)
		return
	}
	for !l.stopping() {
		if err := goOn(c, r); err != nil {
			l.fail("%s: %v", path, err)
			return
		}
	}
}

func (l *reloadLoad) readEvent(_ net.Conn, r *bufio.Reader) error {
	line, err := r.ReadString('\n')
	if strings.HasPrefix(line, "data: ") {
		l.events.Add(1)
	}
	return err
}

func (l *reloadLoad) echo(c net.Conn, r *bufio.Reader) error {
	sent := fmt.Sprintf("message %d\n", l.echoes.Add(1))
	if _, err := io.WriteString(c, sent); err != nil {
		return err
	}
	got, err := r.ReadString('\n')
	if err == nil && got != sent {
		err = fmt.Errorf("%q came back as %q", sent, got)
	}
	return err
}

// loadCounts is how much was done.
type loadCounts struct{ requests, uploads, events, echoes int64 }

func (l *reloadLoad) counts() loadCounts {
	return loadCounts{l.requests.Load(), l.uploads.Load(), l.events.Load(), l.echoes.Load()}
}

// allMore reports whether more was done of everything.
func (c loadCounts) allMore(before loadCounts) bool {
	return c.requests > before.requests+10 && c.uploads > before.uploads+1 && c.events > before.events+3 && c.echoes > before.echoes+10
}

// holdings are what a process holds.
type holdings struct{ goroutines, files, heap int }

func held(r reloadable) (h holdings) {
	r.t.Helper()
	var s struct {
		Runtime struct {
			Goroutines int `json:"goroutines"`
			HeapBytes  int `json:"heap_bytes"`
		} `json:"runtime"`
	}
	require.NoError(r.t, json.Unmarshal([]byte(r.call("GET", "/status", "").body), &s))
	return holdings{s.Runtime.Goroutines, openDescriptors(r.t, r.cmd.Process.Pid), s.Runtime.HeapBytes}
}

// openDescriptors is how many a process has open.
func openDescriptors(t *testing.T, pid int) int {
	t.Helper()
	all, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	require.NoError(t, err)
	return len(all)
}
