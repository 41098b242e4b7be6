package proxy

import (
	"crypto/tls"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/balancer"
	"gopher-equalizer/balancer/tlstest"
)

// changing is a proxy whose pool changes as a reload changes it.
type changing struct {
	*proxied
	pool     *balancer.Pool
	backends *Backends
}

// startChanging starts one in front of backends at addresses.
func startChanging(t *testing.T, s ConnectionSettings, addrs ...string) *changing {
	t.Helper()
	c := &changing{pool: balancer.NewPool(balancer.Settings{Name: "test"}), backends: NewBackends(s)}
	c.change(t, s, plain(addrs...)...)
	log, ends := &logBuffer{}, &fakePool{balancers: []*balancer.Pool{c.pool}}
	proxy := settings().proxy(c.pool, nil, log)
	c.proxied = &proxied{Proxy: proxy, t: t, addr: run(t, proxy, ends), pool: ends, log: log}
	t.Cleanup(c.pool.Close) // before the proxy ends
	return c
}

// plain are backends at addresses, without TLS.
func plain(addrs ...string) (all []balancer.BackendSettings) {
	for _, addr := range addrs {
		all = append(all, balancer.BackendSettings{URL: "http://" + addr, Addr: addr, Weight: 1, State: balancer.Ready})
	}
	return all
}

// change changes the pool.
func (c *changing) change(t *testing.T, s ConnectionSettings, backends ...balancer.BackendSettings) {
	t.Helper()
	change := c.pool.Prepare(balancer.Settings{
		Backends: backends, MaxConnections: 100, Logger: zerolog.Nop(), NewProber: c.backends.With(s),
		Health: balancer.HealthSettings{Type: balancer.HealthTCP, Interval: time.Minute, Timeout: patience, Rise: 1, Fall: 1},
	})
	change.Probe(t.Context())
	c.backends.Use(s)
	change.Apply()
	for _, b := range c.pool.Status() {
		require.True(t, b.Healthy, b.LastProbe)
	}
}

// idle waits until no request runs.
func (c *changing) idle(t *testing.T) {
	t.Helper()
	require.Eventually(t, func() bool {
		for _, b := range c.pool.Status() {
			if b.InFlight > 0 {
				return false
			}
		}
		return true
	}, patience, time.Millisecond)
}

// lasting is a backend that keeps its connections, and counts those that are open. A request for
// /slow is answered when the test says so.
type lasting struct {
	*backend
	open    atomic.Int64
	asked   chan struct{}
	answers chan struct{}
}

func startLasting(t *testing.T) *lasting {
	t.Helper()
	l := &lasting{asked: make(chan struct{}, 100), answers: make(chan struct{}, 100)}
	l.backend = startBackend(t, func(c *conn, _ int) {
		l.open.Add(1)
		defer l.open.Add(-1)
		for {
			req := c.readRequest()
			switch {
			case req == "":
				return
			case strings.HasPrefix(req, "GET /chat "):
				c.send(switches)
				echo(c)
				return
			case strings.HasPrefix(req, "GET /slow "):
				l.asked <- struct{}{}
				select {
				case <-l.answers:
				case <-t.Context().Done():
					return
				}
			}
			c.send(ok)
		}
	})
	return l
}

// opened waits until so many connections are open.
func (l *lasting) opened(t *testing.T, want int64) {
	t.Helper()
	require.Eventually(t, func() bool { return l.open.Load() == want }, patience, time.Millisecond)
}

const slowGet = "GET /slow HTTP/1.1\r\nHost: x\r\n\r\n"

// The connections of a backend that is removed are closed at once, and those that are in use when
// their exchange has ended. Those of one that stays are used on.
func TestConnectionsOfRemovedBackends(t *testing.T) {
	stays, goes := startLasting(t), startLasting(t)
	p := startChanging(t, connectionSettings(), stays.addr, goes.addr)
	busy := []*conn{p.dial(), p.dial(), p.dial(), p.dial()}
	for _, c := range busy {
		require.True(t, c.send(slowGet))
	}
	for range 2 {
		await(t, stays.asked)
		await(t, goes.asked)
	}
	stays.answers <- struct{}{}
	goes.answers <- struct{}{}
	require.Eventually(t, func() bool { return inFlight(p.pool) == 2 }, patience, time.Millisecond)

	p.change(t, connectionSettings(), plain(stays.addr)...)
	goes.opened(t, 1)
	goes.answers <- struct{}{}
	stays.answers <- struct{}{}
	for _, c := range busy {
		assert.Equal(t, "ok", c.readAnswer("GET").body)
	}
	goes.opened(t, 0)
	p.idle(t)
	for range 10 {
		assert.Equal(t, "ok", p.dial().do(plainGet).body)
	}
	assert.EqualValues(t, 2, stays.conns.Load(), "nothing was connected anew")
	assert.EqualValues(t, 2, goes.conns.Load())
	assert.Len(t, p.backends.clients.list(), 1)
}

