package proxy

import (
	"bufio"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/proxy/http1/http1test"
	"gopher-equalizer/proxy/identity"
)

// brief is a timeout that tests wait for, and long enough for a busy machine to do what must not
// meet it.
const brief = 300 * time.Millisecond

// withTimeouts is a proxy whose clients have little time.
func withTimeouts(t *testing.T, change func(*setup), addrs ...string) *proxied {
	t.Helper()
	s := settings()
	change(&s)
	return startProxy(t, s, poolOf(t, connectionSettings(), addrs...), nil)
}

// A header that doesn't come to its end is answered, and so is a body.
func TestSlowRequests(t *testing.T) {
	b := startBackend(t, func(c *conn, _ int) { c.readRequest() })
	f := func(request, problem string, change func(*setup)) {
		t.Run("", func(t *testing.T) {
			t.Parallel()
			p := withTimeouts(t, change, b.addr)
			c := p.dial()
			begin := time.Now()
			a := c.do(request)
			assert.GreaterOrEqual(t, time.Since(begin), brief)
			p.isProblem(a, 408, problem)
			assert.True(t, a.Close)
			c.expectEnd()
			assert.Zero(t, p.pool.balancers[0].Status()[0].Failures)
		})
	}
	header := func(s *setup) { s.Clients.Header = brief }
	f("GET / HTTP/1.1\r\nHost", "header", header)
	f("G", "header", header)
	body := func(s *setup) { s.Clients.Read = brief }
	f(sized(10), "body", body)
	f(sized(10)+"x", "body", body)
	f(sized(100_000)+"x", "body", body)
	f(chunked, "body", body)
	f(chunked+"5\r\nabc", "body", body)
	f(chunked+"3\r\nabc\r\n", "body", body)
}

// The header's time doesn't run while the body comes, even if that hasn't begun.
func TestBodyAfterHeaderTimeout(t *testing.T) {
	b, _ := answering(t, ok)
	p := withTimeouts(t, func(s *setup) { s.Clients.Header = brief }, b.addr)
	c := p.dial()
	require.True(t, c.send(sized(1)))
	<-time.After(2 * brief) // Not a wait for something: this is the slow client.
	assert.Equal(t, "ok", c.do("x").body)
}

// Connections on which nothing comes are closed without a word.
func TestIdleClients(t *testing.T) {
	b, _ := answering(t, ok)
	p := withTimeouts(t, func(s *setup) { s.Clients.Header = brief }, b.addr)
	p.dial().expectEnd()
	p = withTimeouts(t, func(s *setup) { s.Clients.Idle = brief }, b.addr)
	c := p.dial()
	assert.Equal(t, "ok", c.do("GET / HTTP/1.1\r\nHost: x\r\n\r\n").body)
	c.expectEnd()
	assert.EqualValues(t, 1, p.Stats().Total)
}

