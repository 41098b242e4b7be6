package config

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"gopher-equalizer/proxy/route"
)

// site is a valid document with two pools, a limit and one route, whose keys begin at line 9.
const site = "[pools.app]\nbackends = [\"http://a\"]\n[pools.api]\nbackends = [\"http://b\"]\n" +
	"[limits.gold]\nkey = \"header:X-Key\"\ncapacity = 5\n[[routes]]\n"

func TestRoutesAreRead(t *testing.T) {
	c := accepted(t, site+`name = "v1"
host = "api.example.com"
path_prefix = "/v1"
methods = ["GET", "PUT"]
match_headers = { X-Version = "2", "X-Beta" = "*" }
ambiguous_paths = "pass"
pool = "api"
fallback_pool = "app"
limits = ["gold"]
cost = 5
priority = "high"
expose_to = ["https://app.example", "http://localhost:3000"]
error_pages = { 502 = "sorry.html", 429 = "slow.json" }
set_host = "internal:8080"
strip_prefix = "/v1"
add_prefix = "/api"
request_headers = { set = { X-Tenant = "a" }, add = { X-Edge = "1" }, remove = ["Cookie"] }
max_body = "1MiB"
response_timeout = "5m"
idle_timeout = "10m"
total_timeout = "0s"
tunnel_timeout = "0s"
[routes.response_headers.set]
Cache-Control = "no-store"
[[routes]]
host = "example.com"
redirect = { to = "https://www.example.com$path$query" }
limits = ["gold"]
[[routes]]
path_prefix = "/robots.txt"
[routes.respond]
body = "User-agent: *\n"
`)
	size, none := MiB, time.Duration(0)
	response, idle := 5*time.Minute, 10*time.Minute
	require.Equal(t, []Route{
		{
			Name: "v1", Host: "api.example.com", PathPrefix: "/v1", Methods: []string{"GET", "PUT"},
			MatchHeaders:   map[string]string{"X-Version": "2", "X-Beta": "*"},
			AmbiguousPaths: route.Pass, Pool: "api", SplitBy: "ip", FallbackPool: "app", Limits: []string{"gold"}, Cost: 5, Priority: "high",
			ExposeTo:        []string{"https://app.example", "http://localhost:3000"},
			ErrorPages:      map[string]string{"502": "sorry.html", "429": "slow.json"},
			SetHost:         "internal:8080",
			StripPrefix:     "/v1",
			AddPrefix:       "/api",
			RequestHeaders:  HeaderChanges{Set: map[string]Secret{"X-Tenant": "a"}, Add: map[string]Secret{"X-Edge": "1"}, Remove: []string{"Cookie"}},
			ResponseHeaders: HeaderChanges{Set: map[string]Secret{"Cache-Control": "no-store"}},
			MaxBody:         &size, ResponseTimeout: &response, IdleTimeout: &idle, TotalTimeout: &none, TunnelTimeout: &none,
		},
		{
			Host: "example.com", PathPrefix: "/", SplitBy: "ip", Cost: 1, Priority: "normal", Limits: []string{"gold"},
			Redirect: &Redirect{To: "https://www.example.com$path$query", Status: 307},
		},
		{PathPrefix: "/robots.txt", SplitBy: "ip", Cost: 1, Priority: "normal", Respond: &Respond{Status: 200, Body: "User-agent: *\n"}},
	}, c.Routes)

	pattern, err := c.Routes[0].Pattern()
	require.NoError(t, err)
	require.Equal(t, "v1", pattern.DisplayName())
	require.Equal(t, "GET, HEAD, PUT", pattern.Methods.String())
	require.Len(t, pattern.Headers, 2)
	require.Equal(t, route.Pass, pattern.Ambiguous)
	_, err = Route{Host: "a b", PathPrefix: "x"}.Pattern()
	require.EqualError(t, err, `host: unexpected host "a b": want letters, digits, hyphens, underscores and dots
path_prefix: unexpected path prefix "x": want a path that begins with a slash, such as /v1`)
}

