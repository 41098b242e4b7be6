package proxy

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/proxy/http1/http1test"
	"gopher-equalizer/proxy/identity"
	"gopher-equalizer/proxy/netconn"
	"gopher-equalizer/proxy/rewrite"
	"gopher-equalizer/proxy/route"
)

// spec is a route of a test: the requests that it is for, and their way.
type spec struct {
	name, host, prefix string
	methods            []string
	headers            map[string]string
	ambiguous          route.Ambiguity
	Route
}

func (s spec) compile(t testing.TB) route.Route[*Route] {
	t.Helper()
	p := route.Pattern{Name: s.name, Ambiguous: s.ambiguous}
	var err error
	p.Host, err = route.ParseHost(s.host)
	require.NoError(t, err)
	if s.prefix != "" {
		p.Prefix, err = route.ParsePrefix(s.prefix)
		require.NoError(t, err)
	}
	p.Methods, err = route.ParseMethods(s.methods)
	require.NoError(t, err)
	for name, value := range s.headers {
		h, err := route.ParseHeader(name, value)
		require.NoError(t, err)
		p.Headers = append(p.Headers, h)
	}
	s.Route.Name = p.DisplayName()
	return route.Route[*Route]{Pattern: p, Value: &s.Route}
}

// startRoutes starts a proxy with routes. Routes without a pool and without a response of their own
// get the first of pools. What is left of the others is checked at the end, too.
func startRoutes(t *testing.T, s setup, pools []*fakePool, specs ...spec) *proxied {
	t.Helper()
	var routes []route.Route[*Route]
	for _, one := range specs {
		if one.Pool == nil && !one.respondsItself() {
			one.Pool = pools[0]
		}
		routes = append(routes, one.compile(t))
	}
	var err error
	s.Routes, err = NewRoutes(routes)
	require.NoError(t, err)
	all := &fakePool{}
	for _, p := range pools {
		all.backends, all.balancers = append(all.backends, p.backends...), append(all.balancers, p.balancers...)
	}
	return startProxy(t, s, all, nil)
}

// answeringOf is a pool of one backend that gives each request the same answer.
func answeringOf(t *testing.T, answer string) (*fakePool, *requests) {
	t.Helper()
	b, got := answering(t, answer)
	return poolOf(t, connectionSettings(), b.addr), got
}

// replies is a response with a body.
func replies(body string) string {
	return fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
}

// get is a request of a host and a path.
func get(host, target string, fields ...string) string {
	return "GET " + target + " HTTP/1.1\r\nHost: " + host + "\r\n" + http1test.Lines(fields...) + "\r\n"
}

// Each request goes to its route's pool, and a route that there isn't costs nothing and reaches
// nobody.
func TestRoutes(t *testing.T) {
	a, gotA := answeringOf(t, replies("a"))
	b, _ := answeringOf(t, replies("b"))
	p := startRoutes(t, settings(), []*fakePool{a, b},
		spec{name: "site", host: "a.example"},
		spec{host: "*.b.example", prefix: "/v1", Route: Route{Destination: Destination{Pool: b}}},
		spec{name: "beta", host: "a.example", headers: map[string]string{"X-Beta": "*"}, Route: Route{Destination: Destination{Pool: b}}},
		spec{name: "write", host: "a.example", prefix: "/write", methods: []string{"PUT", "POST"}},
	)
	c := p.dial()
	lines := 0
	f := func(request string, status int, body, route string) answer {
		t.Helper()
		got := c.do(request)
		if status == 200 {
			assert.Equal(t, body, got.body)
		} else {
			p.isProblem(got, status, body)
			assert.False(t, got.Close, "the connection can be used again")
		}
		lines++
		line := p.logged(lines)
		assert.Equal(t, route, line.Route)
		assert.Equal(t, status, line.Status)
		assert.NotEmpty(t, got.Header.Get("X-Request-ID"))
		return got
	}
	f(get("A.example.:81", "/"), 200, "a", "site")
	f(get("x.y.B.example", "/v1/x"), 200, "b", "*.b.example/v1")
	f(get("a.example", "/", "x-beta: 1"), 200, "b", "beta")
	f(get("b.example", "/v1"), 404, "nothing at this host and path", "")
	f(get("x.b.example", "/v10"), 404, "nothing at this host and path", "")
	assert.Equal(t, "no-route", p.logged(lines).Reason)
	f("HEAD / HTTP/1.1\r\nHost: c\r\n\r\n", 404, "", "")
	before := len(gotA.list())
	f("DELETE /v1 HTTP/1.1\r\nHost: a.example\r\n\r\n", 200, "a", "site")
	f("OPTIONS * HTTP/1.1\r\nHost: a.example\r\n\r\n", 200, "a", "site")
	assert.Contains(t, gotA.list()[before+1], "OPTIONS * HTTP/1.1\r\n")
}

