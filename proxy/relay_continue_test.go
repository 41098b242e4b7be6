package proxy

import (
	"io"
	"net/http"
	"net/http/httptrace"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	expecting = "Expect: 100-continue\r\n\r\n"
	// hundred can't be taken for a 100 of ours.
	hundred = "HTTP/1.1 100 Continue\r\nX-From: backend\r\n\r\n"
)

// framings are the ways to announce a body of four bytes, and to send it.
var framings = []struct{ field, body string }{
	{"Content-Length: 4\r\n", "body"},
	{"Transfer-Encoding: chunked\r\n", "4\r\nbody\r\n0\r\n\r\n"},
}

// continuing is a backend that says before, reads the body, notes what it got, and says after.
func continuing(t *testing.T, before, after string) (*backend, *requests) {
	t.Helper()
	var got requests
	return startBackend(t, func(c *conn, _ int) {
		for {
			head := c.readHead()
			if head == "" {
				return
			}
			c.send(before)
			body, ok := c.readBody(head)
			if !ok {
				return
			}
			got.add(head + body)
			c.send(after)
		}
	}), &got
}

// Nobody but the backend asks for the body.
func TestContinueIsTheBackends(t *testing.T) {
	b, got := continuing(t, hundred, ok)
	p := proxyTo(t, b.addr)
	c := p.dial()
	for _, expect := range []string{expecting, "expect: 100-CONTINUE\r\n\r\n", "EXPECT:100-continue \r\n\r\n"} {
		for _, framing := range framings {
			require.True(t, c.send(post+framing.field+expect))
			head := c.nextHead()
			assert.True(t, strings.HasPrefix(head, "HTTP/1.1 100 Continue\r\n"), head)
			assert.Contains(t, head, "\r\nX-From: backend\r\n")
			assert.Equal(t, "ok", c.do(framing.body).body)
			last := got.list()[len(got.list())-1]
			assert.Regexp(t, "(?i)\r\nexpect: ?100-continue ?\r\n", last)
			assert.True(t, strings.HasSuffix(last, "\r\n\r\nbody"), last)
		}
	}
	assert.EqualValues(t, 1, b.conns.Load(), "both connections serve on")
}

// A backend that responds without the body isn't sent the body, and the client is told that the
// connection ends.
func TestFinalAnswerInsteadOfContinue(t *testing.T) {
	for _, status := range []string{"401 Unauthorized", "413 Content Too Large", "417 Expectation Failed", "200 OK", "303 See Other"} {
		for _, framing := range framings {
			rest := make(chan string, 1)
			b := startBackend(t, func(c *conn, nth int) {
				c.readHead()
				c.send("HTTP/1.1 " + status + "\r\nContent-Length: 2\r\n\r\nok")
				if nth == 1 {
					rest <- c.untilEnd()
				}
			})
			p := proxyTo(t, b.addr)
			c := p.dial()
			require.True(t, c.send(post+framing.field+expecting))
			a := c.readAnswer("POST")
			assert.Equal(t, status, a.Status)
			assert.Equal(t, "ok", a.body)
			assert.True(t, a.Close)
			c.expectEnd()
			assert.Empty(t, await(t, rest), "the backend's connection isn't used again, nor got it a body")
			assert.Equal(t, "ok", p.dial().do(plainGet).body)
			assert.EqualValues(t, 2, b.conns.Load())
			assert.Zero(t, p.pool.balancers[0].Status()[0].Failures)
		}
	}
}

// Clients need not wait (RFC 9110, section 10.1.1).
func TestBodyWithoutWaiting(t *testing.T) {
	large := strings.Repeat("x", 1<<20)
	requests := []struct{ head, body string }{
		{sized(4), "body"},
		{sized(len(large)), large},
		{chunked, chunk(large) + chunksEnd},
	}
	for _, before := range []string{hundred, ""} {
		b, got := continuing(t, before, ok)
		p := proxyTo(t, b.addr)
		c := p.dial()
		for i, r := range requests {
			sent := make(chan bool, 1)
			go func() { sent <- c.send(strings.TrimSuffix(r.head, "\r\n") + expecting + r.body) }()
			if before != "" {
				assert.Contains(t, c.nextHead(), "\r\nX-From: backend\r\n")
			}
			a := c.readAnswer("POST")
			assert.Equal(t, "ok", a.body)
			assert.False(t, a.Close)
			assert.True(t, await(t, sent))
			require.Len(t, got.list(), i+1)
		}
		assert.EqualValues(t, 1, b.conns.Load())
	}
}

// A client doesn't have to wait forever: some backends don't know of 100.
func TestClientTiresOfWaiting(t *testing.T) {
	waiting := make(chan struct{}, 10)
	b := startBackend(t, func(c *conn, _ int) {
		for head := c.readHead(); head != ""; head = c.readHead() {
			waiting <- struct{}{}
			if body, _ := c.readBody(head); body == "body" {
				c.send(ok)
			}
		}
	})
	p := proxyTo(t, b.addr)
	c := p.dial()
	for _, framing := range framings {
		require.True(t, c.send(post+framing.field+expecting))
		await(t, waiting)
		a := c.do(framing.body)
		assert.Equal(t, "ok", a.body)
		assert.False(t, a.Close)
	}
	assert.EqualValues(t, 1, b.conns.Load())
}

