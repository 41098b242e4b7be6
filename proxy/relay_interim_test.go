package proxy

import (
	"fmt"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const hints = "HTTP/1.1 103 Early Hints\r\nlink: </a.css>; rel=preload\r\nX-b: 1\r\nLink: </b.js>; rel=preload\r\nX-B: 2\r\n\r\n"

// Hints are for the time in which the response isn't there yet.
func TestInterimAnswersDoNotWait(t *testing.T) {
	release := make(chan struct{})
	b := startBackend(t, func(c *conn, _ int) {
		for req := c.readRequest(); req != ""; req = c.readRequest() {
			c.send(hints)
			c.wait(release)
			if strings.HasPrefix(req, "HEAD ") {
				c.send(strings.TrimSuffix(ok, "ok"))
				continue
			}
			c.send(ok)
		}
	})
	p := proxyTo(t, b.addr)
	c := p.dial()
	for _, request := range []string{plainGet, "HEAD / HTTP/1.1\r\nHost: x\r\n\r\n", sized(4) + "body", chunked + "4\r\nbody\r\n" + chunksEnd} {
		require.True(t, c.send(request))
		assert.Equal(t, hints, withoutRequestID(c.nextHead()))
		proceed(t, release)
		method, _, _ := strings.Cut(request, " ")
		a := c.readAnswer(method)
		assert.Equal(t, 200, a.StatusCode)
		assert.EqualValues(t, 2, a.ContentLength)
	}
	assert.EqualValues(t, 1, b.conns.Load())
}

// All of them pass, in order, whether they come in one piece with the response or not.
func TestInterimAnswersInOrder(t *testing.T) {
	interim := []string{"100 Continue", "102 Processing", "103 Early Hints", "103 Again", "199 Whatever"}
	var all strings.Builder
	for i, status := range interim {
		fmt.Fprintf(&all, "HTTP/1.1 %s\r\nX-Nth: %d\r\n\r\n", status, i)
	}
	whole := all.String() + ok
	f := func(cut int) {
		t.Helper()
		next := make(chan struct{})
		b := startBackend(t, func(c *conn, _ int) {
			for c.readRequest() != "" {
				c.send(whole[:cut])
				c.wait(next)
				c.send(whole[cut:])
			}
		})
		p := proxyTo(t, b.addr)
		c := p.dial()
		for range 2 {
			require.True(t, c.send(plainGet))
			proceed(t, next)
			for i, status := range interim {
				want := fmt.Sprintf("HTTP/1.1 %s\r\nX-Nth: %d\r\n\r\n", status, i)
				assert.Equal(t, want, withoutRequestID(c.nextHead()))
			}
			a := c.readAnswer("GET")
			assert.Equal(t, "ok", a.body)
			assert.False(t, a.Close)
		}
		assert.EqualValues(t, 1, b.conns.Load())
	}
	for _, cut := range []int{0, 1, 20, 50, len(whole) - len(ok), len(whole) - 1, len(whole)} {
		f(cut)
	}
}

// HTTP/1.0 has none (RFC 9110, section 15.2).
func TestNoInterimAnswersForHTTP10(t *testing.T) {
	b, _ := answering(t, "HTTP/1.1 100 Continue\r\n\r\n"+hints+ok)
	p := proxyTo(t, b.addr)
	c := p.dial()
	for range 2 {
		a := c.do("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
		assert.Equal(t, 200, a.StatusCode)
		assert.Equal(t, "ok", a.body)
		assert.Empty(t, a.Header.Get("Link"))
	}
}

// An interim response has no body, so its fields say nothing about one, or about the backend's
// connection.
func TestFieldsOfInterimAnswers(t *testing.T) {
	for _, field := range []string{"Content-Length: 38", "Transfer-Encoding: chunked", "Connection: close", "Keep-Alive: timeout=5", "Upgrade: x", "Connection: x-a\r\nX-A: b"} {
		b, _ := answering(t, "HTTP/1.1 103 Early Hints\r\n"+field+"\r\nX-B: c\r\n\r\n"+ok)
		p := proxyTo(t, b.addr)
		c := p.dial()
		require.True(t, c.send(plainGet))
		head := c.nextHead()
		if strings.HasPrefix(head, "HTTP/1.1 502 ") {
			continue // No better backend than one that answers nonsense.
		}
		assert.Equal(t, "HTTP/1.1 103 Early Hints\r\nX-B: c\r\n\r\n", withoutRequestID(head), field)
		assert.Equal(t, "ok", c.readAnswer("GET").body)
	}
}

// A malformed one is no answer.
func TestBadInterimAnswers(t *testing.T) {
	for _, bad := range []string{
		"HTTP/1.1 103 Early Hints\r\nLink : x\r\n\r\n",
		"HTTP/1.1 103 Early Hints\r\nLink: a\r\n b\r\n\r\n",
		"HTTP/1.1 103 Early Hints\rLink: a\r\n\r\n",
		"HTTP/1.1 103 Early Hints\r\nLink: a\x00\r\n\r\n",
		"HTTP/1.1 103\tEarly Hints\r\n\r\n",
		"HTTP/1.1 1033 Early Hints\r\n\r\n",
		"HTTP/2.0 103 Early Hints\r\n\r\n",
	} {
		b, _ := answering(t, bad+ok)
		p := proxyTo(t, b.addr)
		p.isProblem(p.dial().do(post+"\r\n"), 502, "backend-broken")
	}
}

// Behind interim responses, each client gets its own response, and so does the next on the same
// connections.
func TestInterimAnswersDoNotMixAnswersUp(t *testing.T) {
	b := startBackend(t, func(c *conn, _ int) {
		for req := c.readRequest(); req != ""; req = c.readRequest() {
			path := strings.Fields(req)[1]
			c.send(fmt.Sprintf("HTTP/1.1 103 Early Hints\r\nLink: %s\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%[1]s", path, len(path)))
		}
	})
	p := proxyTo(t, b.addr)
	var clients sync.WaitGroup
	for i := range 4 {
		c := p.dial()
		clients.Go(func() {
			for n := range 25 {
				path := fmt.Sprintf("/%d/%d", i, n)
				c.send("GET " + path + " HTTP/1.1\r\nHost: x\r\n\r\n")
				if !assert.Contains(t, c.readHead(), "\r\nLink: "+path+"\r\n") {
					return
				}
				if !assert.Contains(t, c.readHead(), "HTTP/1.1 200 OK") {
					return
				}
				body := make([]byte, len(path))
				_, err := c.br.Read(body)
				assert.NoError(t, err)
				assert.Equal(t, path, string(body))
			}
		})
	}
	clients.Wait()
}

// net/http on both sides.
func TestEarlyHintsEndToEnd(t *testing.T) {
	seen := make(chan struct{})
	addr := serveHTTP(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Add("Link", "</a.css>")
		w.Header().Add("Link", "</b.js>")
		w.WriteHeader(http.StatusEarlyHints)
		<-seen
		w.Header().Del("Link")
		w.WriteHeader(http.StatusAccepted)
	})
	p := proxyTo(t, addr)
	tr := newTransport(t)
	for range 3 {
		req := p.request("GET", "/", nil)
		req = req.WithContext(httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
			Got1xxResponse: func(code int, header textproto.MIMEHeader) error {
				assert.Equal(t, 103, code)
				assert.Equal(t, []string{"</a.css>", "</b.js>"}, header["Link"])
				seen <- struct{}{}
				return nil
			},
		}))
		a := p.roundTrip(tr, req)
		assert.Equal(t, 202, a.StatusCode)
		assert.Empty(t, a.Header["Link"])
	}
}
