package proxy

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/limiter"
	"gopher-equalizer/proxy/outcome"
	"gopher-equalizer/proxy/route"
)

// counted are the requests that ended, by route, pool, method and status.
func (p *proxied) counted() map[string]int64 {
	all := map[string]int64{}
	for _, t := range p.Counts().Traffic {
		for _, r := range t.Requests {
			all[t.Route+" "+t.Pool+" "+r.Method+" "+r.Code] += r.Count
		}
	}
	return all
}

// traffic is what was counted of a route's requests to a pool.
func (p *proxied) traffic(route, pool string) outcome.TrafficStats {
	p.t.Helper()
	for _, t := range p.Counts().Traffic {
		if t.Route == route && t.Pool == pool {
			return t
		}
	}
	p.t.Fatal("there is no such route and pool")
	return outcome.TrafficStats{}
}

// Requests are counted by what became of them, and the classes of status agree with Stats.
func TestRequestsAreCountedByTheirWay(t *testing.T) {
	pool, _ := answeringOf(t, ok)
	fallback, _ := answeringOf(t, ok)
	limits := openLimits(t, map[string]int64{"address": 2})
	p := startRoutes(t, settings(), []*fakePool{pool, fallback},
		spec{name: "shop", host: "shop", methods: []string{"GET", "PUT"}, Route: Route{
			Destination: Destination{Name: "www", Pool: pool}, Fallback: &Destination{Name: "spare", Pool: fallback},
			Limits: []LimitUse{useOf(t, limits, "address", "ip", 1)},
		}},
		spec{name: "free", host: "free", Route: Route{Destination: Destination{Name: "www", Pool: pool}}})
	c := p.dial()
	assert.Equal(t, 200, c.do(get("shop", "/")).StatusCode)
	pool.none.Store(true)
	assert.Equal(t, 200, c.do("PUT / HTTP/1.1\r\nHost: shop\r\n\r\n").StatusCode)
	assert.Equal(t, 429, c.do(get("shop", "/")).StatusCode)
	assert.Equal(t, 503, c.do(get("free", "/")).StatusCode)
	assert.Equal(t, 405, c.do("PATCH / HTTP/1.1\r\nHost: shop\r\n\r\n").StatusCode)
	assert.Equal(t, 404, c.do(get("nobody", "/")).StatusCode)
	p.isProblem(p.dial().do("nonsense\r\n\r\n"), 400, "")

	// Whoever has the response finds it counted.
	assert.Equal(t, map[string]int64{
		"shop www GET 200": 1, "shop spare PUT 200": 1, "shop spare GET 429": 1, "free  GET 503": 1,
		"  PATCH 405": 1, "  GET 404": 1, "  _OTHER 400": 1,
	}, p.counted())
	st := p.Stats()
	assert.Equal(t, outcome.Responses{Successful: 2, ClientError: 4, ServerError: 1}, st.Responses)
	assert.EqualValues(t, 7, st.Total)
	assert.Equal(t, []outcome.ReasonCount{{Reason: "method", Count: 1}, {Reason: "no-backend", Count: 1}, {Reason: "no-route", Count: 1}}, p.Counts().Failures)
	require.Eventually(t, func() bool { return len(p.Counts().Refused) > 0 }, patience, time.Millisecond)
	assert.Equal(t, []outcome.ReasonCount{{Reason: "request-line", Count: 1}}, p.Counts().Refused)
}

// Routes that a new configuration has keep their counts, others lose them.
func TestCountsOfRoutesOutliveReloads(t *testing.T) {
	pool, _ := answeringOf(t, ok)
	p := startRoutes(t, settings(), []*fakePool{pool}, spec{name: "a", prefix: "/a"}, spec{name: "b", prefix: "/b"})
	c := p.dial()
	for _, path := range []string{"/a", "/a", "/b"} {
		assert.Equal(t, 200, c.do(get("x", path)).StatusCode)
	}
	p.swap(func(s *Snapshot) {
		routes, err := NewRoutes([]route.Route[*Route]{
			spec{name: "a", prefix: "/moved", Route: Route{Destination: Destination{Pool: pool}}}.compile(t),
			spec{name: "c", prefix: "/b", Route: Route{Destination: Destination{Pool: pool}}}.compile(t),
		})
		require.NoError(t, err)
		s.Routes = routes
	})
	for _, path := range []string{"/moved", "/b"} {
		assert.Equal(t, 200, c.do(get("x", path)).StatusCode)
	}
	assert.Equal(t, map[string]int64{"a  GET 200": 3, "c  GET 200": 1}, p.counted())
}