// In HTTP/1.0 there is no 100 (RFC 9110, section 15.2).
func TestContinueForHTTP10(t *testing.T) {
	b, got := continuing(t, hundred, ok)
	p := proxyTo(t, b.addr)
	const head = "POST / HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 4\r\n"
	c := p.dial()
	for range 2 {
		require.True(t, c.send(head+expecting+"body"))
		assert.True(t, strings.HasPrefix(c.nextHead(), "HTTP/1.1 200 OK\r\n"))
		c.expect("ok")
	}
	assert.Len(t, got.list(), 2)
}

// The backend is not asked before its limit is, and what we refuse comes without a 100.
func TestRefusedBeforeContinue(t *testing.T) {
	b, got := answering(t, ok)
	l := &fakeLimiter{}
	s := settings()
	s.Route.MaxBody = 10
	p := startProxy(t, s, poolOf(t, connectionSettings(), b.addr), l)
	f := func(request string, status int) {
		t.Helper()
		c := p.dial()
		require.True(t, c.send(request))
		a := c.readAnswer("POST")
		p.isProblem(a, status, "")
		assert.True(t, a.Close)
		c.expectEnd()
		assert.Empty(t, got.list())
	}
	for _, framing := range framings {
		l.left.Store(0)
		f(post+framing.field+expecting, 429)
		l.left.Store(10)
		p.pool.none.Store(true)
		f(post+framing.field+expecting, 503)
		p.pool.none.Store(false)
		for _, expect := range []string{"cake", "100-continue-not", "100-continue, cake", "cake, 100-continue", "100"} {
			f(post+framing.field+"Expect: "+expect+"\r\n\r\n", 417)
		}
		f(post+framing.field+"Expect: 100-continue\r\nExpect: cake\r\n\r\n", 417)
	}
	f("GET / HTTP/1.1\r\nHost: x\r\nExpect: cake\r\n\r\n", 417)
	f(post+"Content-Length: 11\r\n"+expecting, 413)
}

// An expectation of a request without a body keeps nobody waiting.
func TestContinueWithoutBody(t *testing.T) {
	b, _ := answering(t, ok)
	p := proxyTo(t, b.addr)
	c := p.dial()
	for _, head := range []string{"GET / HTTP/1.1\r\nHost: x\r\n", post, post + "Content-Length: 0\r\n"} {
		a := c.do(head + expecting)
		assert.Equal(t, "ok", a.body)
		assert.False(t, a.Close)
	}
}

// A backend that breaks after its 100 has broken.
func TestBackendBreaksAfterContinue(t *testing.T) {
	for _, framing := range framings {
		b := startBackend(t, func(c *conn, _ int) {
			c.readHead()
			c.send(hundred)
		})
		p := proxyTo(t, b.addr)
		c := p.dial()
		require.True(t, c.send(post+framing.field+expecting))
		assert.Contains(t, c.nextHead(), "X-From: backend")
		p.isProblem(c.readAnswer("POST"), 502, "backend-broken")
		assert.EqualValues(t, 1, p.pool.balancers[0].Status()[0].Failures)
	}
}

// What was not sent may be sent to another backend, with its expectation.
func TestContinueAfterResend(t *testing.T) {
	b, _ := continuing(t, hundred, ok)
	for _, framing := range framings {
		p := startProxy(t, settings(), deadBefore(t, b.addr), nil)
		c := p.dial()
		require.True(t, c.send(post+framing.field+expecting))
		assert.Contains(t, c.nextHead(), "X-From: backend")
		assert.Equal(t, "ok", c.do(framing.body).body)
	}
}

// noted is a body that reports whether anybody read it.
type noted struct {
	io.Reader
	read bool
}

func (n *noted) Read(p []byte) (int, error) {
	n.read = true
	return n.Reader.Read(p)
}

// net/http on both sides: its server sends the 100 when the handler reads.
func TestContinueEndToEnd(t *testing.T) {
	addr := serveHTTP(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/refused" {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		_, err := io.Copy(w, r.Body)
		assert.NoError(t, err)
	})
	p := proxyTo(t, addr)
	tr := newTransport(t)
	tr.ExpectContinueTimeout = 10 * patience
	f := func(path string, status int, want string) {
		t.Helper()
		for _, size := range []int64{4, -1} {
			body := &noted{Reader: strings.NewReader("body")}
			req := p.request("PUT", path, body)
			req.ContentLength = size
			req.Header.Set("Expect", "100-continue")
			var continued bool
			req = req.WithContext(httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{Got100Continue: func() { continued = true }}))
			a := p.roundTrip(tr, req)
			require.NoError(t, a.err)
			assert.Equal(t, status, a.StatusCode)
			assert.Equal(t, want, a.body)
			assert.Equal(t, status == 200, continued)
			assert.Equal(t, status == 200, body.read)
		}
	}
	f("/taken", 200, "body")
	f("/refused", 403, "")
	f("/taken", 200, "body")
}