func TestRoutesInForce(t *testing.T) {
	c := accepted(t, pool+"host = \"b\"\n[limits.x]\n[server]\nmax_body = 7\n[store]\n")
	routes := c.RoutesInForce()
	require.Len(t, routes, 1, "without routes there is one for everything")
	require.Equal(t, "default", routes[0].Pool)
	require.Empty(t, routes[0].SetHost)
	require.Equal(t, []string{"x"}, routes[0].Limits)
	require.Equal(t, int64(1), routes[0].Cost)
	require.Equal(t, Size(7), *routes[0].MaxBody)
	require.Nil(t, routes[0].IdleTimeout, "the pool has it, and the fallback another one")
	require.Equal(t, time.Hour, *routes[0].TunnelTimeout)
	pattern, err := routes[0].Pattern()
	require.NoError(t, err)
	require.Equal(t, route.Pattern{}, pattern)
	require.Empty(t, accepted(t, pool).RoutesInForce()[0].Limits)

	c = accepted(t, pool+"host = \"b\"\n[[routes]]\nmax_body = 0\nresponse_timeout = \"1s\"\nset_host = \"c\"\n"+
		"[[routes]]\nhost = \"x\"\nrespond = { status = 204 }\n[server]\nmax_body = 7\n")
	routes = c.RoutesInForce()
	require.Equal(t, "default", routes[0].Pool, "there is only one pool")
	require.Equal(t, "c", routes[0].SetHost)
	require.Zero(t, *routes[0].MaxBody)
	require.Equal(t, time.Second, *routes[0].ResponseTimeout)
	require.Empty(t, routes[0].Limits, "a route has only the limits that it names")
	require.Empty(t, routes[1].Pool)
	require.Nil(t, c.Routes[0].TunnelTimeout, "the Config is as it was")
}

