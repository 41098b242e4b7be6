package proxy

import (
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/proxy/rewrite"
)

// swap has a proxy serve by its snapshot with a change.
func (p *proxied) swap(change func(*Snapshot)) {
	s := *p.snapshot.Load()
	change(&s)
	p.Use(&s)
}

// responding is a route that responds itself.
func responding(t *testing.T, body string) *Routes {
	t.Helper()
	respond, err := rewrite.ParseRespond(200, body, "")
	require.NoError(t, err)
	return OneRoute(&Route{Respond: &respond})
}

// headed is a request whose header has so many bytes.
func headed(n int) string {
	const begin, end = "GET / HTTP/1.1\r\nHost: x\r\nX-Pad: ", "\r\n\r\n"
	return begin + strings.Repeat("x", n-len(begin)-len(end)) + end
}

// A connection that is kept gets the new bound with its next request, and a request that has begun
// to arrive keeps the one that it began with.
func TestMaxHeaderChanges(t *testing.T) {
	b, _ := answering(t, ok)
	p := proxyTo(t, b.addr)
	c, begun := p.dial(), p.dial()
	assert.Equal(t, 200, c.do(headed(10<<10)).StatusCode)
	assert.Equal(t, 200, begun.do(headed(10<<10)).StatusCode)
	large := headed(10 << 10)
	require.True(t, begun.send(large[:5<<10]))
	require.Eventually(t, func() bool { return p.Stats().InFlight == 1 }, patience, time.Millisecond)

	p.swap(func(s *Snapshot) { s.MaxHeader = 40 << 10 })
	assert.Equal(t, 200, c.do(headed(40<<10)).StatusCode)
	p.swap(func(s *Snapshot) { s.MaxHeader = 2 << 10 })
	assert.Equal(t, 200, begun.do(large[5<<10:]).StatusCode)
	assert.Equal(t, 200, c.do(headed(2<<10)).StatusCode)
	p.isProblem(c.do(headed(2<<10+1)), 431, "header is too large")
	p.isProblem(begun.do(large), 431, "header is too large")
}

// A request goes on by the route that it began with, and a tunnel until its end, though there is no
// such route any more.
func TestRequestsKeepTheirSnapshot(t *testing.T) {
	b, _ := switching(t, echo)
	slow, got := make(chan struct{}), make(chan struct{})
	held := startBackend(t, func(c *conn, _ int) {
		c.readRequest()
		close(got)
		<-slow
		c.send(ok)
	})
	pools := []*fakePool{poolOf(t, connectionSettings(), b.addr), poolOf(t, connectionSettings(), held.addr)}
	p := startRoutes(t, settings(), pools,
		spec{prefix: "/chat"}, spec{prefix: "/slow", Route: Route{Destination: Destination{Pool: pools[1]}}})
	tunnel, waiting, kept := p.upgraded(), p.dial(), p.dial()
	assert.Equal(t, 404, kept.do(get("x", "/")).StatusCode)
	require.True(t, waiting.send(get("x", "/slow")))
	<-got

	p.swap(func(s *Snapshot) { s.Routes = responding(t, "new") })
	assert.Equal(t, "new", kept.do(get("x", "/chat")).body)
	tunnel.echoes("still there")
	close(slow)
	assert.Equal(t, "ok", waiting.readAnswer("GET").body)
	assert.Equal(t, "new", waiting.do(get("x", "/slow")).body, "the connection is kept")
	tunnel.echoes("to the end")
}

// Nothing keeps a snapshot whose requests are over, not even the connections that they came on.
func TestFormerSnapshotsAreCollected(t *testing.T) {
	pool, _ := answeringOf(t, ok)
	p := startRoutes(t, settings(), []*fakePool{pool}, spec{prefix: "/"})
	c, l := p.dial(), &fakeLimiter{}
	const snapshots = 10
	l.left.Store(snapshots)
	collected := make(chan struct{}, snapshots)
	for range snapshots {
		p.swap(func(s *Snapshot) {
			made := &Route{Destination: Destination{Pool: pool}, Limits: []LimitUse{NewLimitUse("default", ipKey(t), nil)}}
			made.Take = l.Take
			s.Routes = OneRoute(made)
			runtime.AddCleanup(made, func(struct{}) { collected <- struct{}{} }, struct{}{})
		})
		assert.Equal(t, 200, c.do(get("x", "/")).StatusCode)
	}
	p.swap(func(s *Snapshot) { s.Routes = responding(t, "last") })
	assert.Equal(t, "last", c.do(get("x", "/")).body)
	for range snapshots {
		require.Eventually(t, func() bool {
			runtime.GC()
			select {
			case <-collected:
				return true
			default:
				return false
			}
		}, patience, time.Millisecond)
	}
	assert.Equal(t, "last", c.do(get("x", "/")).body)
}