// What limits say is counted once for each request, of a request that one refuses only there.
func TestTakesAreCounted(t *testing.T) {
	limits := openLimits(t, map[string]int64{"address": 10, "key": 1})
	exemption, err := route.ParseExemption(nil, []string{"PUT"}, nil)
	require.NoError(t, err)
	key := useOf(t, limits, "key", "header:X-Api-Key", 1)
	key.Exempt = route.NewExemptions([]route.Exemption{exemption})
	pool, _ := answeringOf(t, ok)
	p := startRoutes(t, settings(), []*fakePool{pool}, spec{name: "api", Route: Route{
		Limits: []LimitUse{useOf(t, limits, "address", "ip", 4), key},
	}})
	c := p.dial()
	assert.Equal(t, 200, c.do(get("a", "/", "X-Api-Key: k")).StatusCode)
	assert.Equal(t, 429, c.do(get("a", "/", "X-Api-Key: k")).StatusCode)
	assert.Equal(t, 429, c.do(get("a", "/", "X-Api-Key: k")).StatusCode)
	assert.Equal(t, 200, c.do("PUT / HTTP/1.1\r\nHost: a\r\nX-Api-Key: k\r\n\r\n").StatusCode)
	assert.Equal(t, []outcome.TakesStats{
		{Limit: "address", Allowed: 2}, // 2 tokens are left of 10, which is a fifth.
		{Limit: "key", Allowed: 1, Near: 1, Limited: 2, Exempt: 1},
	}, p.Takes())
}

// inTurn says one after the other.
type inTurn []limiter.Decision

func (l *inTurn) Take(uses []limiter.Use) bool {
	uses[0].Decision, *l = (*l)[0], (*l)[1:]
	return uses[0].Decision.Allowed
}

func TestSharedBucketsAreCounted(t *testing.T) {
	ten := new(bucketSettings(t, 10, "1/1m"))
	l := inTurn{{Allowed: true, Shared: true, Near: true, Settings: ten}, {Shared: true, Settings: ten}}
	b, _ := answering(t, ok)
	s := settings()
	s.Limit, s.Key = "default", ipKey(t)
	p := startProxy(t, s, poolOf(t, connectionSettings(), b.addr), &l)
	c := p.dial()
	assert.Equal(t, 200, c.do(plainGet).StatusCode)
	assert.Equal(t, 429, c.do(plainGet).StatusCode)
	assert.Equal(t, []outcome.TakesStats{{Limit: "default", Overflow: 1, Near: 1, Limited: 1}}, p.Takes())
}

// A slow client and a slow backend are no overhead of the proxy's. On a busy machine the proxy may
// be slow itself, but not each time.
func TestOverheadIsTheProxys(t *testing.T) {
	const slow, tries = 50 * time.Millisecond, 20
	pass := func() {
		for began := time.Now(); time.Since(began) < slow; {
			time.Sleep(slow - time.Since(began))
		}
	}
	gate := make(chan struct{})
	b := startBackend(t, func(c *conn, _ int) {
		for c.readRequest() != "" {
			<-gate
			c.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nok")
			<-gate
			c.send("ok")
		}
	})
	p := proxyTo(t, b.addr)
	c := p.dial()
	for n := int64(1); ; n++ {
		before := p.traffic("", "")
		require.True(t, c.send("POST / HTTP/1.1\r\n"))
		pass() // in the head
		require.True(t, c.send("Host: x\r\nContent-Length: 2\r\n\r\na"))
		pass() // in the body
		require.True(t, c.send("b"))
		pass() // before the response
		gate <- struct{}{}
		pass() // within it
		gate <- struct{}{}
		assert.Equal(t, "okok", c.readAnswer("POST").body)
		p.logged(int(n))
		s := p.traffic("", "")
		assert.Equal(t, n, s.Durations[2].Count())
		assert.Greater(t, s.Durations[2].Sum-before.Durations[2].Sum, 3*slow)
		assert.Equal(t, n, s.Overhead.Count())
		took := s.Overhead.Sum - before.Overhead.Sum
		assert.Positive(t, took)
		if took < slow || t.Failed() {
			return
		}
		require.Less(t, n, int64(tries), "it took %v each time", took)
	}
}
