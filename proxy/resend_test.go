package proxy

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/proxy/netconn/deadtest"
)

// deadBefore is a pool that has first an address on which nothing listens any more, and then
// others.
func deadBefore(t *testing.T, others ...string) *fakePool {
	t.Helper()
	ln := listen(t)
	pool := poolOf(t, connectionSettings(), append([]string{ln.Addr().String()}, others...)...)
	deadtest.Close(t, ln)
	return pool
}

// What was not sent at all may go to another backend, whatever it is.
func TestResendAfterFailedConnect(t *testing.T) {
	large := strings.Repeat("x", 100_000)
	for _, request := range []string{
		"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: x\r\n\r\n",
		sized(4) + "body",
		sized(len(large)) + large,
		chunked + "4\r\nbody\r\n0\r\n\r\n",
		"GET / HTTP/1.0\r\n\r\n",
	} {
		b, got := answering(t, ok)
		l := &fakeLimiter{}
		l.left.Store(1)
		p := startProxy(t, settings(), deadBefore(t, b.addr), l)
		assert.Equal(t, "ok", p.dial().do(request).body)
		require.Len(t, got.list(), 1)
		_, want, _ := strings.Cut(request, "\r\n\r\n")
		_, body, _ := strings.Cut(got.list()[0], "\r\n\r\n")
		assert.Equal(t, want, body)
		assert.Len(t, l.taken(), 1, "it spends no token")
		st := p.Stats()
		assert.EqualValues(t, 1, st.Retries)
		assert.EqualValues(t, 1, st.Total)
		assert.Zero(t, st.BadGateway)
		assert.EqualValues(t, 1, p.pool.balancers[0].Status()[0].Failures)
	}

	p := startProxy(t, settings(), deadBefore(t), nil)
	p.isProblem(p.dial().do("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), 502, "backend-broken")
	assert.EqualValues(t, 2, p.pool.balancers[0].Status()[0].Failures, "once more, to the same backend")
	assert.EqualValues(t, 1, p.Stats().Retries)
}

// A backend that can't be reached takes no part of the body, so the client's connection goes on.
// The body goes to the next backend, or is skipped behind the 502.
func TestFailedConnectKeepsTheClient(t *testing.T) {
	const size = 20_000
	const behind = "GET /behind HTTP/1.1\r\nHost: x\r\n\r\n"
	body := strings.Repeat("x", size)
	asked := make(chan struct{})
	b := startBackend(t, func(c *conn, _ int) {
		_, err := c.br.Peek(len("POST"))
		assert.NoError(t, err)
		close(asked)
		for c.readRequest() != "" && c.send(ok) {
		}
	})
	c := startProxy(t, settings(), deadBefore(t, b.addr), nil).dial()
	require.True(t, c.send(sized(size)))
	<-asked
	a := c.do(body)
	assert.Equal(t, "ok", a.body)
	assert.False(t, a.Close, "a retry")
	assert.Equal(t, "ok", c.do(behind).body)

	p := startProxy(t, settings(), deadBefore(t), nil)
	c = p.dial()
	a = c.do(sized(size))
	p.isProblem(a, 502, "backend-broken")
	assert.False(t, a.Close, "a 502")
	p.isProblem(c.do(body+behind), 502, "backend-broken")
}

// What was sent may be sent again if that can't do harm and nothing came back, and only once.
func TestResendAfterBreak(t *testing.T) {
	const yes, no = true, false
	f := func(request, reply string, resent bool) {
		t.Helper()
		breaking := startBackend(t, func(c *conn, _ int) {
			c.readRequest()
			c.send(reply)
		})
		b, got := answering(t, ok)
		p := proxyTo(t, breaking.addr, b.addr)
		a := p.dial().do(request)
		if resent {
			assert.Equal(t, "ok", a.body)
			assert.Len(t, got.list(), 1)
			assert.EqualValues(t, 1, p.Stats().Retries)
		} else {
			p.isProblem(a, 502, "backend-broken")
			assert.Empty(t, got.list())
			assert.Zero(t, p.Stats().Retries)
		}
		assert.EqualValues(t, 1, breaking.conns.Load())
	}
	bare := func(method string) string { return method + " / HTTP/1.1\r\nHost: x\r\n\r\n" }
	full := func(method string) string { return method + " / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx" }
	for _, method := range []string{"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"} {
		if method != "HEAD" {
			f(bare(method), "", yes)
		}
		f(full(method), "", no)
		f(bare(method), "H", no)
	}
	for _, method := range []string{"POST", "PATCH", "LOCK", "get"} {
		f(bare(method), "", no)
		f(full(method), "", no)
	}
	f("PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", "", yes)
	f("PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "", no)
	f(bare("GET"), "HTTP/1.1 100 Continue\r\n\r\n", no)
}

func TestResendIsTheLast(t *testing.T) {
	b := startBackend(t, func(c *conn, _ int) { c.readRequest() })
	other := startBackend(t, func(c *conn, _ int) { c.readRequest() })
	p := proxyTo(t, b.addr, other.addr)
	p.isProblem(p.dial().do("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), 502, "backend-broken")
	assert.EqualValues(t, 2, b.conns.Load()+other.conns.Load())
}

// With no other backend, a request is sent again on a connection that nothing was sent on before,
// however many others there are.
func TestResendOnFreshConnection(t *testing.T) {
	const idle = 3
	warm := make(chan struct{})
	b := startBackend(t, func(c *conn, nth int) {
		c.readRequest()
		if nth <= idle {
			if nth == idle {
				close(warm)
			}
			<-warm
			c.send(ok)
			c.readRequest() // The next request finds the connection closing.
			return
		}
		c.send(ok)
	})
	p := proxyTo(t, b.addr)
	var clients []*conn
	for range idle {
		c := p.dial()
		require.True(t, c.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n"))
		clients = append(clients, c)
	}
	for _, c := range clients {
		assert.Equal(t, "ok", c.readAnswer("GET").body)
	}
	assert.Equal(t, "ok", p.dial().do("GET / HTTP/1.1\r\nHost: x\r\n\r\n").body)
	assert.EqualValues(t, idle+1, b.conns.Load())
	assert.EqualValues(t, 1, p.Stats().Retries)
	assert.Equal(t, idle-1, hostClientOf(p.pool.backends[0]).kept.Load().IdleConnsCount(), "the others are kept")
}

// A connection that the backend closed meanwhile is noticed before anything is sent on it.
func TestStaleConnections(t *testing.T) {
	closed := make(chan struct{}, 10)
	b := startBackend(t, func(c *conn, _ int) {
		c.readRequest()
		c.send(ok)
		c.Close()
		closed <- struct{}{}
	})
	p := proxyTo(t, b.addr)
	c := p.dial()
	for _, request := range []string{"GET / HTTP/1.1\r\nHost: x\r\n\r\n", sized(4) + "body", chunked + "1\r\nx\r\n0\r\n\r\n"} {
		assert.Equal(t, "ok", c.do(request).body)
		<-closed
	}
	assert.Zero(t, p.Stats().Retries)
	assert.Zero(t, p.pool.balancers[0].Status()[0].Failures)
	assert.EqualValues(t, 3, b.conns.Load())
}

// A POST on a connection that closes under it is a 502: it may have been done.
func TestPostOnClosingConnection(t *testing.T) {
	b := startBackend(t, func(c *conn, _ int) {
		c.readRequest()
		c.send(ok)
		c.readRequest()
	})
	p := proxyTo(t, b.addr)
	c := p.dial()
	assert.Equal(t, "ok", c.do(post+"\r\n").body)
	p.isProblem(c.do(post+"\r\n"), 502, "backend-broken")
	assert.EqualValues(t, 1, b.conns.Load())
}

// What is late is a 504 and not sent again.
func TestLateAnswer(t *testing.T) {
	f := func(begin string) {
		t.Helper()
		release := make(chan struct{})
		b := startBackend(t, func(c *conn, _ int) {
			c.readRequest()
			c.send(begin)
			<-release
		})
		defer close(release)
		other, got := answering(t, ok)
		cs := connectionSettings()
		cs.Timeouts.Response = brief
		p := startProxy(t, settings(), poolOf(t, cs, b.addr, other.addr), nil)
		c := p.dial()
		p.isProblem(c.do("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), 504, "backend-late")
		assert.Empty(t, got.list())
		assert.Zero(t, p.Stats().Retries)
		assert.EqualValues(t, 1, p.Stats().GatewayTimeout)
		assert.EqualValues(t, 1, p.pool.balancers[0].Status()[0].Failures)
		assert.Equal(t, "ok", c.do("GET / HTTP/1.1\r\nHost: x\r\n\r\n").body)
	}
	f("")
	f("HTTP/1.1 200 OK\r\n")
	f("HTTP/1.1 100 Continue\r\n\r\n")
}

// A backend that stops in mid-body is cut off, and one that takes too long in all.
func TestLateBodies(t *testing.T) {
	f := func(cs ConnectionSettings, begin string) {
		t.Helper()
		release := make(chan struct{})
		b := startBackend(t, func(c *conn, _ int) {
			c.readRequest()
			c.send(begin)
			<-release
		})
		defer close(release)
		p := startProxy(t, settings(), poolOf(t, cs, b.addr), nil)
		a := p.dial().do("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		assert.Equal(t, 200, a.StatusCode)
		assert.Error(t, a.err)
		assert.EqualValues(t, 1, p.Stats().Cut)
		assert.EqualValues(t, 1, p.pool.balancers[0].Status()[0].Failures)
	}
	idle, total := connectionSettings(), connectionSettings()
	idle.Timeouts.Idle = brief
	total.Timeouts.Total = brief
	for _, cs := range []ConnectionSettings{idle, total} {
		f(cs, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nx")
		f(cs, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n")
	}
}

func TestNoBackend(t *testing.T) {
	p := startProxy(t, settings(), &fakePool{}, nil)
	c := p.dial()
	for range 2 {
		p.isProblem(c.do("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), 503, "urn:gopher-equalizer:no-backend\"")
	}
	assert.EqualValues(t, 2, p.Stats().Unavailable)
}