// Where only the method has no route, Allow has those that have one, and no body is lost on the
// way to the next request.
func TestMethodsOfRoutes(t *testing.T) {
	pool, got := answeringOf(t, replies("a"))
	p := startRoutes(t, settings(), []*fakePool{pool},
		spec{name: "read", prefix: "/x", methods: []string{"GET"}}, spec{name: "write", prefix: "/x", methods: []string{"PUT"}})
	c := p.dial()
	a := c.do("POST /x/y HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc")
	p.isProblem(a, 405, "not allowed here")
	assert.Equal(t, "GET, HEAD, PUT", a.Header.Get("Allow"))
	assert.Equal(t, "method", p.logged(1).Reason)
	assert.Equal(t, "a", c.do(get("a", "/x/y")).body)
	p.isProblem(c.do("POST /y HTTP/1.1\r\nHost: a\r\n\r\n"), 404, "nothing")
	assert.Len(t, got.list(), 1)
}

// A path that backends may read as another route's is refused and shown to the operator; where it
// makes no difference, or the route lets it pass, it goes on as it came.
func TestAmbiguousPaths(t *testing.T) {
	pool, got := answeringOf(t, replies("a"))
	p := startRoutes(t, settings(), []*fakePool{pool}, spec{name: "all"}, spec{name: "login", prefix: "/login"},
		spec{name: "files", host: "files", ambiguous: route.Pass}, spec{name: "shared", host: "files", prefix: "/shared"})
	for _, target := range []string{"/health/..%2Flogin", "/login//../x", "/x/%2e%2e/login;a/../../login%5c", `/a\..\login`} {
		c := p.dial()
		a := c.do(get("a", target))
		p.isProblem(a, 400, "read in several ways")
		assert.True(t, a.Close)
		require.NoError(t, c.Close())
	}
	assert.Empty(t, got.list())
	shown := p.refused(4)
	assert.Equal(t, "ambiguous-path", shown.Reason)
	assert.Equal(t, "GET", shown.Method)
	c := p.dial()
	for _, target := range []string{"/a%2Fb", "/a//b;c", "/x/../y"} {
		assert.Equal(t, "a", c.do(get("a", target)).body)
	}
	assert.Equal(t, "a", c.do(get("files", "/a/..%2Fshared")).body)
	var targets []string
	for _, one := range got.list() {
		targets = append(targets, strings.Fields(one)[1])
	}
	assert.Equal(t, []string{"/a%2Fb", "/a//b;c", "/x/../y", "/a/..%2Fshared"}, targets)
}

func mustRules(t testing.TB, strip, add string, request, response rewrite.FieldChanges) (r rewrite.Rules) {
	t.Helper()
	var err error
	r.Path, err = rewrite.ParsePathRules(strip, add)
	require.NoError(t, err)
	r.Request, err = rewrite.ParseRequestFields(request)
	require.NoError(t, err)
	r.Response, err = rewrite.ParseResponseFields(response)
	require.NoError(t, err)
	return r
}

