package proxy

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/proxy/h2"
	"gopher-equalizer/proxy/outcome"
)

// This file tests what is another thing over HTTP/2.

var overHTTP2 = versions[1]

// Trailers arrive both ways, and 1xx responses before the final one.
func TestTrailersOverHTTP2(t *testing.T) {
	b := startBackend(t, func(c *conn, _ int) {
		c.readHead()
		body, trailers, whole := c.readChunked()
		assert.True(t, whole)
		assert.Equal(t, "body", body)
		assert.Equal(t, "x-sum: 6\r\n", trailers)
		c.send("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")
		c.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Back\r\n\r\n" + chunk("abc") + "0\r\nX-Back: 7\r\nConnection: x\r\n\r\n")
	})
	p := overHTTP2.proxyTo(t, b.addr)
	var hints []string
	trace := &httptrace.ClientTrace{Got1xxResponse: func(code int, header textproto.MIMEHeader) error {
		hints = append(hints, fmt.Sprint(code, header["Link"]))
		return nil
	}}
	req := p.request("POST", "/", io.MultiReader(strings.NewReader("body")))
	req.Trailer = http.Header{"X-Sum": {"6"}}
	a := p.roundTrip(overHTTP2.transport(t), req.WithContext(httptrace.WithClientTrace(t.Context(), trace)))
	require.NoError(t, a.err)
	assert.Equal(t, "abc", a.body)
	assert.Equal(t, http.Header{"X-Back": {"7"}}, a.Trailer)
	assert.Equal(t, []string{"103 [</a>]"}, hints)
}

// A response to HEAD, and one without a body, ends with its head.
func TestResponsesWithoutABodyOverHTTP2(t *testing.T) {
	for _, answer := range []string{
		"HTTP/1.1 204 No Content\r\n\r\n", "HTTP/1.1 304 Not Modified\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
	} {
		b, _ := answering(t, answer)
		a := overHTTP2.proxyTo(t, b.addr).get(t, "GET")
		assert.NoError(t, a.err)
		assert.Empty(t, a.body)
	}
	for _, answer := range []string{"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"} {
		b, _ := answering(t, answer)
		a := overHTTP2.proxyTo(t, b.addr).get(t, "HEAD")
		assert.NoError(t, a.err)
		assert.Empty(t, a.body)
	}
}

// get sends a request without a body over HTTP/2.
func (p *proxied) get(t *testing.T, method string) answer {
	t.Helper()
	return p.roundTrip(overHTTP2.transport(t), p.request(method, "/", nil))
}

// A stream that its client resets ends the exchange, and is no fault of the backend's. The
// connection goes on.
func TestResetStreamEndsTheExchange(t *testing.T) {
	for _, begun := range []bool{false, true} {
		asked, ended := make(chan struct{}, 1), make(chan struct{}, 1)
		b := startBackend(t, func(c *conn, nth int) {
			head := c.readHead()
			if strings.HasPrefix(head, "GET /next ") {
				c.send(ok)
				return
			}
			if begun {
				c.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nx")
			}
			asked <- struct{}{}
			c.untilEnd()
			ended <- struct{}{}
		})
		p := overHTTP2.proxyTo(t, b.addr)
		tr := overHTTP2.transport(t)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		if begun {
			resp, err := tr.RoundTrip(p.request("GET", "/", nil).WithContext(ctx))
			require.NoError(t, err)
			require.NoError(t, resp.Body.Close())
		} else {
			go func() { _, _ = tr.RoundTrip(p.request("GET", "/", nil).WithContext(ctx)) }()
		}
		await(t, asked)
		cancel()
		await(t, ended)
		assert.Equal(t, "ok", p.roundTrip(tr, p.request("GET", "/next", nil)).body)
		require.Eventually(t, func() bool { return p.Stats().InFlight == 0 }, patience, time.Millisecond)
		assert.EqualValues(t, 1, p.Stats().ClientGone+p.Stats().Cut)
		assert.Zero(t, p.pool.balancers[0].Status()[0].Failures)
		assert.EqualValues(t, 1, p.http2.Stats().Connections)
	}
}

// A connection whose requests have come one at a time goes on to be read while one takes long: a
// request that comes meanwhile is served, and a reset ends the exchange.
func TestLoneRequestsOverHTTP2(t *testing.T) {
	asked, ended := make(chan struct{}, 1), make(chan struct{}, 1)
	b := startBackend(t, func(c *conn, _ int) {
		for head := c.readHead(); head != ""; head = c.readHead() {
			if strings.HasPrefix(head, "GET /long ") {
				asked <- struct{}{}
				c.untilEnd()
				ended <- struct{}{}
				return
			}
			c.send(ok)
		}
	})
	f := func(p *proxied, tr *http.Transport, scheme string) {
		to := func(path string) *http.Request {
			req := p.request("GET", path, nil)
			req.URL.Scheme = scheme
			return req
		}
		for range 20 {
			assert.Equal(t, "ok", p.roundTrip(tr, to("/")).body)
		}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go func() { _, _ = tr.RoundTrip(to("/long").WithContext(ctx)) }()
		await(t, asked)
		a := p.roundTrip(tr, to("/"))
		assert.Equal(t, "ok", a.body)
		assert.Equal(t, 2, a.ProtoMajor)
		cancel()
		await(t, ended)
		for range 100 {
			assert.Equal(t, "ok", p.roundTrip(tr, to("/")).body)
		}
		assert.EqualValues(t, 1, p.http2.Stats().Connections)
		tr.CloseIdleConnections()
		require.Eventually(t, func() bool { return p.http2.Stats().Connections == 0 }, patience, time.Millisecond)
	}
	p := overHTTP2.proxyTo(t, b.addr)
	f(p, overHTTP2.transport(t), "http")
	a := serves(t, "a.test")
	secured, _ := p.on(Listener{TLS: a.server.Listener(tls12, nil, h2.ALPN), HTTP2: true})
	tr := newTransport(t)
	tr.TLSClientConfig, tr.ForceAttemptHTTP2 = a.client("a.test"), true
	f(secured, tr, "https")
}

