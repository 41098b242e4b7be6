package proxy

import (
	"fmt"
	"net/netip"
	"net/url"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"gopher-equalizer/proxy/identity"
	"gopher-equalizer/proxy/route"
)

// reading is how a backend reads the path of a request target.
type reading struct {
	name string
	read func(path string) string
}

func decoded(text string) string {
	if plain, err := url.PathUnescape(text); err == nil {
		return plain
	}
	return text
}

// cut drops what follows a semicolon in each segment, as servlet containers do.
func cut(text string) string {
	segments := strings.Split(text, "/")
	for i := range segments {
		segments[i], _, _ = strings.Cut(segments[i], ";")
	}
	return strings.Join(segments, "/")
}

func merged(text string) string {
	for strings.Contains(text, "//") {
		text = strings.ReplaceAll(text, "//", "/")
	}
	return text
}

func slashed(text string) string { return strings.ReplaceAll(text, `\`, "/") }

// resolved removes dot segments as RFC 3986, section 5.2.4, does: empty segments count.
func resolved(text string) string {
	var out []string
	segments := strings.Split(text, "/")[1:]
	for i, s := range segments {
		last := i == len(segments)-1
		switch {
		case s == ".." && len(out) > 0:
			out = out[:len(out)-1]
		case s != "." && s != "..":
			out = append(out, s)
			continue
		}
		if last {
			out = append(out, "")
		}
	}
	return "/" + strings.Join(out, "/")
}

// readings are those of common servers: such as decode, resolve and merge, in whatever order, or
// don't.
func readings() []reading {
	return []reading{
		{"as it came", func(p string) string { return p }},
		{"decoding", decoded},
		{"merging only", merged},
		{"decoding, then merging and resolving", func(p string) string { return path.Clean(decoded(p)) }},
		{"merging and resolving, then decoding", func(p string) string { return decoded(path.Clean(p)) }},
		{"resolving, then decoding", func(p string) string { return decoded(resolved(p)) }},
		{"resolving, then merging", func(p string) string { return merged(resolved(decoded(p))) }},
		{"cutting, then decoding and resolving", func(p string) string { return path.Clean(decoded(cut(p))) }},
		{"decoding, then cutting", func(p string) string { return path.Clean(cut(decoded(p))) }},
		{"with backslashes", func(p string) string { return path.Clean(slashed(decoded(p))) }},
		{"merging, with dots left", func(p string) string { return merged(slashed(decoded(p))) }},
	}
}

// backendOf is a backend that serves what its reading makes of each request's path: the first
// segment is the body of the response.
func backendOf(t *testing.T, r reading) *fakePool {
	b := startBackend(t, func(c *conn, _ int) {
		for request := c.readRequest(); request != ""; request = c.readRequest() {
			target, _, _ := strings.Cut(strings.Fields(request)[1], "?")
			first, _, _ := strings.Cut(strings.TrimPrefix(r.read(target), "/"), "/")
			if !c.send(replies("<" + first + ">")) {
				return
			}
		}
	})
	return poolOf(t, connectionSettings(), b.addr)
}

// attacked is a proxy in front of a backend of one reading, whose /login is limited. The limit lets
// everything pass, and counts it.
type attacked struct {
	*proxied
	limit *fakeLimiter
}

func attack(t *testing.T, r reading, routes func(pool *fakePool, use LimitUse) []spec) attacked {
	t.Helper()
	l := &fakeLimiter{}
	l.left.Store(1 << 40)
	pool := backendOf(t, r)
	specs := routes(pool, NewLimitUse("default", ipKey(t), nil))
	for i := range specs {
		specs[i].Take = l.Take
	}
	return attacked{startRoutes(t, settings(), []*fakePool{pool}, specs...), l}
}

// try sends a request for a path, and checks that it was counted if the backend read it as /login.
func (a attacked) try(t require.TestingT, c *conn, target string) (again *conn, status int) {
	before := len(a.limit.taken())
	got := c.do(get("a", target))
	counted := len(a.limit.taken()) - before
	if got.StatusCode == 200 && got.body == "<login>" {
		require.Equal(t, 1, counted, "%s was served as /login and not counted", target)
	}
	if got.Close {
		require.NoError(t, c.Close())
		c = a.dial()
	}
	return c, got.StatusCode
}

// exempting is a limit on everything but /health.
func exempting(t *testing.T) func(*fakePool, LimitUse) []spec {
	e, err := route.ParseExemption(nil, nil, []string{"/health"})
	require.NoError(t, err)
	return func(_ *fakePool, use LimitUse) []spec {
		use.Exempt = route.NewExemptions([]route.Exemption{e})
		return []spec{{name: "all", Route: Route{Limits: []LimitUse{use}}}}
	}
}

// routing is a limit on /login only.
func routing(_ *fakePool, use LimitUse) []spec {
	return []spec{{name: "rest"}, {prefix: "/login", Route: Route{Limits: []LimitUse{use}}}}
}

// attacks are spellings of /login that look like /health, and the other way round.
var attacks = []string{
	"/health/..%2Flogin", "/login//../x", "/health/../login", "/health/%2e%2e/login", "/health//..//login", "/health/..;/login", "/health;/../login",
	`/health/..\login`, "/health/..%5Clogin", "/health%2F..%2Flogin", "//login", "/./login", "/health/.%2e/login", "/%6Cogin", "/login;x/../health",
	"/login/..%2fhealth", "/health/%2e%2e%2flogin", "/health/x/..%2f../login", "/health/%2f../login", "/health//../login", "/health/%2f%2f..%2flogin",
	"/login/../health", "/login%2f..%2fhealth", "/x//../login", "/x/..//login", "/login%3bx/y", "/health%3b/../login", `/\login`, "/health/./..//./login",
	"/health/..%2F..%2Flogin", "/%2flogin", "/%2e/login", "/health/%5c..%5c..%5clogin", "/login%2f", "/login//", "/login/.", "/login/..;a=b/health",
}

// No spelling of a path reaches /login on any backend without being counted, neither past an
// exempt /health nor by another route; and plain spellings are served.
func TestNoSpellingIsUncounted(t *testing.T) {
	for _, r := range readings() {
		for name, routes := range map[string]func(*fakePool, LimitUse) []spec{"exempt": exempting(t), "routes": routing} {
			t.Run(r.name+"/"+name, func(t *testing.T) {
				a := attack(t, r, routes)
				c := a.dial()
				refused := 0
				for _, target := range attacks {
					var status int
					if c, status = a.try(t, c, target); status == 400 {
						refused++
					}
				}
				assert.Greater(t, refused, len(attacks)/2)
				for _, target := range []string{"/login", "/%6cogin", "/health/x", "/a%2Fb", "/a;b", "/x/../y"} {
					var status int
					c, status = a.try(t, c, target)
					assert.Equal(t, 200, status, target)
				}
			})
		}
	}
}

// The same for spellings that nobody thought of.
func TestNoGeneratedSpellingIsUncounted(t *testing.T) {
	piece := rapid.SampledFrom([]string{"/", "//", "%2F", "%2f", `\`, "%5C", ";", "%3B", ".", "..", "%2e", "login", "%6Cogin", "health", "x", ";/", "/../", "/./"})
	all := readings()
	var targets []attacked
	for _, r := range all {
		targets = append(targets, attack(t, r, exempting(t)), attack(t, r, routing))
	}
	conns := make([]*conn, len(targets))
	for i := range targets {
		conns[i] = targets[i].dial()
	}
	rapid.Check(t, func(t *rapid.T) {
		target := "/" + strings.Join(rapid.SliceOfN(piece, 1, 7).Draw(t, "pieces"), "")
		for i, a := range targets {
			conns[i], _ = a.try(t, conns[i], target)
		}
	})
}

// What looks like a preflight isn't counted by a key that preflights can't carry, and is by an
// address: anyone can send these headers.
func TestPreflights(t *testing.T) {
	pool, _ := answeringOf(t, replies("ok"))
	key := func(spec string) identity.Key {
		k, err := identity.ParseKey(spec, false)
		require.NoError(t, err)
		return k
	}
	byHeader, byAddress := &fakeLimiter{}, &fakeLimiter{}
	byHeader.left.Store(100)
	byAddress.left.Store(100)
	var routes []spec
	for host, limit := range map[string]struct {
		l   *fakeLimiter
		key string
	}{"header": {byHeader, "header:X-Api-Key"}, "ip": {byAddress, "ip"}, "ip48": {byAddress, "ip/48"}} {
		use := NewLimitUse("default", key(limit.key), nil)
		use.ExemptPreflights = true
		routes = append(routes, spec{host: host, Route: Route{Limits: []LimitUse{use}, Take: limit.l.Take, ShowLimits: true}})
	}
	p := startRoutes(t, settings(), []*fakePool{pool}, routes...)
	c := p.dial()
	f := func(l *fakeLimiter, want int, request string) {
		t.Helper()
		before := len(l.taken())
		a := c.do(request)
		assert.Equal(t, 200, a.StatusCode)
		assert.Equal(t, want, len(l.taken())-before)
		assert.Equal(t, want > 0, a.Header.Get("Ratelimit") != "")
	}
	const asks = "Origin: https://app.example\r\nAccess-Control-Request-Method: PUT\r\n"
	f(byHeader, 0, "OPTIONS /x HTTP/1.1\r\nHost: header\r\n"+asks+"\r\n")
	f(byHeader, 1, "OPTIONS /x HTTP/1.1\r\nHost: header\r\nOrigin: https://app.example\r\n\r\n")
	f(byHeader, 1, "POST /x HTTP/1.1\r\nHost: header\r\n"+asks+"\r\n")
	f(byAddress, 1, "OPTIONS /x HTTP/1.1\r\nHost: ip\r\n"+asks+"\r\n")
	f(byAddress, 1, "OPTIONS /x HTTP/1.1\r\nHost: ip48\r\n"+asks+"\r\n")
}

// startBehind starts a proxy behind a trusted one, so that a test can choose its address.
func startBehind(t *testing.T, specs ...spec) *proxied {
	t.Helper()
	pool, _ := answeringOf(t, replies("ok"))
	return startRoutes(t, behindUs(t), []*fakePool{pool}, specs...)
}

// An exemption by network is for the client that trusted proxies tell of. What the client itself
// wrote into X-Forwarded-For, and look-alikes of that, exempts nobody.
func TestSpoofedAddressesAreNotExempt(t *testing.T) {
	office, err := route.ParseExemption([]string{"192.0.2.0/24", "2001:db8:1::/48"}, []string{"GET"}, nil)
	require.NoError(t, err)
	l := &fakeLimiter{}
	l.left.Store(100)
	use := NewLimitUse("default", ipKey(t), nil)
	use.Exempt = route.NewExemptions([]route.Exemption{office})
	p := startBehind(t, spec{Route: Route{Limits: []LimitUse{use}, Take: l.Take}})
	c := p.dial()
	f := func(counted string, fields ...string) {
		t.Helper()
		before := len(l.taken())
		assert.Equal(t, "ok", c.do(get("a", "/", fields...)).body)
		var want []string
		if counted != "" {
			want = []string{counted}
		}
		assert.Equal(t, want, append([]string(nil), l.taken()[before:]...))
	}
	f("", "X-Forwarded-For: 192.0.2.7")
	f("", "X-Forwarded-For: 198.51.100.1, ::ffff:192.0.2.7")
	f("", "X-Forwarded-For: 2001:db8:1:5::6")
	f("198.51.100.1", "X-Forwarded-For: 192.0.2.7, 198.51.100.1")
	f("198.51.100.1", "X-Forwarded-For: 192.0.2.7", "X-Forwarded-For: 198.51.100.1")
	f("198.51.100.1", "X-Forwarded-For: 198.51.100.1", "X_Forwarded_For: 192.0.2.7", "X-Real-IP: 192.0.2.7", "Forwarded: for=192.0.2.7")
	f("127.0.0.1", "X-Forwarded-For: 192.0.2.7, unknown")
	f("127.0.0.1", "X-Real-IP: 192.0.2.7")
	before := len(l.taken())
	c.do("POST / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 192.0.2.7\r\n\r\n")
	assert.Len(t, l.taken(), before+1, "another method")

	direct := startRoutes(t, settings(), []*fakePool{p.pool}, spec{Route: Route{Limits: []LimitUse{use}, Take: l.Take}})
	before = len(l.taken())
	assert.Equal(t, "ok", direct.dial().do(get("a", "/", "X-Forwarded-For: 192.0.2.7")).body)
	assert.Equal(t, []string{"127.0.0.1"}, l.taken()[before:], "nobody is trusted")
}

// A client that rotates its address inside the prefix of a key stays one client.
func TestRotatingAddresses(t *testing.T) {
	f := func(form string, rotate func(i int) string, want ...string) {
		t.Helper()
		key, err := identity.ParseKey(form, false)
		require.NoError(t, err)
		l := &fakeLimiter{}
		l.left.Store(3)
		p := startBehind(t, spec{Route: Route{Limits: []LimitUse{NewLimitUse("default", key, nil)}, Take: l.Take}})
		c := p.dial()
		allowed := 0
		for i := range 10 {
			if a := c.do(get("a", "/", "X-Forwarded-For: "+rotate(i))); a.StatusCode == 200 {
				allowed++
			}
		}
		assert.Equal(t, 3, allowed)
		ids := l.taken()
		slices.Sort(ids)
		assert.Equal(t, want, slices.Compact(ids))
	}
	within64 := func(i int) string { return fmt.Sprintf("2001:db8:1:2:%x::%x", i*77, i) }
	within48 := func(i int) string { return fmt.Sprintf("2001:db8:1:%x::%x", i*77, i) }
	within24 := func(i int) string { return netip.AddrFrom4([4]byte{198, 51, 100, byte(i)}).String() }
	f("ip", within64, "2001:db8:1:2::/64")
	f("ip/48", within64, "2001:db8:1::/48")
	f("ip/48", within48, "2001:db8:1::/48")
	f("ip/64,24", within24, "198.51.100.0/24")
	f("header:X-Api-Key", within64, "ip:2001:db8:1:2::/64")
}