func TestRouteMistakes(t *testing.T) {
	refused(t, site+`name = "a/b"
host = "https://example.com"
path_prefix = "v1"
methods = ["GET",
"post"]
ambiguous_paths = "allow"
pool = "ap"
fallback_pool = "appp"
limits = ["gold",
"silver", "gold"]
cost = -1
set_host = "a/b"
add_prefix = "/a//b"
strip_prefix = "/%2F"
max_body = -5
response_timeout = "0s"
idle_timeout = "25h"
total_timeout = "1us"
tunnel_timeout = "1us"
[routes.match_headers]
Host = "a"
X-Version = ""
`,
		`c.toml:9: routes[0].name: bad name "a/b"; want 1 to 64 letters, digits, dashes and underscores`,
		`c.toml:10: routes[0].host: unexpected host "https://example.com": want a host alone, without a scheme or a path`,
		`c.toml:11: routes[0].path_prefix: unexpected path prefix "v1": want a path that begins with a slash, such as /v1`,
		`c.toml:13: routes[0].methods[1]: unexpected method "post": methods are in capitals; want POST`,
		`c.toml:14: routes[0].ambiguous_paths: unexpected ambiguous_paths "allow"; want refuse or pass`,
		`c.toml:15: routes[0].pool: "ap" is no pool; did you mean api?`,
		`c.toml:16: routes[0].fallback_pool: "appp" is no pool; did you mean app?`,
		`c.toml:18: routes[0].limits[1]: "silver" is no limit; want gold`,
		`c.toml:18: routes[0].limits[2]: "gold" is there twice; want each limit once, and cost for more tokens`,
		`c.toml:19: routes[0].cost: -1 is out of range; want at least 0`,
		`c.toml:20: routes[0].set_host: "a/b": a URL or a path, not an address; want HOST or HOST:PORT`,
		`c.toml:21: routes[0].add_prefix: unexpected path prefix "/a//b": want no empty segment: paths are matched with // merged`,
		`c.toml:22: routes[0].strip_prefix: unexpected path prefix "/%2F": want no ";", "\", "%2F", "%5C" or "%3B", which backends read in different ways`,
		`c.toml:23: routes[0].max_body: "-5": below 0; want bytes, or a whole number with B, KiB, MiB, GiB or TiB, such as "16KiB"`,
		`c.toml:24: routes[0].response_timeout: 0s is out of range; want 1ms to 24h`,
		`c.toml:25: routes[0].idle_timeout: 25h is out of range; want 1ms to 24h`,
		`c.toml:26: routes[0].total_timeout: 1µs is out of range; want 1ms to 24h, or 0s for none`,
		`c.toml:27: routes[0].tunnel_timeout: 1µs is out of range; want 1ms to 24h, or 0s for none`,
		`c.toml:29: routes[0].match_headers.Host: unexpected header match Host = "a": want host for the host`,
		`c.toml:30: routes[0].match_headers.X-Version: unexpected header match X-Version = "": want a value, or "*" for any`,
	)
	f := func(lines, want string) {
		t.Helper()
		refused(t, site+lines+"\n", strings.Split("c.toml:"+want, "\n")...)
	}
	f("", "8: routes[0]: no pool is named, and there are 2, api and app; want pool, pools, redirect or respond")
	f("pool = \"app\"\nfallback_pool = \"app\"", `10: routes[0].fallback_pool: "app" is the route's pool already; want another one, or none`)
	f("pool = \"app\"\ncost = 1", "10: routes[0].cost: means nothing without limits; want limits, or no cost")
	f("pool = \"app\"\nlimits = [\"gold\"]\ncost = 6",
		"11: routes[0].cost: 6 is above the capacity of limit gold, 5, so every request would be a 429; want at most that")
	f("pool = \"app\"\nlimits = [\"gold\"]\ncost = 4\n[limits.gold.tiers.slow]\nrefill = \"1/1m\"\n[limits.gold.tiers.low]\ncapacity = 3",
		"11: routes[0].cost: 4 is above the capacity of tier gold.low, 3, so every request would be a 429; want at most that")
	f("pool = \"app\"\npath_prefix = \"/v1/a\"\nstrip_prefix = \"/v2\"",
		`11: routes[0].strip_prefix: "/v2": no path of this route begins with it, as its path_prefix is /v1/a; want that, or a beginning of it`)
	f("redirect = { to = \"/a\" }\nrespond = {}", "10: routes[0].respond: there is a redirect too; want one of the two")
	f("pool = \"app\"\nMethods = []\nupstream = 1\n[routes.limit]",
		"10: routes[0].Methods: unknown key; did you mean methods?\n"+
			"c.toml:11: routes[0].upstream: unknown key; want add_prefix, ambiguous_paths, cost, error_pages, expose_to, fallback_pool, host, idle_timeout, limits, "+
			"match_headers, max_body, methods, name, path_prefix, pool, pools, priority, redirect, request_headers, respond, response_headers, response_timeout, retry, set_host, split_by, strip_prefix, total_timeout or tunnel_timeout\n"+
			"c.toml:12: routes[0].limit: unknown key; did you mean limits?")
	for _, strip := range []string{"/", "/v1", "/v1/a", "/v1/a/b"} {
		accepted(t, site+"pool = \"app\"\npath_prefix = \"/v1/a\"\nstrip_prefix = \""+strip+"\"\n")
	}
	accepted(t, site+"pool = \"app\"\nlimits = [\"gold\"]\ncost = 0\n")
	refused(t, pool+"[[routes]]\nfallback_pool = \"default\"\nlimits = [\"x\"]\n",
		`c.toml:4: routes[0].fallback_pool: "default" is the route's pool already; want another one, or none`,
		`c.toml:5: routes[0].limits[0]: "x" is no limit, as there is none; want [limits.x], or none here`,
	)
	refused(t, pool+"[routes]\nhost = \"a\"\n", "c.toml:3: routes: a table; want an array of tables, [[routes]]")
	refused(t, pool+"routes = \"a\"\n", "c.toml:3: pools.default.routes: unknown key; want backends, backends_file, client_share, connect_timeout, ejection, hash_by, health, host, idle_timeout, "+
		"keep_alive, max_connection_age, max_connections, max_in_flight, max_response_header, queue, queue_timeout, resolve_interval, resolver, response_timeout, retry, retry_budget, slow_start, sticky_cookie, strategy, tls or total_timeout")
}

func TestRoutesThatClash(t *testing.T) {
	refused(t, pool+`[[routes]]
name = "x"
host = "a b"
[[routes]]
host = "Example.com."
path_prefix = "/v1/"
[[routes]]
name = "again"
host = "example.com"
path_prefix = "/v1"
[[routes]]
name = "again"
[[routes]]
host = "c d"
[[routes]]
host = "example.com"
path_prefix = "/v1"
methods = ["GET"]
`,
		`c.toml:5: routes[0].host: unexpected host "a b": want letters, digits, hyphens, underscores and dots`,
		"c.toml:9: routes[2]: matches the same requests as routes[1] (example.com/v1); want only one of them",
		`c.toml:13: routes[3]: has the name of routes[2], "again"; want another one`,
		`c.toml:16: routes[4].host: unexpected host "c d": want letters, digits, hyphens, underscores and dots`,
		`c.toml:17: routes[5]: has no name, and routes[1] has the one that it gets, "example.com/v1"; want a name`,
	)
}

