package proxy

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptrace"
	"net/http/httputil"
	"net/textproto"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/proxy/identity"
)

// What the documentation of net/http/httputil.ReverseProxy promises, each a test. They are run
// against a ReverseProxy, too, so that none asks for more than it does.
//
// Left out is what is Go's API and not a behaviour (Transport, BufferPool, ErrorLog, the hooks
// themselves), and the base path of NewSingleHostReverseProxy, since a Backend is an address. Of
// two ways that it offers, ours is named in the test.

// fronts starts something in front of a backend, and returns where it listens.
var fronts = []struct {
	name  string
	start func(t *testing.T, backend string) (addr string)
}{
	{"ours", func(t *testing.T, backend string) string { return proxyTo(t, backend).addr }},
	{"net/http's", func(t *testing.T, backend string) string {
		target, err := url.Parse("http://" + backend)
		require.NoError(t, err)
		return serveHTTP(t, (&httputil.ReverseProxy{
			Rewrite: func(r *httputil.ProxyRequest) {
				r.SetURL(target)
				r.Out.Host = r.In.Host
				r.Out.URL.RawQuery = r.In.URL.RawQuery
				r.SetXForwarded()
			},
			ErrorLog:  log.New(io.Discard, "", 0),
			Transport: newTransport(t),
		}).ServeHTTP)
	}},
}

// promise runs a test in front of a backend, for each of the fronts.
func promise(t *testing.T, backend func(t *testing.T) string, check func(t *testing.T, c *conn)) {
	t.Helper()
	for _, front := range fronts {
		t.Run(front.name, func(t *testing.T) {
			p := &proxied{t: t, addr: front.start(t, backend(t))}
			check(t, p.dial())
		})
	}
}

// "Takes an incoming request and sends it to another server, proxying the response back to the
// client", "unmodified".
func TestPromiseOfForwarding(t *testing.T) {
	var got *requests
	promise(t, func(t *testing.T) string {
		var b *backend
		b, got = answering(t, "HTTP/1.1 207 Multi-Status\r\nX-A: 1\r\nX-A: 2\r\nContent-Type: x/y\r\nContent-Length: 4\r\n\r\n\x00\xff\r\n")
		return b.addr
	}, func(t *testing.T, c *conn) {
		a := c.do("REPORT /a/b?c=d HTTP/1.1\r\nHost: shop.example\r\nX-B: 1\r\nX-B: 2\r\nUser-Agent: me\r\nContent-Length: 3\r\n\r\n\x00\xff\n")
		require.NoError(t, a.err)
		assert.Equal(t, 207, a.StatusCode)
		assert.Equal(t, []string{"1", "2"}, a.Header["X-A"])
		assert.Equal(t, "x/y", a.Header.Get("Content-Type"))
		assert.Equal(t, "\x00\xff\r\n", a.body)
		require.Len(t, got.list(), 1)
		req := got.list()[0]
		assert.True(t, strings.HasPrefix(req, "REPORT /a/b?c=d HTTP/1.1\r\nHost: shop.example\r\n"), req)
		assert.Contains(t, req, "\r\nX-B: 1\r\nX-B: 2\r\n")
		assert.Contains(t, req, "\r\nUser-Agent: me\r\n")
		assert.True(t, strings.HasSuffix(req, "\r\n\r\n\x00\xff\n"), req)
	})
}

// ModifyResponse "is called if the backend returns a response at all, with any HTTP status code".
func TestPromiseOfAnyStatus(t *testing.T) {
	for _, status := range []int{200, 206, 299, 301, 304, 400, 404, 418, 429, 500, 502, 503, 504, 599} {
		promise(t, func(t *testing.T) string {
			b, _ := answering(t, fmt.Sprintf("HTTP/1.1 %d Some Reason\r\nContent-Length: 0\r\nX-From: backend\r\n\r\n", status))
			return b.addr
		}, func(t *testing.T, c *conn) {
			a := c.do(plainGet)
			assert.Equal(t, status, a.StatusCode)
			assert.Equal(t, "backend", a.Header.Get("X-From"))
			assert.Empty(t, a.body)
		})
	}
}

