package proxy

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/proxy/outcome"
)

const (
	post    = "POST / HTTP/1.1\r\nHost: x\r\n"
	chunked = post + "Transfer-Encoding: chunked\r\n\r\n"
)

// sized is a POST's head that announces a body of n bytes.
func sized(n int) string { return fmt.Sprintf(post+"Content-Length: %d\r\n\r\n", n) }

// What a backend gets of a body, by how the client framed it.
func TestFramingOfRequests(t *testing.T) {
	f := func(request, framing, body string) {
		t.Helper()
		b, got := answering(t, ok)
		p := proxyTo(t, b.addr)
		assert.Equal(t, "ok", p.dial().do(request).body)
		head, rest, _ := strings.Cut(got.list()[0], "\r\n\r\n")
		head = strings.ToLower(head)
		assert.Equal(t, framing == "", !strings.Contains(head, "content-length") && !strings.Contains(head, "transfer-encoding"), head)
		assert.Contains(t, head, framing)
		assert.Equal(t, body, rest)
	}
	f("GET / HTTP/1.1\r\nHost: x\r\n\r\n", "", "")
	f("POST / HTTP/1.1\r\nHost: x\r\n\r\n", "", "")
	f(sized(0), "content-length: 0", "")
	f(sized(1)+"x", "content-length: 1", "x")
	f("GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc", "content-length: 3", "abc")
	f("DELETE / HTTP/1.0\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc", "content-length: 3", "abc")
	f(chunked+"0\r\n\r\n", "transfer-encoding: chunked", "0\r\n\r\n")
	f(chunked+"3\r\nabc\r\n0\r\n\r\n", "transfer-encoding: chunked", "3\r\nabc\r\n0\r\n\r\n")
	f(chunked+"3;x=y\r\nabc\r\n0\r\n\r\n", "transfer-encoding: chunked", "3\r\nabc\r\n0\r\n\r\n")
}

// Pieces of a body are sent on as they come.
func TestUploadsArrivePieceByPiece(t *testing.T) {
	f := func(head string, frame func(string) string, end string) {
		t.Helper()
		got := make(chan string, 100)
		b := startBackend(t, func(c *conn, _ int) {
			c.readHead()
			for line := ""; line != "end\n"; {
				line, _ = c.br.ReadString('\n')
				got <- line
			}
			c.send(ok)
		})
		p := proxyTo(t, b.addr)
		c := p.dial()
		require.True(t, c.send(head))
		for i := range 5 {
			piece := fmt.Sprintf("piece %d\n", i)
			require.True(t, c.send(frame(piece)))
			for line := ""; line != piece; {
				line = <-got
			}
		}
		require.True(t, c.send(end))
		assert.Equal(t, 200, c.readAnswer("POST").StatusCode)
	}
	end := strings.Repeat("x", smallBody) + "\nend\n"
	f(sized(5*len("piece 0\n")+len(end)), func(s string) string { return s }, end)
	f(chunked, func(s string) string { return fmt.Sprintf("%x\r\n%s\r\n", len(s), s) }, "4\r\nend\n\r\n0\r\n\r\n")
}

// limited to 10 bytes.
func small(t *testing.T, addrs ...string) *proxied {
	t.Helper()
	s := settings()
	s.Route.MaxBody = 10
	return startProxy(t, s, poolOf(t, connectionSettings(), addrs...), nil)
}

// A body that says it is too large is refused before any of it came, however it is asked for; one
// that turns out to be, when it does.
func TestBodyTooLarge(t *testing.T) {
	b, _ := answering(t, ok)
	f := func(request string) {
		t.Helper()
		p := small(t, b.addr)
		c := p.dial()
		a := c.do(request)
		p.isProblem(a, 413, "too large")
		assert.True(t, a.Close)
		require.NoError(t, c.Close())
		assert.Zero(t, p.pool.balancers[0].Status()[0].Failures)
	}
	f(sized(11))
	f(sized(11) + "x")
	f(sized(1<<30) + "x")
	f(post + "Content-Length: 11\r\nExpect: 100-continue\r\n\r\n")
	f(post + "Content-Length: 11\r\nexpect: 100-Continue\r\n\r\n")
	f(post + "Content-Length: 11\r\n\r\n" + strings.Repeat("x", 1<<20))
	f("POST / HTTP/1.0\r\nContent-Length: 11\r\n\r\nx")
	f(chunked + "b\r\n01234567890\r\n")
	f(chunked + "5\r\nabcde\r\n6\r\nabcdef\r\n")
	f(chunked + "fffffffff\r\n" + strings.Repeat("x", 1<<20))

	p := small(t, b.addr)
	assert.Equal(t, 200, p.dial().do(sized(10)+"0123456789").StatusCode)
	assert.Equal(t, 200, p.dial().do(chunked+"a\r\n0123456789\r\n0\r\n\r\n").StatusCode)
}

