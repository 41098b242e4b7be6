package proxy

import (
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

// What a client sends reaches the backend byte for byte, except what is ours to change; and so does
// a response the client.
func TestBytesStayAsTheyCame(t *testing.T) {
	b, got := answering(t, "HTTP/1.1 299 Quite Fine\r\nx-LOWER: 1\r\nX-Twice: a\r\nContent-Length: 4\r\nX-Twice: b\r\nDate: never\r\n\r\n\x00\xffab")
	p := proxyTo(t, b.addr)
	c := p.dial()
	require.True(t, c.send("PATCH /a/../b//c/%2e%2e/d%2Fe?q=%zz&{x} HTTP/1.1\r\nhOsT: Example.COM\r\nuser-AGENT: me\r\nx-b: 2\r\nX-A:  1 \r\nx-b: 1\r\n"+
		"Accept-Encoding: gzip\r\ncontent-length: 3\r\nX-Request-Id: mine\r\n\r\n\x00\xff\n"))
	head := c.readHead()
	assert.True(t, strings.HasPrefix(head, "HTTP/1.1 299 Quite Fine\r\n"), head)
	for _, line := range []string{"x-LOWER: 1\r\n", "X-Twice: a\r\nContent-Length: 4\r\nX-Twice: b\r\n", "Date: never\r\n", "Content-Length: 4\r\n"} {
		assert.Contains(t, head, line)
	}
	assert.NotContains(t, head, "Server")
	assert.NotContains(t, head, "Content-Type")
	c.expect("\x00\xffab")

	require.Len(t, got.list(), 1)
	req := got.list()[0]
	assert.True(t, strings.HasPrefix(req, "PATCH /a/../b//c/%2e%2e/d%2Fe?q=%zz&{x} HTTP/1.1\r\nhOsT: Example.COM\r\nuser-AGENT: me\r\nx-b: 2\r\nX-A:  1 \r\nx-b: 1\r\nAccept-Encoding: gzip\r\n"), req)
	assert.True(t, strings.HasSuffix(req, "Content-Length: 3\r\n\r\n\x00\xff\n"), req)
	assert.Contains(t, req, "X-Forwarded-For: 127.0.0.1\r\n")
	assert.NotContains(t, req, "mine")
}

// A client's connection and a backend's serve one request after the other.
func TestConnectionsAreUsedAgain(t *testing.T) {
	b, got := answering(t, ok)
	p := proxyTo(t, b.addr)
	c := p.dial()
	for range 10 {
		a := c.do("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		assert.Equal(t, "ok", a.body)
		assert.Equal(t, 200, a.StatusCode)
	}
	assert.Len(t, got.list(), 10)
	assert.EqualValues(t, 1, b.conns.Load())
	assert.EqualValues(t, 10, p.Stats().Responses.Successful)
}

const get10 = "GET / HTTP/1.0\r\n\r\n"

// Answers whose end is their header's end, whatever that says.
func TestAnswersWithoutBody(t *testing.T) {
	f := func(method, answer, want string) {
		t.Helper()
		b, _ := answering(t, answer)
		p := proxyTo(t, b.addr)
		c := p.dial()
		for range 2 {
			require.True(t, c.send(method+" / HTTP/1.1\r\nHost: x\r\n\r\n"))
			head := c.readHead()
			head = regexp.MustCompile(`(Date|X-Request-ID): .*\r\n`).ReplaceAllString(head, "")
			assert.Equal(t, want, head)
		}
	}
	f("HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n")
	f("HEAD", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
	f("HEAD", "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n", "HTTP/1.1 204 No Content\r\n\r\n")
	f("HEAD", "HTTP/1.1 200 OK\r\nA: b\r\n\r\n", "HTTP/1.1 200 OK\r\nA: b\r\n\r\n")
	f("GET", "HTTP/1.1 204 No Content\r\nA: b\r\n\r\n", "HTTP/1.1 204 No Content\r\nA: b\r\n\r\n")
	f("GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 1234\r\nEtag: \"1\"\r\n\r\n", "HTTP/1.1 304 Not Modified\r\nContent-Length: 1234\r\nEtag: \"1\"\r\n\r\n")
	f("GET", "HTTP/1.1 304 Not Modified\r\nEtag: \"1\"\r\n\r\n", "HTTP/1.1 304 Not Modified\r\nEtag: \"1\"\r\n\r\n")
	f("GET", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
}

// However a backend frames a body, its client gets it whole, and both connections are used again
// where they can be.
func TestBodies(t *testing.T) {
	large := strings.Repeat("0123456789abcdef", 20_000)
	f := func(name, answer, body string, closes bool) {
		t.Run(name, func(t *testing.T) {
			b := startBackend(t, func(c *conn, _ int) {
				for c.readRequest() != "" && c.send(answer) && !closes {
				}
			})
			p := proxyTo(t, b.addr)
			c := p.dial()
			for range 3 {
				a := c.do("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
				require.NoError(t, a.err)
				require.Equal(t, 200, a.StatusCode)
				require.True(t, a.body == body, "%d bytes of %d", len(a.body), len(body))
				require.False(t, a.Close)
			}
			want := int64(1)
			if closes {
				want = 3
			}
			assert.Equal(t, want, b.conns.Load())
		})
	}
	f("small", ok, "ok", false)
	f("large", "HTTP/1.1 200 OK\r\nContent-Length: 320000\r\n\r\n"+large, large, false)
	f("chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0002;x=y\r\nde\r\n0\r\n\r\n", "abcde", false)
	f("no chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "", false)
	f("large chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4E200\r\n"+large+"\r\n4e200\r\n"+large+"\r\n0\r\n\r\n", large+large, false)
	f("until close", "HTTP/1.1 200 OK\r\n\r\n"+large, large, true)
	f("until close, with upgrade", "HTTP/1.1 200 OK\r\nConnection: upgrade\r\n\r\n"+large, large, true)
	f("HTTP/1.0", "HTTP/1.0 200 OK\r\n\r\n"+large, large, true)
	f("HTTP/1.0 sized", "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", "ok", true)
	f("HTTP/1.0 kept", "HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 2\r\n\r\nok", "ok", false)
	f("closing", "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok", "ok", true)
	f("after interim answers", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"+ok, "ok", false)
}

// An HTTP/1.0 client gets a response of known length as it is, and any other up to the connection's
// end.
func TestHTTP10Clients(t *testing.T) {
	f := func(answer, body string, size int64) {
		t.Helper()
		b := startBackend(t, func(c *conn, _ int) {
			if c.readRequest() != "" {
				c.send(answer)
			}
		})
		p := proxyTo(t, b.addr)
		c := p.dial()
		a := c.do(get10)
		require.NoError(t, a.err)
		assert.Equal(t, body, a.body)
		assert.Equal(t, size, a.ContentLength)
		assert.Empty(t, a.TransferEncoding)
		assert.True(t, a.Close)
		c.expectEnd()
	}
	f(ok, "ok", 2)
	f("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: x\r\n\r\n3\r\nabc\r\n0\r\nx: y\r\n\r\n", "abc", -1)
	f("HTTP/1.1 200 OK\r\n\r\nabc", "abc", -1)
	f("HTTP/1.0 200 OK\r\n\r\nabc", "abc", -1)
}

func TestHTTP10KeepAlive(t *testing.T) {
	b, got := answering(t, ok)
	p := proxyTo(t, b.addr)
	c := p.dial()
	for range 3 {
		a := c.do("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n")
		assert.Equal(t, "ok", a.body)
		assert.Equal(t, "keep-alive", strings.ToLower(a.Header.Get("Connection")))
	}
	assert.True(t, strings.HasPrefix(got.list()[0], "GET / HTTP/1.1\r\nHost: "+b.addr+"\r\n"), got.list()[0])
}

// Without a reset, an HTTP/1.0 client could take what came so far for all of it.
func TestHTTP10ClientSeesTheCut(t *testing.T) {
	b := startBackend(t, func(c *conn, _ int) {
		c.readRequest()
		c.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n5\r\nde")
	})
	p := proxyTo(t, b.addr)
	a := p.dial().do(get10)
	assert.Error(t, a.err)
	assert.EqualValues(t, 1, p.Stats().Cut)
}

// A client that wants its connection closed doesn't have the backend's closed.
func TestClientCloses(t *testing.T) {
	b, got := answering(t, ok)
	p := proxyTo(t, b.addr)
	for range 3 {
		c := p.dial()
		a := c.do("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
		assert.Equal(t, "ok", a.body)
		assert.True(t, a.Close)
		c.expectEnd()
	}
	assert.EqualValues(t, 1, b.conns.Load())
	assert.NotContains(t, got.list()[0], "close")
}

// A client that has sent more than its last request gets the response to that nevertheless: closing
// with bytes unread would reset the connection, and take what the client has not read yet.
func TestRequestsBehindTheLast(t *testing.T) {
	for name, head := range map[string]string{
		"close": "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
		"1.0":   "GET / HTTP/1.0\r\nHost: x\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			arrived, more := make(chan struct{}), make(chan struct{})
			b := startBackend(t, func(c *conn, _ int) {
				c.readRequest()
				close(arrived)
				<-more
				c.send(ok)
			})
			c := proxyTo(t, b.addr).dial()
			require.True(t, c.send(head))
			<-arrived
			require.True(t, c.send("GET /behind HTTP/1.1\r\nHost: x\r\n\r\n"))
			close(more)
			assert.Equal(t, "ok", c.readAnswer("GET").body)
			c.expectEnd()
			require.True(t, c.send("GET /late HTTP/1.1\r\nHost: x\r\n\r\n"), "it may still finish sending")
			require.NoError(t, c.Close())
			assert.EqualValues(t, 1, b.conns.Load())
		})
	}
}

// Requests that are sent without waiting for responses are answered in order, whether they need
// more of the client or not.
func TestPipelining(t *testing.T) {
	b := startBackend(t, func(c *conn, _ int) {
		for {
			req := c.readRequest()
			if req == "" {
				return
			}
			path := strings.Fields(req)[1]
			if path == "/2" {
				c.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n/2\r\n0\r\n\r\n")
				continue
			}
			c.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n" + path)
		}
	})
	c := startProxy(t, settings(), poolOf(t, connectionSettings(), b.addr), nil).dial()
	var all strings.Builder
	paths := []string{"/1", "/2", "/3", "/4", "/5", "/6"}
	for i, path := range paths {
		if i%4 < 2 {
			all.WriteString("GET " + path + " HTTP/1.1\r\nHost: x\r\n\r\n")
		} else {
			all.WriteString("POST " + path + " HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx")
		}
	}
	for range 2 {
		require.True(t, c.send(all.String()))
		for _, path := range paths {
			assert.Equal(t, path, c.readAnswer("POST").body)
		}
	}
}

// A response doesn't wait for the next request, even if some or all of that came with the first.
// Its client may send the rest only when it has the first response.
func TestPipelinedAnswersDoNotWait(t *testing.T) {
	f := func(first, second, rest string) {
		t.Helper()
		slow := make(chan struct{})
		release := sync.OnceFunc(func() { close(slow) })
		defer release()
		b := startBackend(t, func(c *conn, _ int) {
			for req := c.readRequest(); req != ""; req = c.readRequest() {
				if strings.Contains(req, " /slow ") {
					<-slow
				}
				c.send(first)
			}
		})
		p := proxyTo(t, b.addr)
		c := p.dial()
		require.True(t, c.send("GET /fast HTTP/1.1\r\nHost: x\r\n\r\n"+second))
		assert.Equal(t, "ok", c.readAnswer("GET").body)
		require.True(t, c.send(rest))
		release()
		assert.Equal(t, "ok", c.readAnswer("GET").body)
	}
	const slow = "GET /slow HTTP/1.1\r\nHost: x\r\n\r\n"
	f(ok, slow, "")
	f("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", slow, "")
	f(ok, sized(4), "body")
	f(ok, sized(smallBody+1), strings.Repeat("x", smallBody+1))
	f(ok, chunked, "4\r\nbody\r\n0\r\n\r\n")
	f(ok, slow[:10], slow[10:])
}

func TestTrailers(t *testing.T) {
	b, _ := answering(t, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: x-sum\r\n\r\n3\r\nabc\r\n0\r\nx-sum: 6\r\n\r\n")
	p := proxyTo(t, b.addr)
	a := p.dial().do("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	assert.Equal(t, "abc", a.body)
	assert.Equal(t, "6", a.Trailer.Get("X-Sum"))
}

// Answers that two readers could take for different ones, or that aren't any, are a 502, and reach
// nobody.
func TestBadAnswers(t *testing.T) {
	for _, bad := range []string{
		"",
		"\r\n",
		"nonsense\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: +2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\nContent-Length: 2\r\n\r\n0\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc",
		"HTTP/1.1 200 OK\r\nContent-Length: 2, 3\r\n\r\nok",
		"HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nok",
		"HTTP/1.1 200 OK\r\nContent-Length : 2\r\n\r\nok",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: gzip\r\n\r\n0\r\n\r\n",
		"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer Encoding: chunked\r\n\r\n0\r\n\r\n",
		"HTTP/1.1 200 OK\r\nA: b\r\n c\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.1 200 OK\rContent-Length: 0\r\n\r\n",
		"HTTP/1.1 200 OK\r\nA: b\rContent-Length: 0\r\n\r\n",
		"HTTP/1.1 200 OK\r\nA\x00: b\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.1 200 OK\r\nA: b\x00\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.1 200 OK\r\n: b\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
		"HTTP/1.1 099 Low\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.1 600 High\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.1 2000 Long\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.1 20 Short\r\nContent-Length: 0\r\n\r\n",
		"HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.1  200 OK\r\nContent-Length: 0\r\n\r\n",
		"http/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 64<<10) + "\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nxxx\r\n0\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nxx\r\n2 2\r\nxx\r\n0\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Le",
	} {
		b := startBackend(t, func(c *conn, _ int) {
			c.readRequest()
			c.send(bad)
		})
		p := proxyTo(t, b.addr)
		c := p.dial()
		p.isProblem(c.do("POST / HTTP/1.1\r\nHost: x\r\n\r\n"), 502, "backend-broken")
		assert.EqualValues(t, 1, b.conns.Load(), "%q", bad)
		st := p.Stats()
		assert.EqualValues(t, 1, st.BadGateway, "%q", bad)
		assert.EqualValues(t, 1, p.pool.balancers[0].Status()[0].Failures)

		// The client's connection goes on.
		p.pool.none.Store(true)
		p.isProblem(c.do("POST / HTTP/1.1\r\nHost: x\r\n\r\n"), 503, "no-backend")
	}
}

// What comes behind a response is no client's response.
func TestLeftoverBytesReachNobody(t *testing.T) {
	const stray = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecret"
	f := func(method, answer string) {
		t.Helper()
		b, _ := answering(t, answer)
		p := proxyTo(t, b.addr)
		c := p.dial()
		for i := range 3 {
			a := c.do(method + " / HTTP/1.1\r\nHost: x\r\n\r\n")
			assert.NotContains(t, a.body, "secret")
			assert.NotEqual(t, int64(6), a.ContentLength)
			assert.EqualValues(t, i+1, b.conns.Load(), answer)
		}
	}
	f("GET", ok+stray)
	f("GET", ok+"\r\n")
	f("GET", "HTTP/1.1 204 No Content\r\n\r\n"+stray)
	f("GET", "HTTP/1.1 304 Not Modified\r\n\r\n"+stray)
	f("HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 45\r\n\r\n"+stray)
	f("GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"+stray)
}

// The same for what comes later, while the connection is not in use.
func TestLateBytesReachNobody(t *testing.T) {
	more := make(chan struct{})
	b := startBackend(t, func(c *conn, nth int) {
		for c.readRequest() != "" {
			c.send(ok)
			if nth == 1 {
				<-more
				c.send("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecret")
				more <- struct{}{}
			}
		}
	})
	p := proxyTo(t, b.addr)
	c := p.dial()
	assert.Equal(t, "ok", c.do("GET / HTTP/1.1\r\nHost: x\r\n\r\n").body)
	more <- struct{}{}
	<-more
	assert.Equal(t, "ok", c.do("GET / HTTP/1.1\r\nHost: x\r\n\r\n").body)
	assert.EqualValues(t, 2, b.conns.Load())
}

// Backends stay hidden where their responses point to them, or to each other.
func TestLocation(t *testing.T) {
	b := startBackend(t, func(c *conn, _ int) {
		for c.readRequest() != "" {
			c.send("HTTP/1.1 302 Found\r\nlocation: http://" + c.LocalAddr().String() + "/there\r\n" +
				"Content-Location: http://10.0.0.1:80/here\r\nContent-Length: 0\r\n\r\n")
		}
	})
	f := func(backends []string, location, contentLocation string) {
		t.Helper()
		s := settings()
		s.Route.Hidden = func() []string { return backends }
		p := startProxy(t, s, poolOf(t, connectionSettings(), b.addr), nil)
		a := p.dial().do("GET / HTTP/1.1\r\nHost: shop.example\r\n\r\n")
		assert.Equal(t, location, a.Header.Get("Location"))
		assert.Equal(t, contentLocation, a.Header.Get("Content-Location"))
		assert.NotEmpty(t, a.Header.Get("X-Request-Id"))
	}
	f(nil, "http://shop.example/there", "http://10.0.0.1:80/here")
	f([]string{b.addr, "10.0.0.1:80"}, "http://shop.example/there", "http://shop.example/here")
}

// The pool's Host replaces the client's.
func TestHostReachesTheBackend(t *testing.T) {
	b, got := answering(t, ok)
	s := settings()
	s.Route.Host = "inside.example"
	p := startProxy(t, s, poolOf(t, connectionSettings(), b.addr), nil)
	assert.Equal(t, "ok", p.dial().do("GET / HTTP/1.1\r\nHost: shop.example\r\n\r\n").body)
	assert.Contains(t, got.list()[0], "\r\nHost: inside.example\r\n")
	assert.NotContains(t, got.list()[0], "\r\nHost: shop.example\r\n")
}

// A request that began behind another one, in one packet with it, has no more time for its header
// than any.
func TestHeaderTimeoutOfPipelinedRequest(t *testing.T) {
	for _, read := range []time.Duration{time.Minute, 0} {
		b, _ := answering(t, ok)
		s := settings()
		s.Clients.Header, s.Clients.Read = brief, read
		c := startProxy(t, s, poolOf(t, connectionSettings(), b.addr), nil).dial()
		require.True(t, c.send(plainGet+"GET / HT"))
		require.Equal(t, 200, c.readAnswer("GET").StatusCode)
		require.Equal(t, 408, c.readAnswer("GET").StatusCode)
	}
}