func TestResponsesOfARoute(t *testing.T) {
	f := func(lines string, want ...string) {
		t.Helper()
		for i := range want {
			want[i] = "c.toml:" + want[i]
		}
		refused(t, site+lines, want...)
	}
	f("[routes.redirect]\nto = \"www.example.com\"\nstatus = 200\n",
		`10: routes[0].redirect.to: unexpected redirect "www.example.com": want a URL that begins with https://, http://, a slash or $path`,
		"11: routes[0].redirect.status: unexpected 200; want 301, 302, 303, 307 or 308")
	f("redirect = { to = \"https://$host$path\" }\n",
		`9: routes[0].redirect.to: unexpected redirect "https://$host$path": $host of a route of any host is whatever a client says; want a host in the URL, or a host for the route`)
	f("redirect = \"https://a\"\n", "9: routes[0].redirect: a string; want a table, [routes[0].redirect]")
	f("[routes.respond]\nstatus = 600\nbody = \"\"\ncontent_type = \"html\"\n",
		"10: routes[0].respond.status: 600 is out of range; want 200 to 599",
		`12: routes[0].respond.content_type: unexpected content type "html"; want one such as text/html; charset=utf-8`)
	f("[routes.respond]\nstatus = 204\nbody = \"x\"\n",
		"11: routes[0].respond.body: a response with status 204 has no body; want none, or another status")
	f("respond.content_type = \"text/html\"\n",
		`9: routes[0].respond.content_type: unexpected content type "text/html" of no body; want a body, or no content type`)
	f("respond.body = \""+strings.Repeat("a", 64<<10+1)+"\"\n", "9: routes[0].respond.body: has 65537 bytes; want at most 64KiB")

	const means = ": means nothing with respond, which needs no backend; want no respond, or no "
	lines := "respond = { status = 204 }\n"
	var want []string
	for i, line := range []string{
		"pool = \"app\"", "fallback_pool = \"app\"", "set_host = \"a\"", "strip_prefix = \"/\"", "add_prefix = \"/\"",
		"request_headers.remove = [\"A\"]", "max_body = 0", "response_timeout = \"1s\"", "idle_timeout = \"1s\"", "total_timeout = \"0s\"", "tunnel_timeout = \"0s\"",
	} {
		name := line[:strings.IndexAny(line, " .")]
		lines += line + "\n"
		want = append(want, fmt.Sprintf("%d: routes[0].%s%s%s", 10+i, name, means, name))
	}
	f(lines, want...)
	accepted(t, site+"respond.status = 404\nlimits = [\"gold\"]\ncost = 2\nresponse_headers.set.Cache-Control = \"no-store\"\nerror_pages.429 = \"a.txt\"\n")
	accepted(t, site+"host = \"*.a\"\nredirect = { to = \"https://$host:8443$path\", status = 301 }\n")
}

func TestHeaderChanges(t *testing.T) {
	refused(t, site+`pool = "app"
[routes.request_headers]
set = { Host = "a",
"X A" = "hunter2" }
add = { X-Secret = "hunter2\r\nX: y" }
remove = ["Cookie",
"Content-Length", "x_secret"]
[routes.response_headers.set]
Date = "now"
`,
		"c.toml:11: routes[0].request_headers.set.Host: want set_host for the Host that backends get",
		`c.toml:12: routes[0].request_headers.set."X A": no header name; want one such as X-Tenant`,
		"c.toml:13: routes[0].request_headers.add.X-Secret: the same field as remove.x_secret; want one change of a field",
		"c.toml:15: routes[0].request_headers.remove[1]: this field says how the body is sent; want another one",
		"c.toml:17: routes[0].response_headers.set.Date: this field says when the response was made; want another one",
	)
	refused(t, site+"pool = \"app\"\nrequest_headers.set.X-A = \""+strings.Repeat("a", 9000)+"\"\n",
		"c.toml:10: routes[0].request_headers: the fields take 9007 bytes; want at most 8192")
	refused(t, site+"pool = \"app\"\nrequest_headers.set.X-A = \"hunter2\\n\"\n",
		"c.toml:10: routes[0].request_headers.set.X-A: a control character in the value; want none")
	refused(t, site+"pool = \"app\"\nrequest_headers.set = [\"a\"]\n",
		"c.toml:10: routes[0].request_headers.set: an array; want a table of names and strings, { NAME = \"...\" }")
}

