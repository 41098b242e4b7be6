package proxy

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/proxy/rewrite"
)

// A proxy that may forward a request no further responds itself, and the client pays a token: to
// OPTIONS with what it knows, to TRACE without reflecting anything.
func TestFinalRecipient(t *testing.T) {
	b, got := answering(t, ok)
	l := &fakeLimiter{}
	l.left.Store(4)
	p := startProxy(t, settings(), poolOf(t, connectionSettings(), b.addr), l)
	c := p.dial()
	f := func(request string, status int) {
		t.Helper()
		a := c.do(request + " HTTP/1.1\r\nHost: x\r\nCookie: hush\r\nMax-Forwards: 0\r\n\r\n")
		assert.Equal(t, status, a.StatusCode)
		assert.Equal(t, "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS", a.Header.Get("Allow"))
		assert.NotEmpty(t, a.Header.Get("X-Request-ID"))
		assert.NotContains(t, a.body, "hush")
		assert.False(t, a.Close)
		if status == 204 {
			assert.Empty(t, a.Header.Values("Content-Length"))
			assert.Empty(t, a.body)
		}
	}
	f("OPTIONS *", 204)
	f("OPTIONS /a", 204)
	p.pool.none.Store(true)
	f("TRACE /a", 405)
	p.pool.none.Store(false)
	assert.Equal(t, "trace", p.logged(3).Reason)
	assert.Empty(t, got.list())
	assert.Equal(t, 200, c.do("GET / HTTP/1.1\r\nHost: x\r\nMax-Forwards: 0\r\n\r\n").StatusCode)
	assert.Equal(t, 429, c.do("OPTIONS * HTTP/1.1\r\nHost: x\r\nMax-Forwards: 0\r\n\r\n").StatusCode)
	assert.Len(t, got.list(), 1)
}

// A request that this very process forwarded before is in a loop; one that another did isn't.
func TestLoop(t *testing.T) {
	b, got := answering(t, ok)
	s := settings()
	s.Via = rewrite.ViaName("edge", rewrite.NewViaSuffix())
	l := &fakeLimiter{}
	l.left.Store(2)
	p := startProxy(t, s, poolOf(t, connectionSettings(), b.addr), l)
	c := p.dial()
	assert.Equal(t, 200, c.do("GET / HTTP/1.1\r\nHost: x\r\n\r\n").StatusCode)
	_, via, found := strings.Cut(got.list()[0], "\r\nVia: 1.1 ")
	require.True(t, found, got.list()[0])
	via, _, _ = strings.Cut(via, "\r\n")

	p.isProblem(c.do("GET / HTTP/1.1\r\nHost: x\r\nVia: 1.1 other\r\nVia: 1.1 "+via+"\r\n\r\n"), 508, "loop")
	assert.Equal(t, "loop", p.logged(2).Reason)
	assert.Equal(t, 200, c.do("GET / HTTP/1.1\r\nHost: x\r\nVia: 1.1 edge-00000000\r\n\r\n").StatusCode, "a loop spends no token")
}