// What a route changes holds for the path, the header and the trailers, both ways.
func TestRewriting(t *testing.T) {
	pool, got := answeringOf(t, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nServer: secret\r\nX-Debug: 1\r\n\r\n"+
		chunk("abc")+"0\r\nX-Debug: 2\r\nX-Sum: 6\r\n\r\n")
	p := startRoutes(t, settings(), []*fakePool{pool}, spec{prefix: "/api", Route: Route{
		Destination: Destination{Pool: pool, Host: "inside.example"},
		Rules: mustRules(t, "/api", "/v1",
			rewrite.FieldChanges{Set: map[string]string{"X-Tenant": "a"}, Remove: []string{"Cookie"}},
			rewrite.FieldChanges{Set: map[string]string{"Server": "edge"}, Add: map[string]string{"X-Frame-Options": "DENY"}, Remove: []string{"X-Debug"}}),
	}})
	c := p.dial()
	require.True(t, c.send(get("shop.example", "/api/./x%2Fy?q=/api", "Cookie: a", "X_Tenant: b")))
	head := c.nextHead()
	assert.Contains(t, head, "\r\nServer: edge\r\nX-Frame-Options: DENY\r\n")
	assert.NotContains(t, head, "secret")
	assert.NotContains(t, head, "X-Debug")
	body, trailers, ok := c.readChunked()
	require.True(t, ok)
	assert.Equal(t, "abc", body)
	assert.Equal(t, "X-Sum: 6\r\n", trailers)

	request := got.list()[0]
	assert.True(t, strings.HasPrefix(request, "GET /v1/x%2Fy?q=/api HTTP/1.1\r\nHost: inside.example\r\n"), request)
	assert.Contains(t, request, "\r\nX-Tenant: a\r\n")
	assert.NotContains(t, request, "X_Tenant")
	assert.NotContains(t, request, "Cookie")
	assert.Contains(t, request, "\r\nX-Forwarded-Host: shop.example\r\n")
}

// A header that routes match, or that a limit counts by, has no look-alike, also not for routes
// that don't match it, and none in a trailer.
func TestGuardedHeaders(t *testing.T) {
	pool, _ := answeringOf(t, replies("a"))
	b := startBackend(t, func(c *conn, _ int) {
		head := c.readHead()
		rest := string(c.untilChunksEnd())
		c.send(replies(strings.ToLower(head + rest)))
	})
	one := poolOf(t, connectionSettings(), b.addr)
	p := startRoutes(t, settings(), []*fakePool{pool, one},
		spec{name: "v2", headers: map[string]string{"X-Version": "2"}}, spec{name: "rest", Route: Route{Destination: Destination{Pool: one}}})
	a := p.dial().do("POST / HTTP/1.1\r\nHost: a\r\nX_Version: 2\r\nX-Version: 1\r\nTransfer-Encoding: chunked\r\n\r\n" +
		chunk("a") + "0\r\nX-Version: 2\r\nx_version: 2\r\nX-Sum: 6\r\n\r\n")
	assert.NotContains(t, a.body, "x_version")
	assert.Contains(t, a.body, "\r\nx-version: 1\r\n")
	assert.NotContains(t, a.body, "x-version: 2")
	assert.Contains(t, a.body, "x-sum: 6")
}

// untilChunksEnd reads a chunked body with its trailers, raw.
func (c *conn) untilChunksEnd() (raw []byte) {
	for !strings.HasSuffix(string(raw), "\r\n\r\n") {
		b, err := c.br.ReadByte()
		if err != nil {
			return raw
		}
		raw = append(raw, b)
	}
	return raw
}

// A route may respond itself, with its own fields and under its limits, and needs no pool.
func TestRoutesThatRespond(t *testing.T) {
	host, err := route.ParseHost("old.example")
	require.NoError(t, err)
	redirect, err := rewrite.ParseRedirect("https://new.example$path$query", 308, host)
	require.NoError(t, err)
	gone, err := rewrite.ParseRespond(410, "gone\n", "")
	require.NoError(t, err)
	l := &fakeLimiter{}
	l.left.Store(1)
	p := startRoutes(t, settings(), nil,
		spec{name: "old", host: "old.example", Route: Route{
			Redirect: &redirect,
			Rules:    mustRules(t, "", "", rewrite.FieldChanges{}, rewrite.FieldChanges{Set: map[string]string{"Cache-Control": "max-age=60"}}),
		}},
		spec{name: "gone", prefix: "/gone", Route: Route{Respond: &gone, Limits: []LimitUse{NewLimitUse("default", ipKey(t), nil)}, Take: l.Take}})
	c := p.dial()
	a := c.do(get("Old.example:80", "//evil.example/%2e%2e/x?y=z"))
	assert.Equal(t, 308, a.StatusCode)
	assert.Equal(t, "https://new.example/x?y=z", a.Header.Get("Location"))
	assert.Equal(t, "max-age=60", a.Header.Get("Cache-Control"))
	assert.EqualValues(t, 0, a.ContentLength)
	assert.Equal(t, "old", p.logged(1).Route)
	assert.Equal(t, 308, p.logged(1).Status)
	assert.Equal(t, "info", p.logged(1).Level)

	a = c.do("POST /gone HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc")
	assert.Equal(t, 410, a.StatusCode)
	assert.Equal(t, "gone\n", a.body)
	assert.Equal(t, "text/plain; charset=utf-8", a.Header.Get("Content-Type"))
	p.isProblem(c.do(get("a", "/gone")), 429, "quota")
	assert.EqualValues(t, 1, p.Stats().Responses.Redirection)
	a = c.do("HEAD http://old.example HTTP/1.1\r\nHost: a\r\n\r\n")
	assert.Equal(t, "https://new.example/", a.Header.Get("Location"))
	assert.Empty(t, p.logged(4).Backend)
}