// inFlight is how many requests run.
func inFlight(p *balancer.Pool) (n int64) {
	for _, b := range p.Status() {
		n += b.InFlight
	}
	return n
}

// What was upgraded goes on until its end, through a backend that stays and through one that is
// removed.
func TestTunnelsOutliveChanges(t *testing.T) {
	stays, goes := startLasting(t), startLasting(t)
	p := startChanging(t, connectionSettings(), stays.addr, goes.addr)
	one, other := p.upgraded(), p.upgraded()
	s := connectionSettings()
	s.KeepAlive, s.Timeouts.Response, s.Timeouts.Idle = time.Second, time.Second, time.Second
	p.change(t, s, plain(stays.addr)...)
	p.change(t, s, plain(startLasting(t).addr)...)
	for range 3 {
		one.echoes("one")
		other.echoes("other")
	}
	require.NoError(t, one.Close())
	stays.opened(t, 0)
	other.echoes("still here")
	require.NoError(t, other.Close())
	goes.opened(t, 0)
}

// Exchanges that run keep the timeouts that they began with, and the next ones on the same
// connections have the new ones.
func TestChangedTimeouts(t *testing.T) {
	b := startLasting(t)
	p := startChanging(t, connectionSettings(), b.addr)
	running := p.dial()
	require.True(t, running.send(slowGet))
	await(t, b.asked)
	other := p.dial()
	require.Equal(t, "ok", other.do(plainGet).body)
	p.idleBut(t, 1)

	s := connectionSettings()
	s.Timeouts.Response = 100 * time.Millisecond
	p.change(t, s, plain(b.addr)...)
	p.isProblem(other.do(slowGet), 504, "backend-late")
	assert.EqualValues(t, 2, b.conns.Load(), "over a connection that was kept")
	b.answers <- struct{}{}
	b.answers <- struct{}{}
	assert.Equal(t, "ok", running.readAnswer("GET").body)

	p.change(t, connectionSettings(), plain(b.addr)...)
	require.True(t, running.send(slowGet))
	await(t, b.asked)
	awaitTime(t, 2*s.Timeouts.Response)
	b.answers <- struct{}{}
	b.answers <- struct{}{}
	assert.Equal(t, "ok", running.readAnswer("GET").body)
}

// idleBut waits until so many requests run.
func (c *changing) idleBut(t *testing.T, n int64) {
	t.Helper()
	require.Eventually(t, func() bool { return inFlight(c.pool) == n }, patience, time.Millisecond)
}