// "1xx responses are forwarded to the client".
func TestPromiseOfInterimAnswers(t *testing.T) {
	promise(t, func(t *testing.T) string {
		b, _ := answering(t, "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nLink: </b>\r\n\r\nHTTP/1.1 102 Processing\r\nX-Y: z\r\n\r\n"+ok)
		return b.addr
	}, func(t *testing.T, c *conn) {
		var codes []int
		trace := &httptrace.ClientTrace{Got1xxResponse: func(code int, header textproto.MIMEHeader) error {
			codes = append(codes, code)
			if code == 103 {
				assert.Equal(t, []string{"</a>", "</b>"}, header["Link"])
			}
			return nil
		}}
		req := httpRequest(t, "GET", c.RemoteAddr().String(), "/", nil)
		resp, err := newTransport(t).RoundTrip(req.WithContext(httptrace.WithClientTrace(t.Context(), trace)))
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		assert.Equal(t, 200, resp.StatusCode)
		assert.Equal(t, []int{103, 102}, codes)
	})
}

// "Hop-by-hop headers (...) are removed from client requests and backend responses." Here it is
// those of the list that have no meaning for the next hop; what of Upgrade, TE and Trailer has one
// is tested where they are.
func TestPromiseOfHops(t *testing.T) {
	hops := "Proxy-Connection: keep-alive\r\nKeep-Alive: timeout=5\r\nProxy-Authenticate: Basic\r\nProxy-Authorization: Basic x\r\n" +
		"TE: gzip\r\nUpgrade: x\r\nX-Named: 1\r\nx-also: 2\r\nX-Stays: 3\r\n"
	var got *requests
	promise(t, func(t *testing.T) string {
		var b *backend
		b, got = answering(t, "HTTP/1.1 200 OK\r\nConnection: X-Named, keep-alive\r\nCONNECTION: X-Also\r\n"+hops+"Content-Length: 2\r\n\r\nok")
		return b.addr
	}, func(t *testing.T, c *conn) {
		a := c.do("GET / HTTP/1.1\r\nHost: x\r\nConnection: X-Named, keep-alive\r\nconnection: X-Also\r\n" + hops + "\r\n")
		assert.Equal(t, "ok", a.body)
		head := strings.ToLower(got.list()[0])
		for _, name := range []string{"Connection", "Proxy-Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization", "TE", "Upgrade", "X-Named", "X-Also"} {
			assert.NotContains(t, head, "\r\n"+strings.ToLower(name)+":")
			if name == "Proxy-Authorization" {
				continue // A request's: it is for nobody in an answer.
			}
			assert.Empty(t, a.Header.Values(name), name)
		}
		assert.Contains(t, head, "\r\nx-stays: 3\r\n")
		assert.Equal(t, "3", a.Header.Get("X-Stays"))
	})
}

