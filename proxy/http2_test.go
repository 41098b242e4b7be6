package proxy

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"gopher-equalizer/proxy/h2"
)

// http2Limits are those that tests start from.
func http2Limits() h2.Limits {
	return h2.Limits{MaxHeader: 16 << 10, MaxStreams: 100, StreamWindow: 256 << 10, ConnWindow: 1 << 20}
}

// versions are those of HTTP that clients may speak.
var versions = []version{{"HTTP/1.1", 1}, {"HTTP/2", 2}}

type version struct {
	name  string
	major int
}

// proxyTo starts a proxy for clients that speak either, in clear.
func (v version) proxyTo(t *testing.T, addrs ...string) *proxied {
	t.Helper()
	return startBoth(t, settings(), poolOf(t, connectionSettings(), addrs...), nil)
}

// startBoth is startProxy for clients in clear that may speak HTTP/2.
func startBoth(t *testing.T, s setup, pool *fakePool, l aLimiter) *proxied {
	t.Helper()
	s.HTTP2 = http2Limits()
	return startProxyAs(t, s, pool, l, Listener{HTTP2: true})
}

// transport is Go's own client.
func (v version) transport(t testing.TB) *http.Transport {
	t.Helper()
	tr := newTransport(t)
	if v.major == 2 {
		tr.Protocols = new(http.Protocols)
		tr.Protocols.SetUnencryptedHTTP2(true)
	}
	return tr
}

// Where both are spoken in clear, a client gets what it begins with.
func TestBothVersionsInClear(t *testing.T) {
	b, got := answering(t, ok)
	for _, v := range versions {
		p, tr := v.proxyTo(t, b.addr), v.transport(t)
		for _, body := range []string{"", "x", strings.Repeat("x", 100_000)} {
			a := p.roundTrip(tr, p.request("POST", "/path?query", strings.NewReader(body)))
			assert.Equal(t, v.major, a.ProtoMajor)
			assert.Equal(t, "ok", a.body)
			requests := got.list()
			assert.True(t, strings.HasSuffix(requests[len(requests)-1], "\r\n\r\n"+body))
		}
		assert.Equal(t, 505, p.dial().do("PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n").StatusCode)
		assert.Equal(t, 200, p.dial().do("PRI / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").StatusCode)
	}
}