// A route has a bound on bodies of its own.
func TestBodiesOfRoutes(t *testing.T) {
	pool, got := answeringOf(t, replies("a"))
	p := startRoutes(t, settings(), []*fakePool{pool}, spec{name: "all"}, spec{prefix: "/small", Route: Route{MaxBody: 3}})
	for _, framed := range []string{"Content-Length: 4\r\n\r\nabcd", "Transfer-Encoding: chunked\r\n\r\n" + chunk("abcd") + "0\r\n\r\n"} {
		assert.Equal(t, "a", p.dial().do("POST / HTTP/1.1\r\nHost: a\r\n"+framed).body)
		p.isProblem(p.dial().do("POST /small HTTP/1.1\r\nHost: a\r\n"+framed), 413, "too large")
	}
	assert.Equal(t, "a", p.dial().do("POST /small HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc").body)
	assert.Len(t, got.list(), 3)
}

// While nobody in the pool is healthy, requests go to the fallback, as that wants them; and if
// nobody is there either, it is 503, and free.
func TestFallbackPool(t *testing.T) {
	first, _ := answeringOf(t, replies("first"))
	second, got := answeringOf(t, "HTTP/1.1 302 Found\r\nLocation: http://hidden.example/x\r\nContent-Length: 6\r\n\r\nsecond")
	l := &fakeLimiter{}
	l.left.Store(100)
	p := startRoutes(t, settings(), []*fakePool{first, second}, spec{Route: Route{
		Destination: Destination{Pool: first, Host: "first.example"},
		Fallback:    &Destination{Pool: second, Host: "second.example", Hidden: func() []string { return []string{"hidden.example"} }},
		Limits:      []LimitUse{NewLimitUse("default", ipKey(t), nil)},
		Take:        l.Take,
	}})
	c := p.dial()
	assert.Equal(t, "first", c.do(get("a", "/")).body)
	first.none.Store(true)
	a := c.do(get("a", "/"))
	assert.Equal(t, "second", a.body)
	assert.Equal(t, "http://a/x", a.Header.Get("Location"))
	assert.Contains(t, got.list()[0], "\r\nHost: second.example\r\n")
	second.none.Store(true)
	p.isProblem(c.do(get("a", "/")), 503, "no-backend")
	first.none.Store(false)
	assert.Equal(t, "first", c.do(get("a", "/")).body)
	assert.Len(t, l.taken(), 3, "the 503 is free")
}

// A route has timeouts of its own, shorter or longer than its pool's. The connections are the same.
func TestTimeoutsOfRoutes(t *testing.T) {
	b := startBackend(t, func(c *conn, _ int) {
		for {
			request := c.readRequest()
			switch {
			case request == "":
				return
			case strings.Contains(request, "/slow"):
				_, _ = c.br.ReadByte() // until the proxy has enough
				return
			}
			c.send(replies("ok"))
		}
	})
	s := connectionSettings()
	s.Timeouts.Shortest = brief
	pool := poolOf(t, s, b.addr)
	own := func(l netconn.ExchangeLimits) Route {
		return Route{Destination: Destination{Pool: pool, Timeouts: &l}}
	}
	p := startRoutes(t, settings(), []*fakePool{pool}, spec{name: "all"},
		spec{prefix: "/slow", Route: own(netconn.ExchangeLimits{Response: brief})},
		spec{prefix: "/slow/total", Route: own(netconn.ExchangeLimits{Total: brief})})
	c := p.dial()
	assert.Equal(t, "ok", c.do(get("a", "/")).body)
	for _, target := range []string{"/slow", "/slow/total"} {
		began := time.Now()
		p.isProblem(p.dial().do(get("a", target)), 504, "backend-late")
		assert.GreaterOrEqual(t, time.Since(began), brief)
	}
	assert.Equal(t, "ok", c.do(get("a", "/")).body)
}

