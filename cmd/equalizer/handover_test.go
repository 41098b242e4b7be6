package main

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// lasting is a backend that echoes what comes after an upgrade at /ws, sends events at /events for
// as long as anybody reads them, takes its time at /slow, and responds to the rest at once.
func lasting(t *testing.T) *httptest.Server {
	t.Helper()
	b := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/ws":
			c, rw, err := http.NewResponseController(w).Hijack()
			if err != nil {
				return
			}
			defer c.Close()
			_, _ = io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
			_, _ = io.Copy(c, rw)
		case "/events":
			w.Header().Set("Content-Type", "text/event-stream")
			tick := time.NewTicker(20 * time.Millisecond)
			defer tick.Stop()
			for n := 0; r.Context().Err() == nil; n++ {
				fmt.Fprintf(w, "data: %d\n\n", n)
				_ = http.NewResponseController(w).Flush()
				<-tick.C
			}
		case "/slow":
			time.Sleep(time.Second)
			_, _ = io.WriteString(w, "slow")
		default:
			_, _ = io.WriteString(w, "ok")
		}
	}))
	t.Cleanup(func() { b.CloseClientConnections(); b.Close() })
	return b
}

// stream is a connection whose response has begun and goes on.
type stream struct {
	net.Conn
	t *testing.T
	r *bufio.Reader
}

// open opens a stream through the proxy.
func (p *proxied) open(path, header, status string) stream {
	p.t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(p.proxy, "http://"))
	require.NoError(p.t, err)
	p.t.Cleanup(func() { c.Close() })
	require.NoError(p.t, c.SetDeadline(time.Now().Add(deadline)))
	_, err = fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: x\r\n%s\r\n", path, header)
	require.NoError(p.t, err)
	s := stream{c, p.t, bufio.NewReader(c)}
	assert.Contains(p.t, s.line(), status)
	for s.line() != "\r\n" {
	}
	return s
}

func (p *proxied) webSocket() stream {
	p.t.Helper()
	return p.open("/ws", "Connection: Upgrade\r\nUpgrade: websocket\r\n", " 101 ")
}

func (s stream) line() string {
	s.t.Helper()
	line, err := s.r.ReadString('\n')
	require.NoError(s.t, err)
	return line
}

func (s stream) echoes(text string) {
	s.t.Helper()
	_, err := io.WriteString(s, text+"\n")
	require.NoError(s.t, err)
	require.Equal(s.t, text+"\n", s.line())
}

// goesOn reads some events.
func (s stream) goesOn() {
	s.t.Helper()
	for n := 0; n < 3; {
		if strings.HasPrefix(s.line(), "data: ") {
			n++
		}
	}
}

// freeAddress is an address to listen on. Its port is below those that systems give away, so that
// no connection of anybody gets it before it is used.
func freeAddress(t *testing.T) string {
	t.Helper()
	const first, end = 10_000, 32_768
	for range 100 {
		ln, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", first+rand.IntN(end-first)))
		if err == nil {
			require.NoError(t, ln.Close())
			return ln.Addr().String()
		}
	}
	t.Fatal("no port is free")
	return ""
}

// arrivals keeps sending requests, each on a connection of its own, until it is stopped. It notes
// everything that isn't a 200.
type arrivals struct {
	stopped           chan struct{}
	running           sync.WaitGroup
	answered, refused atomic.Int64
	mu                sync.Mutex
	other             []string
}

func startArrivals(url string, header ...string) *arrivals {
	a := &arrivals{stopped: make(chan struct{})}
	for range 2 {
		a.running.Go(func() {
			for {
				select {
				case <-a.stopped:
					return
				default:
					a.note(do("GET", url, "", header...))
				}
			}
		})
	}
	return a
}

func (a *arrivals) note(got answer, err error) {
	switch {
	case err != nil:
		a.refused.Add(1)
	case got.status == 200:
		a.answered.Add(1)
	default:
		a.mu.Lock()
		a.other = append(a.other, fmt.Sprint(got.status, " ", got.body))
		a.mu.Unlock()
	}
}

func (a *arrivals) stop() {
	close(a.stopped)
	a.running.Wait()
}

// succession is a proxy that is stopped while what it relays goes on, and the one that comes after
// it on the same addresses and the same store.
type succession struct {
	t      *testing.T
	binary string
	args   []string
	drain  time.Duration
	spent  int64
}

