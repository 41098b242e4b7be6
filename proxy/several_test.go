package proxy

import (
	"encoding/json"
	"io"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/limiter"
	"gopher-equalizer/proxy/identity"
	"gopher-equalizer/proxy/route"
	"gopher-equalizer/store/memory"
)

// openLimits opens a limiter with limits of these capacities, which earn a token an hour.
func openLimits(t testing.TB, capacities map[string]int64) *limiter.Service {
	t.Helper()
	o := limiter.Options{FlushInterval: time.Hour, StoreTimeout: time.Minute, Volatile: true, Logger: zerolog.Nop()}
	for name, capacity := range capacities {
		o.Limits = append(o.Limits, limiter.LimitOptions{Name: name, Settings: bucketSettings(t, capacity, "1/1h"), MaxBuckets: 1000})
	}
	s, err := limiter.Open(t.Context(), o, memory.New())
	require.NoError(t, err)
	return s
}

// useOf is the use of a limit by a key.
func useOf(t testing.TB, s *limiter.Service, name, key string, cost int64) LimitUse {
	t.Helper()
	k, err := identity.ParseKey(key, false)
	require.NoError(t, err)
	use := NewLimitUse(name, k, s.Limit(name))
	use.Cost = cost
	return use
}

// A request takes from all of its limits or from none, each at its cost and by its own key. One
// that is exempt from a limit takes from the others.
func TestSeveralLimitsAllOrNone(t *testing.T) {
	limits := openLimits(t, map[string]int64{"address": 10, "key": 4, "daily": 100})
	exemption, err := route.ParseExemption(nil, []string{"PUT"}, nil)
	require.NoError(t, err)
	daily := useOf(t, limits, "daily", "ip", 3)
	daily.Exempt = route.NewExemptions([]route.Exemption{exemption})
	pool, got := answeringOf(t, replies("ok"))
	p := startRoutes(t, settings(), []*fakePool{pool}, spec{name: "api", Route: Route{
		Limits: []LimitUse{useOf(t, limits, "address", "ip", 1), useOf(t, limits, "key", "header:X-Api-Key", 2), daily},
	}})
	left := func(limit, clientID string, want int64) {
		t.Helper()
		assert.Equal(t, want, limits.Limit(limit).Take(clientID, 0).Remaining, limit)
	}
	c := p.dial()
	for range 2 {
		assert.Equal(t, "ok", c.do(get("a", "/", "X-Api-Key: k")).body)
	}
	a := c.do(get("a", "/", "X-Api-Key: k"))
	p.isProblem(a, 429, `"violated-policies":["key"]`)
	assert.Equal(t, `"address";r=8, "key";r=0;t=7200, "daily";r=94`, a.Header.Get("Ratelimit"))
	assert.Equal(t, "7200", a.Header.Get("Retry-After"))
	left("address", "127.0.0.1", 8)
	left("key", "k", 0)
	left("daily", "127.0.0.1", 94)
	assert.Equal(t, "ok", c.do("PUT / HTTP/1.1\r\nHost: a\r\nX-Api-Key: l\r\n\r\n").body)
	left("address", "127.0.0.1", 7)
	left("daily", "127.0.0.1", 94)
	assert.Len(t, got.list(), 3)

	var line struct {
		Route  string
		Limits []struct {
			Limit    string
			Result   string `json:"limit_result"`
			ClientID string `json:"client_id"`
		}
	}
	p.logged(3)
	require.NoError(t, json.Unmarshal([]byte(p.log.lines()[2]), &line))
	require.Len(t, line.Limits, 3)
	assert.Equal(t, "api", line.Route)
	assert.Equal(t, "allowed", line.Limits[0].Result)
	assert.Equal(t, "limited", line.Limits[1].Result)
	assert.Equal(t, "k", line.Limits[1].ClientID)
}