// Error pages stand in for the bodies of our own errors, and for nothing of a backend's.
func TestErrorPages(t *testing.T) {
	pool, _ := answeringOf(t, "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 7\r\n\r\nbackend")
	l := &fakeLimiter{}
	l.left.Store(1)
	html := func(text string) Page { return Page{MediaType: "text/html; charset=utf-8", Content: []byte(text)} }
	p := startRoutes(t, settings(), []*fakePool{pool}, spec{name: "shop", Route: Route{
		MaxBody: 3, Limits: []LimitUse{NewLimitUse("default", ipKey(t), nil)}, Take: l.Take,
		ErrorPages: map[int]Page{503: html("<p>sorry"), 429: html("<p>slowly"), 413: html("<p>large")},
	}})
	c := p.dial()
	assert.Equal(t, "backend", c.do(get("a", "/")).body)
	f := func(a answer, status int, body string) {
		t.Helper()
		assert.Equal(t, status, a.StatusCode)
		assert.Equal(t, body, a.body)
		assert.Equal(t, "text/html; charset=utf-8", a.Header.Get("Content-Type"))
	}
	a := c.do(get("a", "/"))
	f(a, 429, "<p>slowly")
	assert.Equal(t, "1", a.Header.Get("Retry-After"))
	assert.Equal(t, `"default";r=0;t=1`, a.Header.Get("Ratelimit"))
	pool.none.Store(true)
	f(c.do(get("a", "/")), 503, "<p>sorry")
	f(p.dial().do("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nabcd"), 413, "<p>large")
}

// Scripts of the origins that a route names can read our own errors, and the backend's responses
// stay as they are.
func TestExposedErrors(t *testing.T) {
	pool, _ := answeringOf(t, replies("ok"))
	origins := func(texts ...string) rewrite.Origins {
		o, err := rewrite.ParseOrigins(texts)
		require.NoError(t, err)
		return o
	}
	l := &fakeLimiter{}
	limits := []LimitUse{NewLimitUse("default", ipKey(t), nil)}
	p := startRoutes(t, settings(), []*fakePool{pool},
		spec{host: "api", Route: Route{ExposeTo: origins("https://app.example", "http://localhost:3000"), Limits: limits, Take: l.Take}},
		spec{host: "open", Route: Route{ExposeTo: origins("*"), Limits: limits, Take: l.Take}},
		spec{host: "shut", Route: Route{Limits: limits, Take: l.Take}}, spec{host: "free", Route: Route{ExposeTo: origins("*")}})
	f := func(host, origin, allow, credentials, vary string) {
		t.Helper()
		a := p.dial().do(get(host, "/", "Origin: "+origin))
		p.isProblem(a, 429, "quota")
		assert.Equal(t, allow, a.Header.Get("Access-Control-Allow-Origin"))
		assert.Equal(t, credentials, a.Header.Get("Access-Control-Allow-Credentials"))
		assert.Equal(t, vary, a.Header.Get("Vary"))
		exposed := ""
		if allow != "" {
			exposed = "Retry-After, RateLimit, RateLimit-Policy, X-Request-ID"
		}
		assert.Equal(t, exposed, a.Header.Get("Access-Control-Expose-Headers"))
	}
	f("api", "https://app.example", "https://app.example", "true", "Origin")
	f("api", "http://localhost:3000", "http://localhost:3000", "true", "Origin")
	f("api", "https://app.example.evil", "", "", "Origin")
	f("api", "https://app.example\r\nOrigin: https://evil.example", "", "", "Origin")
	f("open", "https://evil.example", "*", "", "")
	f("shut", "https://app.example", "", "", "")
	assert.Empty(t, p.dial().do(get("free", "/", "Origin: https://a.example")).Header.Get("Access-Control-Allow-Origin"))
}