// Transfer-Encoding and Trailer are hop by hop as well, and made anew: the bodies they frame
// arrive, with trailers.
func TestPromiseOfTransferEncoding(t *testing.T) {
	var got *requests
	promise(t, func(t *testing.T) string {
		var b *backend
		b, got = answering(t, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n"+chunk("abc")+"0\r\nX-Sum: 6\r\n\r\n")
		return b.addr
	}, func(t *testing.T, c *conn) {
		a := c.do(chunked + chunk("abcde") + chunksEnd)
		require.NoError(t, a.err)
		assert.Equal(t, "abc", a.body)
		assert.Equal(t, "6", a.Trailer.Get("X-Sum"))
		assert.True(t, strings.HasSuffix(got.list()[0], "\r\n\r\n"+chunk("abcde")+chunksEnd), got.list()[0])
	})
}

// "The Forwarded, X-Forwarded, X-Forwarded-Host, and X-Forwarded-Proto headers are removed from the
// outbound request", and SetXForwarded sets the client's address, the host that it asked for, and
// how it came.
func TestPromiseOfForwardedFields(t *testing.T) {
	var got *requests
	promise(t, func(t *testing.T) string {
		var b *backend
		b, got = answering(t, ok)
		return b.addr
	}, func(t *testing.T, c *conn) {
		const spoofed = "Forwarded: for=192.0.2.1\r\nX-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Host: evil.example\r\nX-Forwarded-Proto: https\r\n"
		assert.Equal(t, "ok", c.do("GET / HTTP/1.1\r\nHost: shop.example:81\r\n"+spoofed+"\r\n").body)
		head := got.list()[0]
		assert.NotContains(t, head, "192.0.2.1")
		assert.NotContains(t, head, "evil.example")
		assert.Equal(t, 1, strings.Count(head, "X-Forwarded-For: 127.0.0.1\r\n"))
		assert.Equal(t, 1, strings.Count(head, "X-Forwarded-Host: shop.example:81\r\n"))
		assert.Equal(t, 1, strings.Count(head, "X-Forwarded-Proto: http\r\n"))
	})
}

// "A client can designate headers as hop-by-hop by listing them in the Connection header", which
// must not remove what the proxy adds.
func TestPromiseAgainstRemovedFields(t *testing.T) {
	var got *requests
	promise(t, func(t *testing.T) string {
		var b *backend
		b, got = answering(t, ok)
		return b.addr
	}, func(t *testing.T, c *conn) {
		const named = "X-Forwarded-For, X-Forwarded-Host, X-Forwarded-Proto, X-Real-IP, X-Request-ID, Host, Content-Length"
		assert.Equal(t, "ok", c.do("POST / HTTP/1.1\r\nHost: shop.example\r\nConnection: "+named+"\r\nContent-Length: 4\r\n\r\nbody").body)
		req := got.list()[0]
		for _, line := range []string{"Host: shop.example", "X-Forwarded-For: 127.0.0.1", "X-Forwarded-Host: shop.example", "X-Forwarded-Proto: http", "Content-Length: 4"} {
			assert.Contains(t, req, "\r\n"+line+"\r\n")
		}
		assert.True(t, strings.HasSuffix(req, "\r\n\r\nbody"), req)
	})
}

// "If an X-Forwarded-For header already exists, the client IP is appended to the existing values":
// for proxies that we trust.
func TestPromiseOfForwardedChain(t *testing.T) {
	b, got := answering(t, ok)
	s := settings()
	var err error
	s.Trusted, err = identity.ParseTrusted([]string{"127.0.0.0/8"})
	require.NoError(t, err)
	p := startProxy(t, s, poolOf(t, connectionSettings(), b.addr), nil)
	assert.Equal(t, "ok", p.dial().do("GET / HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 192.0.2.1, 192.0.2.2\r\nx-forwarded-for: 192.0.2.3\r\n\r\n").body)
	assert.Contains(t, got.list()[0], "\r\nX-Forwarded-For: 192.0.2.1, 192.0.2.2, 192.0.2.3, 127.0.0.1\r\n")
}

// "The Rewrite function may copy the inbound URL's RawQuery to the outbound URL to preserve the
// original parameter string": so do we, since what a backend makes of it is not ours to guess.
func TestPromiseOfRawQueries(t *testing.T) {
	var got *requests
	promise(t, func(t *testing.T) string {
		var b *backend
		b, got = answering(t, ok)
		return b.addr
	}, func(t *testing.T, c *conn) {
		for i, query := range []string{"a=b;c=d", "a=%zz", "%", "a=1&a=2&b", "q=a+b%20c", "=&&=", "?"} {
			assert.Equal(t, "ok", c.do("GET /a?"+query+" HTTP/1.1\r\nHost: x\r\n\r\n").body)
			assert.True(t, strings.HasPrefix(got.list()[i], "GET /a?"+query+" HTTP/1.1\r\n"), got.list()[i])
		}
	})
}

// "NewSingleHostReverseProxy does not rewrite the Host header", "SetURL rewrites the outbound Host
// header to match the target's": the first, unless the pool names a Host.
func TestPromiseOfHost(t *testing.T) {
	var got *requests
	promise(t, func(t *testing.T) string {
		var b *backend
		b, got = answering(t, ok)
		return b.addr
	}, func(t *testing.T, c *conn) {
		assert.Equal(t, "ok", c.do("GET / HTTP/1.1\r\nHost: shop.example:81\r\n\r\n").body)
		assert.Contains(t, got.list()[0], "\r\nHost: shop.example:81\r\n")
	})
}

// FlushInterval "is ignored when ReverseProxy recognizes a response as a streaming response, or if
// its ContentLength is -1; for such responses, writes are flushed to the client immediately".
func TestPromiseOfFlushes(t *testing.T) {
	for _, head := range []string{
		"Content-Type: text/event-stream\r\nContent-Length: 50\r\n",
		"Content-Type: text/event-stream; charset=utf-8\r\nTransfer-Encoding: chunked\r\n",
		"Content-Type: text/plain\r\nTransfer-Encoding: chunked\r\n",
		"Content-Type: text/plain\r\n",
	} {
		next := make(chan struct{})
		promise(t, func(t *testing.T) string {
			return startBackend(t, func(c *conn, _ int) {
				c.readHead()
				c.send("HTTP/1.1 200 OK\r\n" + head + "\r\n")
				for range 5 {
					c.wait(next)
					if strings.Contains(head, "chunked") {
						c.send(chunk("data: ...\n"))
					} else {
						c.send("data: ...\n")
					}
				}
				if strings.Contains(head, "chunked") {
					c.send(chunksEnd)
				}
			}).addr
		}, func(t *testing.T, c *conn) {
			require.True(t, c.send(plainGet))
			resp, err := http.ReadResponse(c.br, nil)
			require.NoError(t, err)
			for range 5 {
				proceed(t, next)
				event := make([]byte, len("data: ...\n"))
				_, err := io.ReadFull(resp.Body, event)
				require.NoError(t, err)
				require.Equal(t, "data: ...\n", string(event))
			}
			rest, err := io.ReadAll(resp.Body)
			require.NoError(t, err)
			assert.Empty(t, rest)
		})
	}
}

// ErrorHandler: "If nil, the default is to log the provided error and return a 502 Status Bad
// Gateway response", for "errors reaching the backend".
func TestPromiseOfBadGateway(t *testing.T) {
	f := func(backend func(t *testing.T) string) {
		t.Helper()
		promise(t, backend, func(t *testing.T, c *conn) {
			assert.Equal(t, 502, c.do(post+"\r\n").StatusCode)
		})
	}
	f(func(t *testing.T) string { // A backend that breaks.
		return startBackend(t, func(c *conn, _ int) { c.readRequest() }).addr
	})
	f(func(t *testing.T) string { // One that answers nonsense.
		b, _ := answering(t, "nonsense\r\n\r\n")
		return b.addr
	})

	p := startProxy(t, settings(), deadBefore(t), nil)
	assert.Equal(t, 502, p.dial().do(post+"\r\n").StatusCode)
	assert.NotEmpty(t, p.logged(1).Error, "and it is logged")
}

// Of http.ErrAbortHandler, with which it ends: "the client sees an interrupted response but the
// server doesn't log an error". Ours logs one: TestAccessLogOfCutAnswers.
func TestPromiseOfAbort(t *testing.T) {
	for _, answer := range []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk("abc"),
	} {
		promise(t, func(t *testing.T) string {
			return startBackend(t, func(c *conn, _ int) {
				c.readRequest()
				c.send(answer)
			}).addr
		}, func(t *testing.T, c *conn) {
			require.True(t, c.send(plainGet))
			resp, err := http.ReadResponse(c.br, nil)
			if err == nil {
				_, err = io.ReadAll(resp.Body)
			}
			assert.ErrorIs(t, err, io.ErrUnexpectedEOF)
		})
	}
}

