package proxy

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/proxy/http1"
)

// fiveCookies are what a single sign-on may set.
var fiveCookies = strings.Repeat("Set-Cookie: session="+strings.Repeat("s", 3900)+"; Secure\r\n", 5)

func sizedHead(fields string) string {
	return "HTTP/1.1 200 OK\r\n" + fields + "Content-Length: 2\r\n\r\n"
}

// headOfSize is a head of n bytes.
func headOfSize(n int) string {
	return sizedHead("X: " + strings.Repeat("x", n-len(sizedHead("X: \r\n"))) + "\r\n")
}

// Heads up to the bound pass, however large, interim or final, in one piece or in many, and so does
// what follows.
func TestLargeResponseHeaders(t *testing.T) {
	large := sizedHead(fiveCookies)
	many := sizedHead(strings.Repeat("X-Short: 1\r\n", 140))
	hints := "HTTP/1.1 103 Early Hints\r\nLink: " + strings.Repeat("l", 40<<10) + "\r\n\r\n"
	for _, head := range []string{
		large, many, headOfSize(16 << 10), headOfSize(16<<10 + 1), headOfSize(32 << 10), headOfSize(64<<10 - 1), headOfSize(64 << 10),
		sizedHead(strings.Repeat("X: 1\r\n", http1.MaxResponseFields-1)), hints + large, hints + hints + headOfSize(64<<10),
	} {
		b := startBackend(t, func(c *conn, _ int) {
			for c.readRequest() != "" && c.send(head[:len(head)/2]) && c.send(head[len(head)/2:]+"ok") {
			}
		})
		p := proxyTo(t, b.addr)
		c := p.dial()
		for range 3 {
			a := c.do(plainGet)
			assert.Equal(t, []any{200, "ok"}, []any{a.StatusCode, a.body})
			assert.Len(t, a.Cookies(), strings.Count(head, "Set-Cookie"))
			assert.Len(t, a.Header["X-Short"], strings.Count(head, "X-Short"))
		}
		assert.EqualValues(t, 1, b.conns.Load())
	}
}

// Past the bound it is 502, and the log names the bound and by how much.
func TestTooLargeResponseHeaders(t *testing.T) {
	f := func(limit int, response, reason, why string) {
		t.Helper()
		b, _ := answering(t, response)
		cs := connectionSettings()
		cs.MaxResponseHeader = limit
		p := startProxy(t, settings(), poolOf(t, cs, b.addr), nil)
		p.isProblem(p.dial().do("POST / HTTP/1.1\r\nHost: x\r\n\r\n"), 502, "backend-broken")
		line := p.logged(1)
		assert.Equal(t, []string{"response", reason}, []string{line.Refused, line.Reason})
		assert.Contains(t, line.Error, why)
		assert.EqualValues(t, 1, p.pool.balancers[0].Status()[0].Failures)
	}
	f(64<<10, headOfSize(64<<10+1)+"ok", "header-size", "the response's header has more than 65536 bytes, and max_response_header is 65536")
	f(64<<10, headOfSize(100<<10)+"ok", "header-size", " bytes, and max_response_header is 65536")
	f(1<<10, headOfSize(1<<10+1)+"ok", "header-size", "has 1025 bytes, and max_response_header is 1024")
	f(64<<10, sizedHead(strings.Repeat("X: 1\r\n", 299))+"ok", "field-count", "the response has 300 header fields, and at most 256 pass")
	f(64<<10, "HTTP/1.1 103 Hints\r\nLink: "+strings.Repeat("l", 64<<10)+"\r\n\r\n"+ok, "header-size", "max_response_header is 65536")
}

// A large trailer section passes, too, up to the same bound.
func TestLargeTrailers(t *testing.T) {
	f := func(size int, passes bool) {
		t.Helper()
		b, _ := answering(t, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Sum: "+strings.Repeat("s", size)+"\r\n\r\n")
		p := proxyTo(t, b.addr)
		c := p.dial()
		require.True(t, c.send(plainGet))
		require.NotEmpty(t, c.nextHead())
		body, trailers, whole := c.readChunked()
		assert.Equal(t, passes, whole)
		if passes {
			assert.Equal(t, "ok", body)
			assert.Len(t, trailers, len("X-Sum: \r\n")+size)
			return
		}
		line := p.logged(1)
		assert.Equal(t, []string{"response", "trailers"}, []string{line.Refused, line.Reason})
	}
	f(10<<10, true)
	f(60<<10, true)
	f(64<<10, false)
}

// A head that can't be one is refused before the rest of it comes.
func TestNoResponse(t *testing.T) {
	for _, begin := range []string{"x", "\r", "\x15\x03\x01", "HTTP/2", "<html>"} {
		b := startBackend(t, func(c *conn, _ int) {
			c.readHead()
			c.send(begin)
			c.untilEnd()
		})
		p := proxyTo(t, b.addr)
		p.isProblem(p.dial().do(post+"\r\n"), 502, "backend-broken")
		line := p.logged(1)
		assert.Equal(t, []any{"response", "not-a-response", 0}, []any{line.Refused, line.Reason, *line.Offset})
	}
}

// Large heads cost no allocation in steady state, either.
func TestLargeResponseHeadersDoNotAllocate(t *testing.T) {
	for _, size := range []int{20 << 10, 40 << 10} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			do := exercise(t, strings.Replace(headOfSize(size), "Content-Length: 2", "Content-Length: 0", 1), plainGet, nil, false)
			for range 100 {
				do()
			}
			assert.LessOrEqual(t, testing.AllocsPerRun(200, do), float64(mostAllocs))
		})
	}
}