// With the switch, every response of a limited route says what is left; one that is exempt says
// nothing.
func TestShownLimits(t *testing.T) {
	pool, _ := answeringOf(t, "HTTP/1.1 200 OK\r\nRateLimit-Policy: \"theirs\";q=1\r\nContent-Length: 2\r\n\r\nok")
	l := &fakeLimiter{}
	l.left.Store(3)
	use := NewLimitUse("default", ipKey(t), nil)
	exemption, err := route.ParseExemption(nil, nil, []string{"/health"})
	require.NoError(t, err)
	use.Exempt = route.NewExemptions([]route.Exemption{exemption})
	p := startRoutes(t, settings(), []*fakePool{pool},
		spec{name: "shown", Route: Route{Limits: []LimitUse{use}, Take: l.Take, ShowLimits: true}},
		spec{name: "silent", host: "silent", Route: Route{Limits: []LimitUse{use}, Take: l.Take}})
	c := p.dial()
	f := func(a answer, status int, state, policy string) {
		t.Helper()
		assert.Equal(t, status, a.StatusCode)
		assert.Equal(t, state, a.Header.Get("Ratelimit"))
		assert.Equal(t, policy, strings.Join(a.Header.Values("Ratelimit-Policy"), ", "))
	}
	f(c.do(get("a", "/")), 200, `"default";r=2;t=1`, `"theirs";q=1, "default";q=10;w=10`)
	f(c.do(get("a", "/health/x")), 200, "", `"theirs";q=1`)
	f(c.do(get("silent", "/")), 200, "", `"theirs";q=1`)
	pool.none.Store(true)
	f(c.do(get("a", "/")), 503, "", "") // It is free, so nothing was asked.
	pool.none.Store(false)
	f(c.do(get("a", "/")), 200, `"default";r=0;t=1`, `"theirs";q=1, "default";q=10;w=10`)
	f(c.do(get("a", "/")), 429, `"default";r=0;t=1`, `"default";q=10;w=10`)
}

// Nothing of a request's route is left for the next one on the connection.
func TestARequestHasNoRouteOfTheOneBefore(t *testing.T) {
	pool, _ := answeringOf(t, replies("ok"))
	p := startRoutes(t, settings(), []*fakePool{pool}, spec{name: "a", host: "a", Route: Route{ErrorPages: map[int]Page{404: {Content: []byte("a's")}}}})
	c := p.dial()
	assert.Equal(t, "ok", c.do(get("a", "/")).body)
	p.isProblem(c.do(get("b", "/")), 404, "nothing")
	line := p.logged(2)
	assert.Empty(t, line.Route)
	assert.Empty(t, line.Backend)
}

func ipKey(t testing.TB) identity.Key {
	t.Helper()
	key, err := identity.ParseKey("ip", false)
	require.NoError(t, err)
	return key
}

// fieldChanges set a field, and remove cookies.
func fieldChanges(name string) rewrite.FieldChanges {
	return rewrite.FieldChanges{Set: map[string]string{name: "a"}, Remove: []string{"Cookie"}}
}

// A 101 is changed like other responses, except for what makes the upgrade; an interim response
// loses what the route removes, and gets nothing.
func TestRewritingOfUpgradesAndInterimResponses(t *testing.T) {
	b := startBackend(t, func(c *conn, _ int) {
		c.readRequest()
		c.send("HTTP/1.1 103 Early Hints\r\nCookie: a\r\nLink: b\r\n\r\n" +
			"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\nCookie: a\r\n\r\n")
		_, _ = io.Copy(c, c.br)
	})
	pool := poolOf(t, connectionSettings(), b.addr)
	l := &fakeLimiter{}
	l.left.Store(2)
	p := startRoutes(t, settings(), []*fakePool{pool}, spec{Route: Route{
		Limits: []LimitUse{NewLimitUse("default", ipKey(t), nil)}, Take: l.Take, ShowLimits: true,
		Rules: mustRules(t, "", "", rewrite.FieldChanges{}, fieldChanges("X-Frame-Options")),
	}})
	c := p.dial()
	require.True(t, c.send(get("a", "/", "Connection: Upgrade", "Upgrade: echo")))
	hints := c.nextHead()
	assert.Contains(t, hints, "103 Early Hints\r\nLink: b\r\n")
	assert.NotContains(t, hints, "RateLimit")
	assert.NotContains(t, hints, "X-Frame-Options")
	head := c.nextHead()
	assert.Contains(t, head, "\r\nConnection: Upgrade\r\nUpgrade: echo\r\nRateLimit: \"default\";r=1;t=1\r\n")
	assert.Contains(t, head, "\r\nX-Frame-Options: a\r\n")
	assert.NotContains(t, head, "Cookie")
	require.True(t, c.send("ping"))
	c.expect("ping")
}