// Closing while the client still sends must not take its response from it.
func TestEarlyAnswerWhileUploading(t *testing.T) {
	f := func(p *proxied, status int) {
		t.Helper()
		for _, size := range []int64{64 << 20, -1} {
			req, err := http.NewRequest("POST", "http://"+p.addr, &zeros{64 << 20})
			require.NoError(t, err)
			req.ContentLength = size
			transport := &http.Transport{}
			resp, err := transport.RoundTrip(req)
			require.NoError(t, err)
			assert.Equal(t, status, resp.StatusCode)
			_, err = io.ReadAll(resp.Body)
			assert.NoError(t, err)
			transport.CloseIdleConnections()
		}
	}
	b := startBackend(t, func(c *conn, _ int) {
		c.readHead()
		c.send("HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno")
	})
	silent := startBackend(t, func(c *conn, _ int) { _, _ = io.Copy(io.Discard, c.br) })
	f(small(t, silent.addr), 413)
	f(proxyTo(t, b.addr), 401)
	p := proxyTo(t, b.addr)
	p.pool.none.Store(true)
	f(p, 503)
	l := &fakeLimiter{}
	f(startProxy(t, settings(), poolOf(t, connectionSettings(), b.addr), l), 429)
}

// A backend that answers and stops reading, but doesn't close, is heard too.
func TestEarlyAnswerWithoutClose(t *testing.T) {
	release := make(chan struct{})
	b := startBackend(t, func(c *conn, _ int) {
		c.readHead()
		c.send("HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno")
		<-release
	})
	defer close(release)
	cs := connectionSettings()
	cs.Timeouts.Idle = brief
	p := startProxy(t, settings(), poolOf(t, cs, b.addr), nil)
	req, err := http.NewRequest("POST", "http://"+p.addr, &zeros{64 << 20})
	require.NoError(t, err)
	req.ContentLength = 64 << 20
	transport := &http.Transport{}
	resp, err := transport.RoundTrip(req)
	require.NoError(t, err)
	assert.Equal(t, 413, resp.StatusCode)
	body, err := io.ReadAll(resp.Body)
	assert.NoError(t, err)
	assert.Equal(t, "no", string(body))
	transport.CloseIdleConnections()
}

// A backend that doesn't read has as long for its response as any other.
func TestBackendTakesNoUpload(t *testing.T) {
	release := make(chan struct{})
	b := startBackend(t, func(c *conn, _ int) {
		c.readHead()
		<-release
	})
	defer close(release)
	cs := connectionSettings()
	cs.Timeouts.Idle, cs.Timeouts.Response = brief, brief
	p := startProxy(t, settings(), poolOf(t, cs, b.addr), nil)
	c := p.dial()
	require.True(t, c.send(sized(64<<20)))
	go func() { _, _ = io.Copy(c.Conn, &zeros{64 << 20}) }() // until the connection ends
	p.isProblem(c.readAnswer("POST"), 504, "backend-late")
	assert.EqualValues(t, 1, p.pool.balancers[0].Status()[0].Failures)
}

// So is one that answers a client which pauses its body.
func TestEarlyAnswerWhileUploadPauses(t *testing.T) {
	f := func(request, answer string, status int) {
		t.Helper()
		b := startBackend(t, func(c *conn, _ int) {
			c.readHead()
			c.send(answer)
			_, _ = io.Copy(io.Discard, c.br)
		})
		s := settings()
		s.Clients.Read = brief
		p := startProxy(t, s, poolOf(t, connectionSettings(), b.addr), nil)
		c := p.dial()
		a := c.do(request)
		assert.Equal(t, status, a.StatusCode)
		assert.True(t, a.Close)
		assert.Zero(t, p.pool.balancers[0].Status()[0].Failures)
		require.NoError(t, c.Close())
	}
	const refusal = "HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno"
	f(sized(smallBody+1)+"x", refusal, 401)
	f(chunked+"1\r\nx\r\n", refusal, 401)
	f(chunked+"1\r\nx\r\n", "", 408)
}