// A request that readers of its path count differently takes from none of its limits, and its line
// names none.
func TestAmbiguousExemptions(t *testing.T) {
	limits := openLimits(t, map[string]int64{"all": 10, "most": 10})
	exemption, err := route.ParseExemption(nil, nil, []string{"/health"})
	require.NoError(t, err)
	most := useOf(t, limits, "most", "ip", 1)
	most.Exempt = route.NewExemptions([]route.Exemption{exemption})
	pool, got := answeringOf(t, replies("ok"))
	p := startRoutes(t, settings(), []*fakePool{pool}, spec{Route: Route{Limits: []LimitUse{useOf(t, limits, "all", "ip", 1), most}}})
	a := p.dial().do(get("a", "/health/..%2Flogin"))
	p.isProblem(a, 400, "read in several ways")
	assert.True(t, a.Close)
	assert.Equal(t, int64(10), limits.Limit("all").Take("127.0.0.1", 0).Remaining)
	line := p.logged(1)
	assert.Empty(t, line.Limit)
	assert.Equal(t, "/", line.Route)
	assert.Equal(t, "ambiguous-path", line.Reason)
	assert.Empty(t, got.list())
}

// Three limits with exemptions, a route that changes messages, and fields that show what is left
// cost no allocation.
func TestRoutesDoNotAllocate(t *testing.T) {
	limits := openLimits(t, map[string]int64{"a": 100_000, "b": 100_000, "c": 100_000})
	exemption, err := route.ParseExemption([]string{"192.0.2.0/24"}, nil, []string{"/health"})
	require.NoError(t, err)
	uses := []LimitUse{useOf(t, limits, "a", "ip", 1), useOf(t, limits, "b", "header:X-Api-Key", 1), useOf(t, limits, "c", "ip/48", 1)}
	for i := range uses {
		uses[i].Exempt = route.NewExemptions([]route.Exemption{exemption})
	}
	pool := boundedPoolOf(t, connectionSettings(), 100, 0.5, lean(t, ok))
	var routes []route.Route[*Route]
	for _, s := range []spec{{name: "rest"}, {host: "*.example.com"}, {host: "api.example.com", prefix: "/v1", methods: []string{"GET"}}} {
		s.Destination, s.Limits, s.ShowLimits = Destination{Pool: pool, Host: "inside"}, uses, true
		s.Rules = mustRules(t, "/v1", "/x", fieldChanges("X-Tenant"), fieldChanges("X-Frame-Options"))
		routes = append(routes, s.compile(t))
	}
	s := settings()
	s.Routes, err = NewRoutes(routes)
	require.NoError(t, err)
	p := s.proxy(pool, nil, io.Discard)
	do := leanClient(t, run(t, p, pool), "GET /v1/./users/%41 HTTP/1.1\r\nHost: api.example.com\r\nX-Api-Key: 1\r\nCookie: a\r\n\r\n")
	for range 100 {
		do()
	}
	assert.LessOrEqual(t, testing.AllocsPerRun(1000, do), float64(mostAllocs))
}

// A request that gets no further than its route, or than its limits, costs no allocation either.
func TestRefusalsByRoutesDoNotAllocate(t *testing.T) {
	f := func(name string, r Route, request string) {
		t.Run(name, func(t *testing.T) {
			pool := boundedPoolOf(t, connectionSettings(), 100, 0.5, lean(t, ok))
			r.Pool = pool
			var err error
			s := settings()
			s.Routes, err = NewRoutes([]route.Route[*Route]{spec{name: "x", host: "a", methods: []string{"GET"}, Route: r}.compile(t)})
			require.NoError(t, err)
			do := leanClient(t, run(t, s.proxy(pool, nil, io.Discard), pool), request)
			for range 100 {
				do()
			}
			assert.LessOrEqual(t, testing.AllocsPerRun(1000, do), float64(mostAllocs))
		})
	}
	limits := openLimits(t, map[string]int64{"a": 1, "b": 1})
	use := []LimitUse{useOf(t, limits, "a", "ip", 1), useOf(t, limits, "b", "ip", 1)}
	require.True(t, limits.Limit("a").Take("127.0.0.1", 1).Allowed)
	f("404", Route{}, "GET / HTTP/1.1\r\nHost: b\r\n\r\n")
	f("405", Route{}, "PUT / HTTP/1.1\r\nHost: a\r\n\r\n")
	f("429", Route{Limits: use}, get("a", "/"))
}