func TestChangedMaxResponseHeader(t *testing.T) {
	b, _ := answering(t, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX: "+strings.Repeat("x", 2000)+"\r\n\r\nok")
	s := connectionSettings()
	p := startChanging(t, s, b.addr)
	assert.Equal(t, 200, p.dial().do(plainGet).StatusCode)
	s.MaxResponseHeader = 1000
	p.change(t, s, plain(b.addr)...)
	assert.Equal(t, 502, p.dial().do(plainGet).StatusCode)
	s.MaxResponseHeader = 3000
	p.change(t, s, plain(b.addr)...)
	assert.Equal(t, 200, p.dial().do(plainGet).StatusCode)
}

// A connection that nobody uses is kept when that changes for how long, and then for the new time.
// One that is in use is closed when its exchange has ended.
func TestChangedKeepAlive(t *testing.T) {
	b := startLasting(t)
	s := connectionSettings()
	p := startChanging(t, s, b.addr)
	busy := p.dial()
	require.True(t, busy.send(slowGet))
	await(t, b.asked)
	require.Equal(t, "ok", p.dial().do(plainGet).body)
	p.idleBut(t, 1)
	require.EqualValues(t, 2, b.open.Load())

	s.KeepAlive = time.Hour
	p.change(t, s, plain(b.addr)...)
	for range 3 {
		require.Equal(t, "ok", p.dial().do(plainGet).body)
	}
	assert.EqualValues(t, 2, b.conns.Load(), "it was kept")
	b.answers <- struct{}{}
	require.Equal(t, "ok", busy.readAnswer("GET").body)
	b.opened(t, 1)
	p.idle(t)
	require.Equal(t, "ok", busy.do(plainGet).body)
	assert.EqualValues(t, 2, b.conns.Load())
	p.idle(t)

	s.KeepAlive = 10 * time.Millisecond
	p.change(t, s, plain(b.addr)...)
	b.opened(t, 0)
}

// Requests find connections while those are moved, again and again, and none is lost.
func TestRequestsWhileKeepAliveChanges(t *testing.T) {
	b := startLasting(t)
	s := connectionSettings()
	p := startChanging(t, s, b.addr)
	done := make(chan struct{})
	var clients sync.WaitGroup
	for range 4 {
		c := p.dial()
		clients.Go(func() {
			for {
				assert.Equal(t, "ok", c.do(plainGet).body)
				select {
				case <-done:
					return
				default:
				}
			}
		})
	}
	for n := range 200 {
		s.KeepAlive = time.Minute + time.Duration(n%2)
		p.change(t, s, plain(b.addr)...)
	}
	close(done)
	clients.Wait()
	p.idle(t)
	client := p.backends.clients.list()[0]
	require.Eventually(t, func() bool { return int64(client.kept.Load().IdleConnsCount()) == b.open.Load() }, patience, time.Millisecond,
		"each one that is open is kept where it is found")
	p.pool.Close()
	b.opened(t, 0)
}

// Another TLS identity makes connections anew, with another certificate.
func TestChangedTLS(t *testing.T) {
	ca := tlstest.NewCA(t)
	var names sync.Map
	ln, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{
		Certificates: []tls.Certificate{ca.Issue("one.test", "two.test")},
		GetConfigForClient: func(h *tls.ClientHelloInfo) (*tls.Config, error) {
			names.Store(h.Conn.RemoteAddr().String(), h.ServerName)
			return nil, nil
		},
	})
	require.NoError(t, err)
	b := serveOn(t, ln, func(c *conn, _ int) {
		name, _ := names.Load(c.RemoteAddr().String())
		for c.readRequest() != "" {
			c.send(fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n%s", name))
		}
	})
	by := func(name string) balancer.BackendSettings {
		return balancer.BackendSettings{
			URL: "https://" + b.addr, Addr: b.addr, TLSIdentity: name, Weight: 1, State: balancer.Ready,
			TLS: &tls.Config{RootCAs: ca.Roots(), ServerName: name},
		}
	}
	p := startChanging(t, connectionSettings())
	c := p.dial()
	for _, step := range []struct {
		name  string
		conns int64
	}{{"one.test", 1}, {"one.test", 1}, {"two.test", 2}, {"one.test", 3}} {
		p.change(t, connectionSettings(), by(step.name))
		for range 2 {
			assert.Equal(t, step.name, c.do(plainGet).body)
		}
		assert.Equal(t, step.conns, b.conns.Load())
	}
}

// Nothing is left of backends that came and went under load, and no request fails.
func TestNothingIsLeftOfRemovedBackends(t *testing.T) {
	all := []*lasting{startLasting(t), startLasting(t), startLasting(t)}
	p := startChanging(t, connectionSettings(), all[0].addr)
	done := make(chan struct{})
	var clients sync.WaitGroup
	for range 4 {
		c := p.dial()
		clients.Go(func() {
			for {
				if a := c.do(plainGet); !assert.Equal(t, 200, a.StatusCode, a.body) {
					return
				}
				select {
				case <-done:
					return
				default:
				}
			}
		})
	}
	for n := range 100 {
		p.change(t, connectionSettings(), plain(all[n%3].addr, all[(n+1)%3].addr)...)
	}
	p.change(t, connectionSettings(), plain(all[0].addr)...)
	close(done)
	clients.Wait()
	p.idle(t)
	all[1].opened(t, 0)
	all[2].opened(t, 0)
	assert.Len(t, p.backends.clients.list(), 1)
	assert.LessOrEqual(t, all[0].open.Load(), int64(4))
	p.pool.Close()
	all[0].opened(t, 0)
	assert.Empty(t, p.backends.clients.list())
	assert.Zero(t, p.Stats().Retries)
}

// A prepared backend that is discarded leaves nothing either.
func TestNothingIsLeftOfADiscardedChange(t *testing.T) {
	b := startLasting(t)
	p := startChanging(t, connectionSettings(), b.addr)
	other := startLasting(t)
	c := p.pool.Prepare(balancer.Settings{
		Backends: plain(b.addr, other.addr), NewProber: p.backends.With(connectionSettings()),
		Health: balancer.HealthSettings{Type: balancer.HealthTCP, Interval: time.Minute, Timeout: patience, Rise: 1, Fall: 1},
	})
	c.Probe(t.Context())
	assert.Len(t, p.backends.clients.list(), 2)
	c.Discard()
	assert.Len(t, p.backends.clients.list(), 1)
	assert.Equal(t, "ok", p.dial().do(plainGet).body)
}