func TestOrigins(t *testing.T) {
	f := func(origin string, good bool) {
		t.Helper()
		document := site + "pool = \"app\"\nexpose_to = [\"" + origin + "\"]\n"
		if good {
			accepted(t, document)
			return
		}
		refused(t, document, "c.toml:10: routes[0].expose_to[0]: unexpected origin \""+origin+
			`"; want one as browsers send it, such as https://app.example, or "*"`)
	}
	for _, origin := range []string{"*", "https://app.example", "http://localhost:3000", "http://[::1]:3000", "capacitor://localhost", "https://xn--4ca.example"} {
		f(origin, true)
	}
	for _, origin := range []string{"null", "app.example", "https://", "https://a/", "https://u@a", "https://*.a", "https://App.example", "https://a:443"} {
		f(origin, false)
	}
	refused(t, site+"pool = \"app\"\nexpose_to = [\"*\",\n\"https://a\",\n\"https://a\"]\n",
		`c.toml:10: routes[0].expose_to[0]: "*" is every origin; want it alone, or the others without it`,
		`c.toml:12: routes[0].expose_to[2]: "https://a" is there twice; want each once`)
}

func TestErrorPageMistakes(t *testing.T) {
	refused(t, site+`pool = "app"
[routes.error_pages]
404 = "a.html"
5xx = "a.html"
502 = ""
503 = "a"
504 = "a\u0000.txt"
429 = 5
`,
		`c.toml:11: routes[0].error_pages.404: "404" is no status of our own errors on a route; want 400, 408, 413, 429, 500, 502, 503, 504 or 508`,
		`c.toml:12: routes[0].error_pages.5xx: "5xx" is no status of our own errors on a route; want 400, 408, 413, 429, 500, 502, 503, 504 or 508`,
		"c.toml:13: routes[0].error_pages.502: there is none; want a file's path, or no page for 502",
		`c.toml:14: routes[0].error_pages.503: "a": its ending names no media type; want .html, .json or .txt`,
		`c.toml:15: routes[0].error_pages.504: "a\x00.txt" has a NUL in it; want a file's path`,
		"c.toml:16: routes[0].error_pages.429: 5 is an integer; want a string",
	)
}

func TestExemptionMistakes(t *testing.T) {
	refused(t, pool+`[limits.a]
exempt_preflights = true
exempt = [{ networks = ["10.0.0.0/8",
"10.0.0.1/8"], methods = ["get"], path_prefixes = ["/", "/a/../b"] }, {},
{ paths = [] }]
`,
		`c.toml:4: limits.a.exempt_preflights: means nothing with key = "ip", as anyone can send preflights; want a header's key, or no exempt_preflights`,
		`c.toml:6: limits.a.exempt[0].networks[1]: unexpected network "10.0.0.1/8": bits are set behind the prefix; want 10.0.0.0/8, or a longer prefix`,
		`c.toml:6: limits.a.exempt[0].methods[0]: unexpected method "get": methods are in capitals; want GET`,
		`c.toml:6: limits.a.exempt[0].path_prefixes[1]: unexpected path prefix "/a/../b": want no dot segment: paths are matched with them resolved`,
		"c.toml:6: limits.a.exempt[1]: exempts every request; want networks, methods or path_prefixes",
		"c.toml:7: limits.a.exempt[2].paths: unknown key; want methods, networks or path_prefixes",
		"c.toml:7: limits.a.exempt[2]: exempts every request; want networks, methods or path_prefixes",
	)
	c := accepted(t, pool+"[limits.a]\nkey = \"header:X-Key\"\nexempt_preflights = true\n[[limits.a.exempt]]\nnetworks = [\"10.0.0.0/8\"]\n"+
		"[[limits.a.exempt]]\nmethods = [\"OPTIONS\"]\npath_prefixes = [\"/health\"]\n")
	require.True(t, c.Limits["a"].ExemptPreflights)
	require.Equal(t, []Exemption{
		{Networks: []string{"10.0.0.0/8"}}, {Methods: []string{"OPTIONS"}, PathPrefixes: []string{"/health"}},
	}, c.Limits["a"].Exempt)
}

