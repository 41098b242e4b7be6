package main

import (
	"net/http"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestRoundRobinIsExact(t *testing.T) {
	backends, flags := startBackends(t, 3)
	p := launch(t, free(flags...)...)
	defer p.stop()
	answered := map[string]int{}
	var mu sync.Mutex
	var clients sync.WaitGroup
	for range 10 {
		clients.Go(func() {
			client := &http.Client{}
			defer client.CloseIdleConnections()
			for range 300 {
				resp, err := client.Get(p.proxy + "/")
				if !assert.NoError(t, err) {
					return
				}
				resp.Body.Close()
				mu.Lock()
				answered[resp.Header.Get("Backend")]++
				mu.Unlock()
			}
		})
	}
	clients.Wait()
	for _, b := range backends {
		assert.Equal(t, 1000, answered[b.address], b.address)
	}
}

// load sends GETs from several clients until stop, and counts what came back.
type load struct {
	answered, refused, broken atomic.Int64
	by                        sync.Map // backend address to *atomic.Int64
	done                      chan struct{}
	clients                   sync.WaitGroup
}

// startLoad runs n clients over keep-alive connections.
func startLoad(n int, url string, header ...string) *load {
	l := &load{done: make(chan struct{})}
	for range n {
		l.clients.Go(func() {
			client := &http.Client{Timeout: deadline, Transport: &http.Transport{}}
			defer client.CloseIdleConnections()
			for !l.stopped() {
				l.one(client, url, header)
			}
		})
	}
	return l
}

func (l *load) stopped() bool {
	select {
	case <-l.done:
		return true
	default:
		return false
	}
}

func (l *load) one(client *http.Client, url string, header []string) {
	req, err := http.NewRequest("GET", url, nil)
	if err != nil {
		l.broken.Add(1)
		return
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := client.Do(req)
	if err != nil {
		l.broken.Add(1)
		return
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		l.refused.Add(1)
		return
	}
	l.answered.Add(1)
	l.of(resp.Header.Get("Backend")).Add(1)
}

func (l *load) of(backend string) *atomic.Int64 {
	n, _ := l.by.LoadOrStore(backend, new(atomic.Int64))
	return n.(*atomic.Int64)
}

func (l *load) stop() {
	close(l.done)
	l.clients.Wait()
}

const probing = `
[pools.default]
backends = [%s]
[pools.default.health]
interval = "200ms"
timeout = "200ms"
rise = 2
fall = 2
[pools.default.ejection]
time = "1s"
`

// A backend that is killed under load gets no requests within its fall time, gets them again when
// it has risen, and no idempotent request fails meanwhile.
func TestBackendKilledUnderLoad(t *testing.T) {
	backends, _ := startBackends(t, 3)
	killUnderLoad(t, backends)
}

// The same over unix sockets, where a backend that is gone has left its socket behind.
func TestUnixBackendKilledUnderLoad(t *testing.T) {
	killUnderLoad(t, []*backend{
		startBackend(t, "127.0.0.1:0"),
		startBackend(t, filepath.Join(t.TempDir(), "app.sock")),
		startBackend(t, filepath.Join(t.TempDir(), "app@2.sock")),
	})
}

// killUnderLoad kills the second of three backends, starts it again, and kills all of them.
func killUnderLoad(t *testing.T, backends []*backend) {
	t.Helper()
	p := launch(t, free("-c", configFile(t, probing, backends))...)
	l := startLoad(8, p.proxy+"/")
	every := func(what string, of ...*backend) {
		t.Helper()
		from := map[*backend]int64{}
		for _, b := range of {
			from[b] = l.of(b.address).Load()
		}
		await(t, what, func() bool {
			for _, b := range of {
				if l.of(b.address).Load() < from[b]+100 {
					return false
				}
			}
			return true
		})
	}
	every("all three to answer", backends...)
	backends[1].kill()
	p.await("the dead backend to be found out", func() bool { return !p.healthy(backends[1]) })
	at := l.of(backends[1].address).Load()
	every("the other two to answer", backends[0], backends[2])
	assert.Equal(t, at, l.of(backends[1].address).Load(), "a backend that is down gets nothing")

	backends[1] = startBackend(t, backends[1].address)
	p.await("it to rise", func() bool { return p.healthy(backends[1]) })
	every("all three to answer again", backends...)
	l.stop()
	assert.Zero(t, l.broken.Load(), "no idempotent request is cut")
	assert.Zero(t, l.refused.Load(), "or answered with an error")
	assert.Positive(t, p.status().Requests.Retries, "those that broke were sent again")

	// With no healthy backend it is a 503 with that reason.
	for _, b := range backends {
		b.kill()
	}
	p.await("all to be found out", func() bool { return !p.healthy(backends[0]) && !p.healthy(backends[1]) && !p.healthy(backends[2]) })
	a := p.get("/")
	assert.Equal(t, 503, a.status)
	assert.Equal(t, "application/problem+json", a.header.Get("Content-Type"))
	for _, b := range backends {
		assert.NotContains(t, a.body, b.address, "backends stay hidden")
	}
	assert.Equal(t, 200, p.call("GET", "/readyz", "").status, "readiness doesn't depend on backends")
	p.stop()
}

// A request that breaks and isn't idempotent is a 502 or a cut connection, and is counted.
func TestBrokenPostsAreCounted(t *testing.T) {
	backends, _ := startBackends(t, 1)
	p := launch(t, free("-c", configFile(t, probing, backends))...)
	require.Equal(t, 200, p.do("POST", p.proxy+"/", "{}").status)
	done := make(chan answer, 10)
	for range 10 {
		go func() {
			a, err := do("POST", p.proxy+"/?delay=50s", "{}")
			if err != nil {
				a.status = -1 // cut
			}
			done <- a
		}()
	}
	p.await("the posts to reach the backend", func() bool { return p.inFlight(backends[0]) == 10 })
	backends[0].kill()
	for range 10 {
		assert.Contains(t, []int{502, -1}, (<-done).status)
	}
	s := p.status().Requests
	assert.Equal(t, int64(10), s.BadGateway+s.Cut)
	assert.Zero(t, s.Retries, "they were sent once")
	p.stop()
}