// Of http.Request.Context, under which it asks the backend: it "is canceled when the client's
// connection closes".
func TestPromiseOfCancellation(t *testing.T) {
	asked, ended := make(chan struct{}, 1), make(chan struct{}, 1)
	promise(t, func(t *testing.T) string {
		return startBackend(t, func(c *conn, _ int) {
			c.readHead()
			asked <- struct{}{}
			c.untilEnd()
			ended <- struct{}{}
		}).addr
	}, func(t *testing.T, c *conn) {
		require.True(t, c.send(plainGet))
		await(t, asked)
		c.reset() // One that only ends its side may still read, to us.
		await(t, ended)
	})
}

// It says of Upgrade only that it is removed, and yet passes switches of protocols, as we do.
func TestPromiseOfUpgrades(t *testing.T) {
	promise(t, func(t *testing.T) string {
		b, _ := switching(t, echo)
		return b.addr
	}, func(t *testing.T, c *conn) {
		require.True(t, c.send(upgrade))
		resp, err := http.ReadResponse(c.br, nil)
		require.NoError(t, err)
		assert.Equal(t, 101, resp.StatusCode)
		assert.Equal(t, "echo", resp.Header.Get("Upgrade"))
		assert.Equal(t, "Upgrade", resp.Header.Get("Connection"))
		c.echoes("hello")
	})
}
