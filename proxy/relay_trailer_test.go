package proxy

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/proxy/identity"
)

// sections are trailer sections as they are sent, and as they are to arrive.
type section struct{ sent, passed string }

// Fields that a trailer section can bring as little as a header can.
var hopTrailers = []section{
	{"Connection: close\r\n", ""},
	{"Keep-Alive: timeout=5\r\nX-Sum: 6\r\n", "X-Sum: 6\r\n"},
	{"X-Sum: 6\r\nproxy-connection: x\r\n", "X-Sum: 6\r\n"},
	{"TE: trailers\r\n", ""},
	{"Upgrade: x\r\n", ""},
	{"Transfer-Encoding: chunked\r\n", ""},
	{"content-length: 5\r\n", ""},
}

var plainTrailers = []section{
	{"", ""},
	{"X-Sum: 6\r\n", "X-Sum: 6\r\n"},
	{"x-sUM:6\r\nX-b: 1\r\nX-A: 2\r\nX-b: 3\r\n", "x-sUM:6\r\nX-b: 1\r\nX-A: 2\r\nX-b: 3\r\n"},
	{"Grpc-Status: 0\r\nGrpc-Message:\r\n", "Grpc-Status: 0\r\nGrpc-Message:\r\n"},
}

// What comes after a backend's last chunk reaches the client as it came, announced or not.
func TestTrailersOfAnswers(t *testing.T) {
	for _, announced := range []string{"Trailer: X-Sum, X-A\r\n", ""} {
		for _, s := range append(plainTrailers, hopTrailers...) {
			b, _ := answering(t, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"+announced+"\r\n"+chunk("abc")+"0\r\n"+s.sent+"\r\n")
			p := proxyTo(t, b.addr)
			c := p.dial()
			for range 2 {
				require.True(t, c.send(plainGet))
				assert.Contains(t, c.nextHead(), "\r\n"+announced)
				body, trailers, ok := c.readChunked()
				require.True(t, ok)
				assert.Equal(t, "abc", body)
				assert.Equal(t, s.passed, trailers, s.sent)
			}
			assert.EqualValues(t, 1, b.conns.Load())
		}
	}
}

// A client's trailers reach the backend, except those that only we may send.
func TestTrailersOfRequests(t *testing.T) {
	ours := []section{
		{"X-Forwarded-For: 192.0.2.1\r\n", ""},
		{"x_forwarded_for: 192.0.2.1\r\nX-Sum: 6\r\n", "X-Sum: 6\r\n"},
		{"X-Forwarded-Proto: https\r\nX-Forwarded-Host: x\r\nX-Forwarded-Port: 1\r\n", ""},
		{"Forwarded: for=192.0.2.1\r\nX-Real-IP: 192.0.2.1\r\nX_Real_IP: 192.0.2.1\r\n", ""},
		{"X-Request-ID: mine\r\nHost: y\r\nContent_Length: 5\r\n", ""},
		{"Expect: 100-continue\r\nProxy-Authorization: x\r\n", ""},
		{"X-Api-Key: other\r\n", ""},
		{"X-Sum: 6\r\nx_api-KEY: other\r\n", "X-Sum: 6\r\n"},
	}
	key, err := identity.ParseKey("header:X-Api-Key", true)
	require.NoError(t, err)
	s := settings()
	s.Key = key
	for _, section := range append(append(plainTrailers, hopTrailers...), ours...) {
		got := make(chan string, 2)
		b := startBackend(t, func(c *conn, _ int) {
			for head := c.readHead(); head != ""; head = c.readHead() {
				body, trailers, _ := c.readChunked()
				got <- head
				got <- body + "|" + trailers
				c.send(ok)
			}
		})
		p := startProxy(t, s, poolOf(t, connectionSettings(), b.addr), allowAll{})
		c := p.dial()
		for range 2 {
			a := c.do(post + "X-Api-Key: mine\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk("abc") + "0\r\n" + section.sent + "\r\n")
			assert.Equal(t, "ok", a.body)
			assert.Contains(t, await(t, got), "\r\nTrailer: X-Sum\r\n")
			assert.Equal(t, "abc|"+section.passed, await(t, got), section.sent)
		}
		assert.EqualValues(t, 1, b.conns.Load())
	}
}

// A client reports whether it wants trailers, and nothing else of TE concerns the backend.
func TestTE(t *testing.T) {
	b, got := answering(t, ok)
	p := proxyTo(t, b.addr)
	f := func(fields string, passes bool) {
		t.Helper()
		before := len(got.list())
		assert.Equal(t, "ok", p.dial().do("GET / HTTP/1.1\r\nHost: x\r\n"+fields+"\r\n").body)
		require.Len(t, got.list(), before+1)
		head := strings.ToLower(got.list()[before])
		assert.Equal(t, passes, strings.Contains(head, "\r\nte: trailers\r\n"), head)
		assert.NotContains(t, head, "gzip")
	}
	f("TE: trailers\r\n", true)
	f("TE: trailers\r\nConnection: TE\r\n", true)
	f("te: Trailers\r\nconnection: keep-alive, te\r\n", true)
	f("TE: gzip, trailers\r\nConnection: TE\r\n", true)
	f("TE: trailers, gzip;q=0.5\r\nConnection: TE\r\n", true)
	f("TE: gzip\r\nConnection: TE\r\n", false)
	f("Connection: TE\r\n", false)
	f("", false)
}

// HTTP/1.0 has no chunks, so no trailers.
func TestNoTrailersForHTTP10(t *testing.T) {
	b, _ := answering(t, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n"+chunk("abc")+"0\r\nX-Sum: 6\r\n\r\n")
	p := proxyTo(t, b.addr)
	c := p.dial()
	require.True(t, c.send(get10))
	head := c.nextHead()
	assert.NotContains(t, strings.ToLower(head), "transfer-encoding")
	assert.Equal(t, "abc", c.untilEnd())
}

// badTrailers are those that neither a request nor a response may have. A bare LF ends lines of a
// response.
var badTrailers = []string{
	"X-Sum : 6\r\n\r\n",
	" X-Sum: 6\r\n\r\n",
	"X-Sum: 6\r\n 7\r\n\r\n",
	"X-Sum: 6\x00\r\n\r\n",
	"X-Sum: \r6\r\n\r\n",
	"nonsense\r\n\r\n",
	": 6\r\n\r\n",
	"X-Sum: " + strings.Repeat("6", 64<<10) + "\r\n\r\n",
}

// A body with a malformed trailer section is not complete: its receiver must not take it for that.
func TestBadTrailers(t *testing.T) {
	for _, bad := range badTrailers {
		b, _ := answering(t, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"+chunk("abc")+"0\r\n"+bad)
		p := proxyTo(t, b.addr)
		c := p.dial()
		require.True(t, c.send(plainGet))
		require.NotEmpty(t, c.nextHead())
		body, _, ok := c.readChunked()
		assert.False(t, ok, "%.20q: %q", bad, body)
		assert.EqualValues(t, 1, p.pool.balancers[0].Status()[0].Failures)

		ended := make(chan bool, 1)
		b = startBackend(t, func(c *conn, _ int) {
			_, complete := c.readBody(c.readHead())
			ended <- complete
		})
		p = proxyTo(t, b.addr)
		c = p.dial()
		// The client may meet a closed connection before it has sent all that is too much.
		_ = c.send(chunked + chunk(strings.Repeat("x", 1<<20)))
		_ = c.send("0\r\n" + bad)
		a := c.readAnswer("POST")
		assert.Contains(t, []int{400, 413, 431}, a.StatusCode, "%.20q", bad)
		assert.True(t, a.Close)
		assert.False(t, await(t, ended), "%.20q", bad)
		assert.Zero(t, p.pool.balancers[0].Status()[0].Failures)
	}
}

// Trailers may come in pieces.
func TestTrailersByteByByte(t *testing.T) {
	const answer = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 6\r\n\r\n"
	b := startBackend(t, func(c *conn, _ int) {
		for c.readRequest() != "" {
			for i := range len(answer) {
				c.send(answer[i : i+1])
			}
		}
	})
	p := proxyTo(t, b.addr)
	c := p.dial()
	for range 3 {
		require.True(t, c.send(plainGet))
		require.NotEmpty(t, c.nextHead())
		body, trailers, ok := c.readChunked()
		assert.True(t, ok)
		assert.Equal(t, "abc", body)
		assert.Equal(t, "X-Sum: 6\r\n", trailers)
	}
}

// net/http on both sides.
func TestTrailersEndToEnd(t *testing.T) {
	addr := serveHTTP(t, func(w http.ResponseWriter, r *http.Request) {
		assert.Contains(t, r.Trailer, "X-Sum", "announced")
		body, err := io.ReadAll(r.Body)
		assert.NoError(t, err)
		assert.Equal(t, "body", string(body))
		assert.Equal(t, "4", r.Trailer.Get("X-Sum"))
		w.Header().Set("Trailer", "X-Announced")
		_, _ = w.Write(body)
		w.Header().Set("X-Announced", "a")
		w.Header().Set(http.TrailerPrefix+"X-Unannounced", "b")
	})
	p := proxyTo(t, addr)
	tr := newTransport(t)
	for range 3 {
		req := p.request("POST", "/", io.MultiReader(strings.NewReader("body")))
		req.Trailer = http.Header{"X-Sum": {"4"}}
		a := p.roundTrip(tr, req)
		require.NoError(t, a.err)
		assert.Equal(t, "body", a.body)
		assert.Equal(t, http.Header{"X-Announced": {"a"}, "X-Unannounced": {"b"}}, a.Trailer)
	}
}
