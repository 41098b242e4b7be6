package main

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// resilient is a pool whose ejections are short.
const resilient = `
[pools.default]
backends = [%s]
client_share = 1.0
[pools.default.health]
interval = "200ms"
timeout = "200ms"
path = "/health"
[pools.default.ejection]
time = "200ms"
max_time = "400ms"
`

// Backends that are killed under load, one after the other, and come back, fail no idempotent
// request, and no other one reaches two of them. TestBackendsKilledOften kills more.
func TestBackendsKilled(t *testing.T) { killedOften(t, 2, 300) }

// killedOften kills one of three backends so many times, under so many requests a second.
func killedOften(t *testing.T, times, rate int) {
	ledger := filepath.Join(t.TempDir(), "ledger")
	t.Setenv(asLedger, ledger)
	backends, _ := startBackends(t, 3)
	p := launch(t, free("-c", configFile(t, resilient, backends))...)
	l := startPaced(rate, p.proxy+"/", "GET", "POST")
	for n := range times {
		b := &backends[n%len(backends)]
		l.awaitMore(p, rate, *b)
		(*b).kill()
		l.awaitMore(p, rate, backends[(n+1)%3], backends[(n+2)%3])
		*b = startBackend(t, (*b).address)
		l.awaitMore(p, 10, *b)
	}
	l.stop()
	assert.Empty(t, l.failures("GET"), "idempotent requests")
	posts := received(t, ledger)
	assert.NotEmpty(t, posts)
	for id, n := range posts {
		assert.Equal(t, 1, n, "POST %s reached several backends", id)
	}
	t.Logf("%d GETs and %d POSTs, of which %d failed; %d retries",
		l.sent["GET"].Load(), l.sent["POST"].Load(), len(l.failures("POST")), p.status().Requests.Retries)
	assert.Positive(t, p.status().Requests.Retries)
	p.stop()
}

// A backend whose every response is 502 is ejected, although its probes succeed. It comes back
// after its time with a probe that succeeds, and is ejected for longer.
func TestBadGatewayIsEjected(t *testing.T) {
	good, bad := startFaulty(t), startFaulty(t)
	bad.serve(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) })
	p := launch(t, free("-c", faultyConfig(t, resilient, good, bad))...)
	seen := map[int]int{}
	for p.faulty(bad).Ejections == 0 {
		seen[p.get("/").status]++
	}
	assert.Equal(t, 5, seen[502])
	p.await("it to be ejected again and again", func() bool {
		p.get("/")
		return p.faulty(bad).Ejections >= 3
	})
	status := p.faulty(bad)
	assert.True(t, status.Healthy, "its probes succeed")
	line := p.logs.await(t, "backend is ejected: it gets no requests until that time has passed and a probe succeeds")
	assert.Equal(t, "5 requests in a row failed", line["why"])
	assert.Equal(t, "200ms", line["for"])

	bad.serve(okay)
	p.await("it to be back", func() bool { return !p.faulty(bad).Ejected })
	before := bad.requests.Load()
	for range 10 {
		assert.Equal(t, 200, p.get("/").status)
	}
	assert.Equal(t, before+5, bad.requests.Load())
	p.stop()
}

// A backend that is stopped costs only the requests until it is ejected more than a moment.
// TestBlackHolesInTime measures it.
func TestBlackHole(t *testing.T) { blackHole(t, stoppedHole(t), false) }

// patientProbes are so far apart that they find nothing.
const patientProbes = `
[pools.default]
backends = [%s]
client_share = 1.0
[pools.default.health]
interval = "1h"
timeout = "200ms"
[pools.default.ejection]
time = "1h"
max_time = "1h"
[pools.default.retry]
per_try_timeout = "%s"
`

// hole is a backend that can become one.
type hole struct {
	url   string
	opens func()
}

// stoppedHole is a process that is stopped.
func stoppedHole(t *testing.T) hole {
	b := startBackend(t, "127.0.0.1:0")
	return hole{b.url(), func() { require.NoError(t, b.cmd.Process.Signal(syscall.SIGSTOP)) }}
}

// blackHole has one of three backends become a hole under load. If timed, no request may take more
// than 500 ms that begins a second after that.
func blackHole(t *testing.T, h hole, timed bool) {
	good, other := startFaulty(t), startFaulty(t)
	urls := fmt.Sprintf("%q, %q, %q", good.url(), h.url, other.url())
	p := launch(t, free("-c", writeFile(t, fmt.Sprintf(patientProbes, urls, "500ms")))...)
	l := startPaced(200, p.proxy+"/", "GET")
	p.await("all three to respond", func() bool { return p.requestsOf(h.url) > 50 })
	began := time.Now()
	h.opens()
	opened := time.Now()
	p.await("the hole to be ejected", func() bool { return p.backendAt(h.url).Ejected })
	p.await("what it had to end", func() bool { return p.backendAt(h.url).InFlight == 0 })
	before := p.requestsOf(h.url)
	l.awaitSent(p, 200)
	if timed {
		<-time.After(5 * time.Second)
	}
	assert.Equal(t, before, p.requestsOf(h.url), "it gets nothing any more")
	l.stop()
	assert.Empty(t, l.failures("GET"))
	slow := l.slowerThan(500*time.Millisecond, began)
	late := l.slowerThan(500*time.Millisecond, opened.Add(time.Second))
	t.Logf("%d of %d requests took more than 500 ms, %d of them began a second after the hole opened", len(slow), l.sent["GET"].Load(), len(late))
	assert.NotEmpty(t, slow, "some were caught in it")
	if timed {
		assert.Empty(t, late)
	}
	p.stop()
}