// A client that breaks its request is not the backend's fault.
func TestBrokenUploads(t *testing.T) {
	f := func(request string, status int, half bool) {
		t.Helper()
		b := startBackend(t, func(c *conn, _ int) { _ = c.readRequest() })
		p := proxyTo(t, b.addr)
		c := p.dial()
		require.True(t, c.send(request))
		if half {
			require.NoError(t, c.Conn.(interface{ CloseWrite() error }).CloseWrite())
		}
		a := c.readAnswer("POST")
		p.isProblem(a, 400, "")
		assert.True(t, a.Close)
		c.expectEnd()
		st := p.Stats()
		assert.EqualValues(t, 1, st.Responses.ClientError)
		assert.EqualValues(t, status == outcome.ClientGone.Status, st.ClientGone == 1)
		assert.Zero(t, p.pool.balancers[0].Status()[0].Failures)
		require.Eventually(t, func() bool {
			return strings.Contains(p.log.lines()[0], fmt.Sprintf(`"status":%d`, status))
		}, patience, time.Millisecond)
	}
	f(chunked+"x\r\n", 400, false)
	f(chunked+"3\r\nabcd\r\n", 400, false)
	f(chunked+"3\r\nabc\r\n-1\r\n", 400, false)
	f(chunked+"3\r\nab", outcome.ClientGone.Status, true)
	f(chunked, outcome.ClientGone.Status, true)
	f(sized(10)+"x", outcome.ClientGone.Status, true)
	f(sized(100_000)+"x", outcome.ClientGone.Status, true)
}

// The steps before the body come before the 100, and come once.
func TestExpectContinue(t *testing.T) {
	var got requests
	b := startBackend(t, func(c *conn, _ int) {
		for {
			head := c.readHead()
			if head == "" || !c.send("HTTP/1.1 100 Continue\r\n\r\n") {
				return
			}
			c.expect("body")
			got.add(head)
			c.send(ok)
		}
	})
	l := &fakeLimiter{}
	l.left.Store(2)
	p := startProxy(t, settings(), poolOf(t, connectionSettings(), b.addr), l)
	const ask = post + "Content-Length: 4\r\n"
	c := p.dial()
	for _, expect := range []string{"Expect: 100-continue\r\n\r\n", "expect: 100-CONTINUE\r\n\r\n"} {
		require.True(t, c.send(ask+expect))
		assert.Equal(t, "HTTP/1.1 100 Continue\r\n\r\n", withoutRequestID(c.nextHead()))
		a := c.do("body")
		assert.Equal(t, "ok", a.body)
	}
	assert.Len(t, l.taken(), 2)
	assert.Len(t, got.list(), 2)
	assert.Contains(t, strings.ToLower(got.list()[0]), "expect: 100-continue")

	// The client is refused without having sent the body.
	require.True(t, c.send(ask+"Expect: 100-continue\r\n\r\n"))
	a := c.readAnswer("POST")
	p.isProblem(a, 429, "quota")
	assert.NotEmpty(t, a.Header.Get("Retry-After"))
	assert.True(t, a.Close)
	require.NoError(t, c.Close())
	assert.Len(t, l.taken(), 3)
	assert.Len(t, got.list(), 2)

	p.pool.none.Store(true)
	l.left.Store(10)
	c = p.dial()
	require.True(t, c.send(ask+"Expect: 100-continue\r\n\r\n"))
	p.isProblem(c.readAnswer("POST"), 503, "no-backend")
	p.logged(4)
	require.NoError(t, c.Close())
}

// A client that gets its 100 and goes away ends its request.
func TestClientGoesAwayAfterContinue(t *testing.T) {
	b := startBackend(t, func(c *conn, _ int) {
		c.readHead()
		c.send("HTTP/1.1 100 Continue\r\n\r\n")
		_, _ = c.br.ReadByte()
	})
	p := proxyTo(t, b.addr)
	c := p.dial()
	require.True(t, c.send(post+"Content-Length: 4\r\nExpect: 100-continue\r\n\r\n"))
	assert.Equal(t, "HTTP/1.1 100 Continue\r\n\r\n", withoutRequestID(c.nextHead()))
	require.NoError(t, c.Close())
	require.Eventually(t, func() bool { return p.Stats().ClientGone == 1 }, patience, time.Millisecond)
	assert.Zero(t, p.Stats().InFlight)
}