// A client that doesn't take its response is cut off, which is not the backend's fault.
func TestClientThatDoesNotRead(t *testing.T) {
	ended := make(chan bool)
	b := startBackend(t, func(c *conn, _ int) {
		c.readRequest()
		c.send("HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
		for piece := strings.Repeat("x", 1<<16); c.send(piece); {
		}
		ended <- true
	})
	p := withTimeouts(t, func(s *setup) { s.Clients.Write = brief }, b.addr)
	c := p.dial()
	require.True(t, c.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n"))
	assert.True(t, <-ended)
	require.Eventually(t, func() bool { return p.Stats().Cut == 1 }, patience, time.Millisecond)
	assert.Zero(t, p.pool.balancers[0].Status()[0].Failures)
}

// What isn't clearly one request is refused, and the connection ends.
func TestRefusedRequests(t *testing.T) {
	b, got := answering(t, ok)
	p := proxyTo(t, b.addr)
	f := func(request string, status int) {
		t.Helper()
		c := p.dial()
		a := c.do(request)
		p.isProblem(a, status, "")
		assert.True(t, a.Close)
		require.NoError(t, c.Close())
	}
	f("nonsense\r\n\r\n", 400)
	f("GET / HTTP/1.1\r\n\r\n", 400)
	f("GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx", 400)
	f("GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n", 400)
	f("GET / HTTP/1.1\r\nHost: x\r\nTransfer Encoding: chunked\r\n\r\n", 400)
	f("GET / HTTP/2.0\r\nHost: x\r\n\r\n", 505)
	f("POST / HTTP/1.1\r\nHost: x\r\nExpect: cake\r\nContent-Length: 1\r\n\r\nx", 417)
	f("GET / HTTP/1.1\r\nHost: x\r\nX: "+strings.Repeat("x", 16<<10)+"\r\n\r\n", 431)
	f("GET /"+strings.Repeat("x", 16<<10)+" HTTP/1.1\r\nHost: x\r\n\r\n", 414)
	f("GET /"+strings.Repeat("x", 100<<10), 414)
	assert.Empty(t, got.list())
	st := p.Stats()
	assert.EqualValues(t, st.Total, st.Responses.ClientError+st.Responses.ServerError)
}

func TestLimitedRequests(t *testing.T) {
	b, got := answering(t, ok)
	l := &fakeLimiter{}
	l.left.Store(2)
	key, err := identity.ParseKey("header:X-Api-Key", true)
	require.NoError(t, err)
	s := settings()
	s.Key, s.Limit = key, "default"
	p := startProxy(t, s, poolOf(t, connectionSettings(), b.addr), l)
	c := p.dial()
	const request = "GET / HTTP/1.1\r\nHost: x\r\nx-api-KEY: hush\r\n\r\n"
	assert.Equal(t, "ok", c.do(request).body)
	assert.Equal(t, "ok", c.do(request).body)
	for range 2 {
		a := c.do(request)
		p.isProblem(a, 429, "quota")
		assert.Equal(t, "1", a.Header.Get("Retry-After"))
		assert.NotEmpty(t, a.Header.Get("X-Request-ID"))
		assert.False(t, a.Close)
	}
	assert.Len(t, got.list(), 2)
	assert.EqualValues(t, 2, p.Stats().Limited)
	for _, id := range l.taken() {
		assert.Equal(t, key.ClientID("hush"), id)
	}
	// A small body that nobody read doesn't cost the connection.
	p.isProblem(c.do(sized(1000)+strings.Repeat("x", 1000)), 429, "quota")
	p.isProblem(c.do(request), 429, "quota")
}

// A panic is one request's end, with a 500, or with a cut if its response had begun.
func TestPanics(t *testing.T) {
	b, _ := answering(t, ok)
	p := proxyTo(t, b.addr)
	p.pool.panics.Store(true)
	c := p.dial()
	a := c.do(post + "Content-Length: 4\r\n\r\nbody")
	p.isProblem(a, 500, "")
	assert.True(t, a.Close)
	c.expectEnd()
	c = p.dial()
	p.isProblem(c.do(post+"Content-Length: 4\r\nExpect: 100-continue\r\n\r\n"), 500, "")
	require.NoError(t, c.Close())
	p.pool.panics.Store(false)
	assert.Equal(t, "ok", p.dial().do("GET / HTTP/1.1\r\nHost: x\r\n\r\n").body)
	st := p.Stats()
	assert.EqualValues(t, 2, st.Panics)
	assert.EqualValues(t, 2, st.Responses.ServerError)
	assert.Contains(t, strings.Join(p.log.lines(), "\n"), "picking went wrong")
	assert.Contains(t, strings.Join(p.log.lines(), "\n"), "harness_test.go")
}

// brittle panics where a client would be written to.
type brittle struct {
	net.Conn
	// after is how many writes go well before.
	after int
}

func (b *brittle) Write(p []byte) (int, error) {
	if b.after--; b.after < 0 {
		panic("writing went wrong")
	}
	return b.Conn.Write(p)
}

// A panic while a response is relayed cuts the response, and ends the request.
func TestPanicInAnswer(t *testing.T) {
	for after, answer := range []string{ok, "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\nxxx"} {
		b := startBackend(t, func(c *conn, _ int) {
			c.readRequest()
			c.send(answer)
			if after > 0 {
				c.send(strings.Repeat("x", 100_000-3))
			}
			_, _ = c.br.ReadByte()
		})
		p := proxyTo(t, b.addr)
		ours, theirs := net.Pipe()
		p.serve(&brittle{ours, after}, newIntake(nil, Listener{}))
		c := &conn{Conn: theirs, t: t, br: bufio.NewReader(theirs)}
		require.True(t, c.send(http1test.Get()))
		_, err := io.ReadAll(c.br)
		require.NoError(t, err)
		require.Eventually(t, func() bool { return p.Stats().Connections == 0 }, patience, time.Millisecond)
		st := p.Stats()
		assert.EqualValues(t, 1, st.Panics)
		assert.EqualValues(t, 1, st.Cut)
		assert.Zero(t, st.InFlight)
		assert.Contains(t, p.log.lines()[0], "writing went wrong")
		require.NoError(t, theirs.Close())
	}
}

// panicky is where a log goes that panics once.
type panicky struct{ once sync.Once }

func (p *panicky) Write(line []byte) (int, error) {
	p.once.Do(func() { panic("logging went wrong") })
	return len(line), nil
}

// A panic at a request's very end ends its connection, and no more than that.
func TestPanicInTheLog(t *testing.T) {
	for _, request := range []string{plainGet, post + "Content-Length: 4\r\n\r\nbody"} {
		b, _ := answering(t, ok)
		pool := poolOf(t, connectionSettings(), b.addr)
		p := settings().proxy(pool, nil, &panicky{})
		addr := run(t, p, pool)
		nc, err := net.Dial("tcp", addr)
		require.NoError(t, err)
		c := &conn{Conn: nc, t: t, br: bufio.NewReader(nc)}
		assert.Equal(t, "ok", c.do(request).body)
		c.expectEnd()
		require.NoError(t, nc.Close())
		assert.EqualValues(t, 1, p.Stats().Panics)
	}
}