func newSuccession(t *testing.T, binary, store string, drain time.Duration, more ...string) *succession {
	t.Helper()
	file := writeFile(t, fmt.Sprintf("[server]\ndrain_delay = %q\n[log]\naccess = false\n%s", drain, strings.Join(more, "\n")))
	return &succession{t: t, binary: binary, drain: drain, args: []string{
		"--backend", lasting(t).URL, "--listen", freeAddress(t), "--admin", freeAddress(t), "--store", store, "-c", file,
		"--key", "header:X-Client", "--secret=false", "--capacity", "1000000", "--refill", "1/20m",
	}}
}

// succeed stops p and starts the next one at the end of its drain_delay, which serves while p
// relays on. It returns how long that took.
func (s *succession) succeed(p *proxied) (next *proxied, took time.Duration) {
	s.t.Helper()
	ws, events := p.webSocket(), p.open("/events", "", " 200 ")
	load := startArrivals(p.proxy+"/", "X-Client", "load")
	p.await("requests", func() bool { return load.answered.Load() > 10 })

	p.signal(syscall.SIGTERM)
	<-time.After(s.drain)
	began := time.Now()
	next = spawnWith(s.t, s.binary, nil, s.args...)
	await(s.t, "the successor to serve", func() bool {
		line, _, _ := next.logs.find(func(line string) bool { return strings.Contains(line, `"msg":"ready"`) })
		return line != ""
	})
	got, err := do("GET", p.proxy+"/", "", "X-Client", "load")
	took = time.Since(began)
	require.NoError(s.t, err)
	require.Equal(s.t, 200, got.status)
	next.awaitReady()

	ws.echoes("still there")
	events.goesOn()
	assert.Empty(s.t, p.exited, "the old one is still there")
	before := load.answered.Load()
	await(s.t, "load on the successor", func() bool { return load.answered.Load() > before+10 })
	load.stop()
	assert.Empty(s.t, load.other)
	s.spent += load.answered.Load() + 1
	assert.Equal(s.t, 1_000_000-s.spent, next.bucket("load").Tokens, "every token is in the last flush")

	ws.echoes("to the end")
	require.NoError(s.t, ws.Close())
	require.NoError(s.t, events.Close())
	require.Equal(s.t, 0, p.wait(), p.logs.text())
	return next, took
}

// A successor serves while what its predecessor relays goes on. A strict successor takes that for
// an orderly stop.
func TestSuccessorServesBesideOpenTunnels(t *testing.T) {
	for _, durability := range []string{"interval", "strict"} {
		s := newSuccession(t, binary, t.TempDir()+"/buckets.db", 100*time.Millisecond, "[store]", fmt.Sprintf("durability = %q", durability))
		next, _ := s.succeed(launch(t, s.args...))
		next.logs.awaitLine(t, "an orderly stop", func(line string) bool { return strings.Contains(line, `"after_a_stop":true`) })
		next.stop()
	}
}

// An admin write that is still under way when the store is released is refused, and touches nothing
// that is closed.
func TestAdminWriteThatOutlastsTheStore(t *testing.T) {
	s := newSuccession(t, binary, t.TempDir()+"/buckets.db", 0)
	p := launch(t, s.args...)
	ws := p.webSocket() // It keeps the process.
	admin, err := net.Dial("tcp", strings.TrimPrefix(p.admin, "http://"))
	require.NoError(t, err)
	defer admin.Close()
	require.NoError(t, admin.SetDeadline(time.Now().Add(deadline)))
	_, err = io.WriteString(admin, "PUT /buckets/a HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 14\r\n\r\n{\"capacity\"")
	require.NoError(t, err)
	p.call("GET", "/readyz", "") // By now the one before it was accepted.

	p.signal(syscall.SIGTERM)
	p.logs.awaitLine(t, "the store to be released", func(line string) bool { return strings.Contains(line, "the store is released") })
	_, err = io.WriteString(admin, ":5}")
	require.NoError(t, err)
	resp, err := http.ReadResponse(bufio.NewReader(admin), nil)
	require.NoError(t, err)
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	assert.Equal(t, 503, resp.StatusCode)
	assert.Contains(t, string(body), "stopping")

	ws.echoes("still there")
	require.NoError(t, ws.Close())
	assert.Equal(t, 0, p.wait(), p.logs.text())
}