// TestNoValueBeginsAnotherLine puts a line break into every string of a Config, by reflection, so
// that no key is forgotten. All that could reach a message must be refused.
func TestNoValueBeginsAnotherLine(t *testing.T) {
	harmless := []string{ // They are in no header, or are sent as a body.
		"Include", "Admin.TokenFile", "Admin.ReadTokenFile", "Admin.Cert", "Admin.Key", "Store.Path", "Store.Postgres.Password", "Store.Postgres.PasswordFile", "Store.Postgres.Host",
		"Pools.BackendsFile", "Pools.TLS.CA", "Pools.TLS.Cert", "Pools.TLS.Key", "Pools.Health.MatchBody", "Routes.ErrorPages", "Routes.Respond.Body",
		"TLS.ACME.CARoots", "TLS.ACME.Folder", "TLS.ACME.DNSHook", "Store.KeyFile", "Log.Output", "Log.Mask",
	}
	full := full(t)
	require.Empty(t, full().Validate())
	tried := 0
	for _, value := range []string{"%s\r\nX: y", "\n%s", "[fe80::1%%%s\r\nX: y]", "http://[fe80::1%%a\r\nX: %s]:80"} {
		for i := 0; ; i++ {
			c := full()
			b := &lineBreaker{format: value, at: i}
			b.walk("", reflect.ValueOf(&c).Elem())
			if b.broken == "" {
				break
			}
			if !slices.Contains(harmless, b.broken) {
				require.NotEmpty(t, c.Validate(), "%s with %q", b.broken, value)
			}
			tried++
		}
	}
	require.Greater(t, tried, 200)
}

// full makes Configs with all strings that a configuration can have.
func full(t *testing.T) func() Config {
	tree, syntax := parseTree("", []byte(`[server]
via = "edge"
trusted_proxies = ["10.0.0.0/8"]
[pools.app]
host = "a"
backends = ["https://a"]
tls = { ca = "a", cert = "a", key = "a", server_name = "a" }
health.host = "a"
health.headers = { A = "b" }
health.match_body = "a"
health.advice_header = "a"
[pools.api]
backends = ["http://b"]
[limits.gold]
key = "header:X-Key"
exempt = [{ networks = ["::1"], methods = ["GET"], path_prefixes = ["/a"] }]
durability = "strict"
tiers.a.capacity = 9
[store]
migrate_to = "gold"
[[routes]]
name = "a"
host = "a"
path_prefix = "/a"
methods = ["GET"]
match_headers.A = "b"
pool = "app"
fallback_pool = "api"
limits = ["gold"]
expose_to = ["https://a"]
error_pages.502 = "a.html"
set_host = "a"
strip_prefix = "/a"
add_prefix = "/a"
request_headers = { set = { A = "b" }, add = { B = "c" }, remove = ["C"] }
response_headers = { set = { A = "b" }, add = { B = "c" }, remove = ["C"] }
[[routes]]
redirect.to = "/a"
[[routes]]
host = "b"
respond = { body = "a", content_type = "text/html" }
[admin]
token = "0123456789abcdef"
`))
	require.Nil(t, syntax)
	return func() Config {
		c := Default()
		decoder{&report{Sources: Sources{lines: map[string]Source{}}}}.table("", tree, reflect.ValueOf(&c).Elem())
		return c
	}
}

// lineBreaker formats one string of a value, by its position: a field, an element, or a key or a
// value of a map.
type lineBreaker struct {
	format string
	at     int
	broken string // the string that was changed; "" while there is none
}

func (b *lineBreaker) change(name, text string) string {
	if b.at--; b.at == -1 {
		b.broken = strings.TrimPrefix(name, ".")
		return fmt.Sprintf(b.format, text)
	}
	return text
}

func (b *lineBreaker) walk(name string, v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(b.change(name, v.String()))
	case reflect.Pointer:
		if !v.IsNil() {
			b.walk(name, v.Elem())
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				b.walk(name+"."+v.Type().Field(i).Name, v.Field(i))
			}
		}
	case reflect.Slice:
		for i := range v.Len() {
			b.walk(name, v.Index(i))
		}
	case reflect.Map:
		b.walkMap(name, v)
	}
}

func (b *lineBreaker) walkMap(name string, v reflect.Value) {
	keys := v.MapKeys()
	slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
	for _, key := range keys {
		value := reflect.New(v.Type().Elem()).Elem()
		value.Set(v.MapIndex(key))
		b.walk(name, value)
		v.SetMapIndex(key, reflect.Value{})
		v.SetMapIndex(reflect.ValueOf(b.change(name+"[]", key.String())), value)
	}
}

// The time of a check grows with the number of pools and routes, not with its square.
func TestManyPoolsAreCheckedInTime(t *testing.T) {
	allocations := func(pools int) float64 {
		var text strings.Builder
		for i := range pools {
			fmt.Fprintf(&text, "[pools.p%d]\nbackends = [\"http://a:%d\"]\n[[routes]]\npath_prefix = \"/%d\"\npool = \"p%d\"\n", i, i+1, i, i)
		}
		return testing.AllocsPerRun(1, func() { accepted(t, text.String()) })
	}
	require.Less(t, allocations(400)/allocations(100), 8.0)
}