// A backend that breaks in mid-body has the stream reset.
func TestBackendBreaksInMidBodyOverHTTP2(t *testing.T) {
	for _, answer := range []string{"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nx", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nx"} {
		b := startBackend(t, func(c *conn, _ int) {
			c.readRequest()
			c.send(answer)
		})
		p := overHTTP2.proxyTo(t, b.addr)
		a := p.get(t, "GET")
		assert.ErrorContains(t, a.err, "INTERNAL_ERROR")
		assert.Equal(t, "x", a.body)
		require.Eventually(t, func() bool { return p.Stats().Cut == 1 }, patience, time.Millisecond)
	}
}

// A response that comes before the body has ended is whole, and nothing more of the body is taken.
func TestEarlyResponseOverHTTP2(t *testing.T) {
	b := startBackend(t, func(c *conn, _ int) {
		c.readHead()
		c.send("HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno")
	})
	p := overHTTP2.proxyTo(t, b.addr)
	tr := overHTTP2.transport(t)
	for _, size := range []int64{64 << 20, -1} {
		req := p.request("POST", "/", &zeros{64 << 20})
		req.ContentLength = size
		a := p.roundTrip(tr, req)
		require.NoError(t, a.err)
		assert.Equal(t, 401, a.StatusCode)
		assert.Equal(t, "no", a.body)
	}
	assert.EqualValues(t, 1, p.http2.Stats().Connections)
}

// Each event arrives when it was sent, and a client's next piece may wait for it.
func TestFullDuplexOverHTTP2(t *testing.T) {
	p := overHTTP2.proxyTo(t, echoing(t).addr)
	pr, pw := io.Pipe()
	req := p.request("POST", "/", pr)
	resp, err := overHTTP2.transport(t).RoundTrip(req)
	require.NoError(t, err)
	for i := range 5 {
		text := fmt.Sprintf("piece %d", i)
		_, err := io.WriteString(pw, text)
		require.NoError(t, err)
		got := make([]byte, len(text))
		_, err = io.ReadFull(resp.Body, got)
		require.NoError(t, err)
		assert.Equal(t, text, string(got))
	}
	require.NoError(t, pw.Close())
	rest, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	assert.Empty(t, rest)
}

// A client's 100 comes, and then its body.
func TestExpectOverHTTP2(t *testing.T) {
	b := startBackend(t, func(c *conn, _ int) {
		head := c.readHead()
		assert.Contains(t, strings.ToLower(head), "expect: 100-continue\r\n")
		c.send("HTTP/1.1 100 Continue\r\n\r\n")
		body := make([]byte, 4)
		_, err := io.ReadFull(c.br, body)
		assert.NoError(t, err)
		c.send(ok)
	})
	p := overHTTP2.proxyTo(t, b.addr)
	tr := overHTTP2.transport(t)
	tr.ExpectContinueTimeout = patience
	req := p.request("POST", "/", strings.NewReader("body"))
	req.Header.Set("Expect", "100-continue")
	a := p.roundTrip(tr, req)
	assert.NoError(t, a.err)
	assert.Equal(t, "ok", a.body)
}

// Requests over a limit are refused.
func TestLimitedOverHTTP2(t *testing.T) {
	b, _ := answering(t, ok)
	l := &fakeLimiter{}
	l.left.Store(2)
	p := startBoth(t, settings(), poolOf(t, connectionSettings(), b.addr), l)
	tr := overHTTP2.transport(t)
	var statuses []int
	for range 3 {
		statuses = append(statuses, p.roundTrip(tr, p.request("GET", "/", nil)).StatusCode)
	}
	assert.Equal(t, []int{200, 200, 429}, statuses)
}

// A stop serves what has come, tells clients to send no more, and waits for what is relayed.
func TestStopOverHTTP2(t *testing.T) {
	asked, release := make(chan struct{}), make(chan struct{})
	b := startBackend(t, func(c *conn, _ int) {
		c.readHead()
		asked <- struct{}{}
		<-release
		c.send(ok)
	})
	p := overHTTP2.proxyTo(t, b.addr)
	tr := overHTTP2.transport(t)
	got := make(chan answer, 1)
	go func() { got <- p.roundTrip(tr, p.request("GET", "/", nil)) }()
	await(t, asked)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	require.NoError(t, p.Close(ctx))
	assert.EqualValues(t, 1, p.Stats().InFlight)
	close(release)
	assert.Equal(t, "ok", (<-got).body)
	require.NoError(t, p.Wait(ctx))
	assert.Zero(t, p.Stats().Connections)
	assert.Equal(t, outcome.Stats{}.InFlight, p.Stats().InFlight)
}