// If all backends fail half of their requests, the retries stay within the budget. It has no floor
// here, which would allow more in the first second, and wherever a busy machine sends few requests.
// TestHalfFailsForLong does it for longer.
func TestHalfFails(t *testing.T) { halfFails(t, 200, 2*time.Second) }

const halfFailing = `
[pools.default]
backends = [%s]
client_share = 1.0
[pools.default.health]
path = "/health"
[pools.default.retry]
attempts = 4
statuses = ["502-504"]
[pools.default.retry_budget]
floor = 0
`

func halfFails(t *testing.T, rate int, span time.Duration) {
	var backends []*faulty
	for range 3 {
		b := startFaulty(t)
		var n atomic.Int64
		b.serve(func(w http.ResponseWriter, r *http.Request) {
			if n.Add(1)%2 == 0 {
				w.WriteHeader(http.StatusServiceUnavailable)
				return
			}
			okay(w, r)
		})
		backends = append(backends, b)
	}
	p := launch(t, free("-c", faultyConfig(t, halfFailing, backends...))...)
	l := startPaced(rate, p.proxy+"/", "GET")
	<-time.After(span)
	l.stop()
	var got int64
	for _, b := range backends {
		got += b.requests.Load()
	}
	sent := l.sent["GET"].Load()
	t.Logf("clients sent %d, of which %d failed; backends got %d: %.3f", sent, len(l.failures("GET")), got, float64(got)/float64(sent))
	assert.LessOrEqual(t, float64(got), 1.2*float64(sent))
	assert.Greater(t, got, sent, "some were retried")
	assert.Contains(t, p.call("GET", "/status", "").body, `"retries"`)
	p.stop()
}

// A backend that comes and goes fails no idempotent request and leaves nothing behind.
// TestFlappingForLong does it for longer.
func TestFlapping(t *testing.T) {
	t.Parallel()
	flapping(t, 300, 2*time.Second)
}

func flapping(t *testing.T, rate int, span time.Duration) {
	good, other, flaps := startFaulty(t), startFaulty(t), startFaulty(t)
	p := launch(t, free("-c", faultyConfig(t, resilient, good, other, flaps))...)
	l := startPaced(rate, p.proxy+"/", "GET")
	l.awaitSent(p, rate)
	r := reloadable{proxied: p}
	before := held(r)
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(span); time.Now().Before(end); {
		<-tick.C
		flaps.goDown()
		<-tick.C
		flaps.comeUp()
	}
	l.awaitSent(p, rate)
	p.await("as much as before to be held", func() bool {
		now := held(r)
		return now.goroutines <= before.goroutines+10 && now.files <= before.files+10
	})
	l.stop()
	assert.Empty(t, l.failures("GET"))
	t.Logf("%d requests, %d retries, %d ejections", l.sent["GET"].Load(), p.status().Requests.Retries, p.faulty(flaps).Ejections)
	p.stop()
}

// faulty is a backend in this process. It responds to /health, and to all else as the test says.
type faulty struct {
	t        *testing.T
	address  string
	listener *fillable
	server   *http.Server
	respond  atomic.Pointer[http.HandlerFunc]
	requests atomic.Int64
	// filled is closed when it neither accepts nor responds any more.
	filled chan struct{}
}

// fillable is a listener that stops accepting when it is filled.
type fillable struct {
	net.Listener
	filled, closed chan struct{}
}

func (l *fillable) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	select {
	case <-l.filled:
		<-l.closed
		if err == nil {
			_ = conn.Close()
		}
		return nil, net.ErrClosed
	default:
		return conn, err
	}
}

func (l *fillable) Close() error {
	close(l.closed)
	return l.Listener.Close()
}

func startFaulty(t *testing.T) *faulty {
	t.Helper()
	f := &faulty{t: t, address: freeAddress(t), filled: make(chan struct{})}
	f.serve(okay)
	f.comeUp()
	t.Cleanup(f.goDown)
	return f
}

func okay(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok")) }

func (f *faulty) url() string { return "http://" + f.address }

// serve has it respond in another way.
func (f *faulty) serve(h http.HandlerFunc) { f.respond.Store(&h) }

func (f *faulty) comeUp() {
	f.t.Helper()
	ln, err := net.Listen("tcp", f.address)
	require.NoError(f.t, err)
	f.listener = &fillable{ln, f.filled, make(chan struct{})}
	f.server = &http.Server{Handler: f}
	go func(s *http.Server, ln net.Listener) { _ = s.Serve(ln) }(f.server, f.listener)
}

// goDown closes the listener and all connections.
func (f *faulty) goDown() { _ = f.server.Close() }

func (f *faulty) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	select {
	case <-f.filled:
		<-r.Context().Done()
		return
	default:
	}
	if r.URL.Path == "/health" {
		okay(w, r)
		return
	}
	f.requests.Add(1)
	(*f.respond.Load())(w, r)
}

// faultyConfig writes a configuration whose first %s stands for the backends.
func faultyConfig(t *testing.T, text string, backends ...*faulty) string {
	t.Helper()
	var urls []string
	for _, b := range backends {
		urls = append(urls, fmt.Sprintf("%q", b.url()))
	}
	return writeFile(t, fmt.Sprintf(text, strings.Join(urls, ", ")))
}

func (p *proxied) faulty(f *faulty) backendStatus      { return p.backendAt(f.url()) }
func (p *proxied) requestsOf(url string) (count int64) { return p.backendAt(url).Requests }

// paced are requests at a rate, from several clients with a connection each.
type paced struct {
	url     string
	sent    map[string]*atomic.Int64
	done    chan struct{}
	clients sync.WaitGroup

	mu     sync.Mutex
	failed map[string][]string
	took   []timed
	by     map[string]int
}

// timed is when a request began, and how long it took.
type timed struct {
	began time.Time
	took  time.Duration
}

const pacedClients = 20

// startPaced sends so many requests a second, by these methods in turn.
func startPaced(rate int, url string, methods ...string) *paced {
	l := &paced{url: url, sent: map[string]*atomic.Int64{}, done: make(chan struct{}), failed: map[string][]string{}, by: map[string]int{}}
	for _, method := range methods {
		l.sent[method] = new(atomic.Int64)
	}
	for client := range pacedClients {
		l.clients.Go(func() { l.run(client, rate, methods) })
	}
	return l
}

func (l *paced) run(number, rate int, methods []string) {
	client := &http.Client{Timeout: deadline, Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	tick := time.NewTicker(time.Second * pacedClients / time.Duration(rate))
	defer tick.Stop()
	for n := 0; ; n++ {
		select {
		case <-l.done:
			return
		case <-tick.C:
			method := methods[n%len(methods)]
			l.one(client, method, fmt.Sprint(number, "-", n))
		}
	}
}

func (l *paced) one(client *http.Client, method, id string) {
	l.sent[method].Add(1)
	req, err := http.NewRequest(method, l.url, nil)
	if err != nil {
		panic(err)
	}
	req.Header.Set("Ledger-Id", id)
	began := time.Now()
	resp, err := client.Do(req)
	took := time.Since(began)
	what := fmt.Sprint(err)
	if err == nil {
		defer resp.Body.Close()
		what = resp.Status
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.took = append(l.took, timed{began, took})
	if err != nil || resp.StatusCode != http.StatusOK {
		l.failed[method] = append(l.failed[method], what)
		return
	}
	l.by[resp.Header.Get("Backend")]++
}

// awaitSent waits until so many more requests were sent.
func (l *paced) awaitSent(p *proxied, n int) {
	p.t.Helper()
	all := func() (all int64) {
		for _, n := range l.sent {
			all += n.Load()
		}
		return all
	}
	from := all()
	p.await("requests to be sent", func() bool { return all() >= from+int64(n) })
}

// awaitMore waits until each of these backends has responded n times more.
func (l *paced) awaitMore(p *proxied, n int, backends ...*backend) {
	p.t.Helper()
	for _, b := range backends {
		from := l.of(b)
		p.await(b.address+" to respond", func() bool { return l.of(b) >= from+n/10 })
	}
}

func (l *paced) of(b *backend) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.by[b.address]
}

// failures are what came instead of a 200.
func (l *paced) failures(method string) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.failed[method]
}

// slowerThan are the requests that took longer, and began after a moment.
func (l *paced) slowerThan(limit time.Duration, after time.Time) (slow []timed) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, one := range l.took {
		if one.took > limit && one.began.After(after) {
			slow = append(slow, one)
		}
	}
	return slow
}

func (l *paced) stop() {
	close(l.done)
	l.clients.Wait()
}

// received counts the backends that each POST has reached, by the ledger that they write.
func received(t *testing.T, ledger string) map[string]int {
	t.Helper()
	text, err := os.ReadFile(ledger)
	require.NoError(t, err)
	posts := map[string]int{}
	for _, line := range bytes.Fields(text) {
		posts[string(line)]++
	}
	return posts
}
