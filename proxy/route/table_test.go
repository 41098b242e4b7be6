package route

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestHostIsChosenFirst(t *testing.T) {
	longest := strings.Repeat("b", 253)
	table := tableOf(
		t,
		spec{name: "exact", host: "api.example.com", prefix: "/v1"},
		spec{name: "below", host: "*.example.com"},
		spec{name: "deeper", host: "*.eu.Example.com."},
		spec{name: "any"},
		spec{name: "ip", host: "[2001:DB8:0::1]"},
		spec{name: "v4", host: "192.0.2.1"},
		spec{name: "longest", host: longest},
	)
	f := func(host, path, want string) {
		t.Helper()
		found, verdict := table.Match([]byte(host), []byte("GET"), pathOf(path, Refuse), nil)
		if want == "" {
			assert.Equal(t, NotFound, verdict, host)
			return
		}
		if assert.NotNil(t, found, host) {
			assert.Equal(t, want, found.Name, host)
		}
	}
	f("api.example.com", "/v1", "exact")
	f("API.Example.COM.:8443", "/v1/x", "exact")
	f("api.example.com", "/v2", "") // Never left again, though the others would have it.
	f("www.example.com", "/v1", "below")
	f("a.b.c.example.com:80", "/", "below")
	f("x.api.example.com", "/", "below")
	f("a.eu.example.com", "/", "deeper")
	f("a.b.eu.example.com.", "/", "deeper")
	f("eu.example.com", "/", "below")
	f("example.com", "/", "any")
	f(".example.com", "/", "any")
	f("badexample.com", "/", "any")
	f("example.com.evil", "/", "any")
	f("com", "/", "any")
	f("", "/", "any")
	f(".", "/", "any")
	f("[2001:db8::1]:8080", "/", "ip")
	f("[2001:0db8:0:0:0:0:0:1]", "/", "ip")
	f("[2001:db8::2]", "/", "any")
	f("192.0.2.1:80", "/", "v4")
	f(strings.Repeat("a.", 300)+"example.com", "/", "below")
	f(strings.Repeat("a", 300)+".eu.example.com", "/", "deeper")
	f(strings.Repeat("a", 1000), "/", "any")
	f(longest, "/", "longest")
	f("a"+longest, "/", "any")
	f("aaa"+longest+".:1", "/", "any")

	none := tableOf(t, spec{host: "a"})
	found, verdict := none.Match([]byte("b"), []byte("GET"), pathOf("/", Refuse), nil)
	assert.Nil(t, found)
	assert.Equal(t, NotFound, verdict)
	assert.Empty(t, none.AppendAllow(nil, []byte("b"), pathOf("/", Refuse), nil))
}

func TestPathPrefixes(t *testing.T) {
	table := tableOf(t, spec{prefix: "/v1"}, spec{prefix: "/v1/users/"}, spec{prefix: "/caf%c3%a9"}, spec{prefix: "/@me"}, spec{prefix: "/100%25"}, spec{prefix: "/" + strings.Repeat("a", 255)})
	f := func(path, want string) {
		t.Helper()
		found, verdict := table.Match(nil, []byte("GET"), pathOf(path, Refuse), nil)
		if want == "" {
			assert.Equal(t, NotFound, verdict, path)
			return
		}
		if assert.NotNil(t, found, path) {
			assert.Equal(t, want, found.Name, path)
		}
	}
	f("/v1", "/v1")
	f("/v1/", "/v1")
	f("/v1?a=/v1/users", "/v1")
	f("/v1/users", "/v1/users")
	f("/v1/users/7", "/v1/users")
	f("/v1/usersx", "/v1")
	f("/v10", "")
	f("/V1", "")
	f("/", "")
	f("", "")
	f("?a", "")
	f("/v1/./users", "/v1/users")
	f("/%76%31//%75sers/", "/v1/users")
	f("/caf%C3%A9/x", "/caf%C3%A9")
	f("/%63af%c3%A9", "/caf%C3%A9")
	f("/%40me", "/@me")
	f("/100%25", "/100%25")
	f("/100%", "/100%25")
	f("/100%2525", "")
	f("/%61"+strings.Repeat("a", 254), "/"+strings.Repeat("a", 255))
	f("/%61"+strings.Repeat("a", 255), "")
	f("/a%2Fb/../%61"+strings.Repeat("a", 255), "")
}

func TestMethodsAndHeaders(t *testing.T) {
	table := tableOf(
		t,
		spec{name: "none", prefix: "/a"},
		spec{name: "x", prefix: "/a", headers: [][2]string{{"X-A", "*"}}},
		spec{name: "x1", prefix: "/a", headers: [][2]string{{"X-A", "1"}}},
		spec{name: "xy", prefix: "/a", headers: [][2]string{{"X-A", "1"}, {"x-b", "Two words"}}},
		spec{name: "get", prefix: "/a", methods: []string{"GET"}},
		spec{name: "get x", prefix: "/a", methods: []string{"GET", "PUT"}, headers: [][2]string{{"X-A", "1"}}},
		spec{name: "longer", prefix: "/a/b", methods: []string{"POST", "PURGE"}, headers: [][2]string{{"X-A", "1"}}},
		spec{name: "only post", prefix: "/c", methods: []string{"POST"}},
		spec{name: "only put", prefix: "/c/d", methods: []string{"PUT", "GET"}},
		spec{name: "with x", prefix: "/d", methods: []string{"GET"}, headers: [][2]string{{"X-A", "1"}}},
	)
	f := func(method, path, want string, headers ...[2]string) {
		t.Helper()
		found, verdict := table.Match(nil, []byte(method), pathOf(path, Refuse), fieldsOf(headers...))
		switch {
		case want == "404":
			assert.Equal(t, NotFound, verdict)
		case strings.HasPrefix(want, "405 "):
			assert.Equal(t, MethodNotAllowed, verdict)
			assert.Equal(t, want[4:], string(table.AppendAllow(nil, nil, pathOf(path, Refuse), fieldsOf(headers...))))
		case assert.NotNil(t, found, want):
			assert.Equal(t, want, found.Name)
		}
	}
	a1, a2, b := [2]string{"x-a", "1"}, [2]string{"X-A", "2"}, [2]string{"X-B", "Two words"}
	f("GET", "/a", "get")
	f("HEAD", "/a", "get")
	f("POST", "/a", "none")
	f("GET", "/a", "get x", a1)
	f("PUT", "/a", "get x", a1)
	f("POST", "/a", "x", a2)
	f("POST", "/a", "x", a1) // x and x1 have as many headers: the earlier one.
	f("POST", "/a", "xy", b, a1)
	f("GET", "/a", "get", a2) // Methods come before headers.
	f("GET", "/a", "get x", a2, a1)
	f("POST", "/a", "none", [2]string{"X-B", "two words"})
	f("POST", "/a/b/c", "longer", a1)
	f("PURGE", "/a/b/c", "longer", a1)
	f("POST", "/a/b/c", "none")
	f("GET", "/a/b", "get x", a1)
	f("get", "/a", "none")
	f("GET", "/c", "405 POST")
	f("PUT", "/c/d", "only put")
	f("POST", "/c/d", "only post")
	f("DELETE", "/c/d", "405 GET, HEAD, PUT, POST")
	f("POST", "/d", "404")
	f("POST", "/d", "405 GET, HEAD", a1)
	f("OPTIONS", "/x", "404")
}

func TestServerWideOptions(t *testing.T) {
	table := tableOf(t, spec{name: "root", prefix: "/"}, spec{name: "a", prefix: "/a"})
	found, verdict := table.Match(nil, []byte("OPTIONS"), pathOf("*", Refuse), nil)
	require.Equal(t, Found, verdict)
	require.Equal(t, "root", found.Name)
	_, verdict = tableOf(t, spec{prefix: "/a"}).Match(nil, []byte("OPTIONS"), pathOf("*", Refuse), nil)
	require.Equal(t, NotFound, verdict)
}

func TestNames(t *testing.T) {
	table := tableOf(t, spec{}, spec{host: "A.example.", prefix: "/v1/"}, spec{host: "*.b"}, spec{name: "x", prefix: "/c"})
	var names []string
	for _, r := range table.Routes() {
		names = append(names, r.Name)
	}
	assert.Equal(t, []string{"/", "a.example/v1", "*.b/", "x"}, names)
}

func TestConflicts(t *testing.T) {
	f := func(want string, specs ...spec) {
		t.Helper()
		var routes []Route[int]
		for _, s := range specs {
			routes = append(routes, Route[int]{Pattern: s.pattern(t)})
		}
		table, err := New(routes)
		if want == "" {
			assert.NoError(t, err)
			return
		}
		assert.Nil(t, table)
		assert.EqualError(t, err, want)
		var conflict *Conflict
		assert.ErrorAs(t, err, &conflict)
	}
	get := []string{"GET"}
	f("")
	f("", spec{name: "a"}, spec{name: "b", methods: get}, spec{name: "c", prefix: "/c"}, spec{name: "d", host: "d"}, spec{name: "e", headers: [][2]string{{"X", "1"}}})
	f(`routes[1]: matches the same requests as routes[0] (/); want only one of them`, spec{}, spec{prefix: "/", name: "x"})
	f(`routes[1]: matches the same requests as routes[0] (a); want only one of them`,
		spec{name: "a", host: "A.b", prefix: "/x/", methods: []string{"POST", "GET"}, headers: [][2]string{{"X", "1"}, {"Y", "2"}}},
		spec{name: "b", host: "a.B.", prefix: "/%78", methods: []string{"HEAD", "GET", "POST"}, headers: [][2]string{{"y", "2"}, {"x", "1"}}})
	f(`routes[1]: has no name, and routes[0] has the one that it gets, "/"; want a name`, spec{}, spec{methods: get})
	f(`routes[1]: has no name, and routes[0] has the one that it gets, "/a"; want a name`, spec{name: "/a"}, spec{prefix: "/a"})
	f(`routes[2]: has the name of routes[0], "x"; want another one`, spec{name: "x"}, spec{name: "y", methods: get}, spec{name: "x", prefix: "/a"})
	f("routes[1]: matches the same requests as routes[0] (/); want only one of them\nroutes[2]: has the name of routes[0], \"/\"; want another one",
		spec{}, spec{}, spec{name: "/", prefix: "/b"})
}

func TestUnreachable(t *testing.T) {
	f := func(want string, specs ...spec) {
		t.Helper()
		var patterns []Pattern
		for _, s := range specs {
			patterns = append(patterns, s.pattern(t))
		}
		var got []string
		for _, c := range Unreachable(patterns) {
			got = append(got, c.Error())
		}
		assert.Equal(t, want, strings.Join(got, "\n"))
	}
	x, xy := [][2]string{{"X", "1"}}, [][2]string{{"Y", "1"}, {"X", "1"}}
	f("", spec{name: "a"}, spec{name: "b", methods: []string{"GET"}}, spec{name: "c", headers: x}, spec{name: "d", prefix: "/a", methods: []string{"GET"}})
	f("routes[1]: never matches: routes[0] (a) comes before it and matches all that it matches",
		spec{name: "a", methods: []string{"GET", "POST"}}, spec{name: "b", methods: []string{"POST"}})
	f("", spec{name: "a", methods: []string{"POST"}}, spec{name: "b", methods: []string{"GET", "POST"}})
	f("routes[1]: never matches: routes[0] (a) comes before it and matches all that it matches",
		spec{name: "a", headers: [][2]string{{"x", "*"}}}, spec{name: "b", headers: x})
	f("", spec{name: "a", headers: x}, spec{name: "b", headers: xy})
	f("", spec{name: "a", headers: x}, spec{name: "b", headers: [][2]string{{"X", "2"}}})
	f("", spec{name: "a"}, spec{name: "b", methods: []string{"POST"}, headers: x}, spec{name: "c", methods: []string{"POST"}, headers: xy})
}

func TestHeaders(t *testing.T) {
	table := tableOf(t, spec{name: "a", headers: [][2]string{{"X-Version", "2"}, {"tenant", "*"}}}, spec{name: "b", headers: [][2]string{{"x-version", "3"}}})
	assert.Equal(t, []string{"tenant", "x-version"}, table.Headers())
	assert.Empty(t, tableOf(t, spec{name: "a"}).Headers())
}

// TestEachRouteDecidesAboutAmbiguity: the route counts that the normal form chooses.
func TestEachRouteDecidesAboutAmbiguity(t *testing.T) {
	passes, refuses := spec{name: "passes", prefix: "/files"}.pattern(t), spec{name: "refuses", prefix: "/login"}.pattern(t)
	passes.Ambiguous = Pass
	table, err := New([]Route[int]{{Pattern: passes}, {Pattern: refuses}})
	require.NoError(t, err)
	all := NewExemptions([]Exemption{exempting(t, nil, []string{"GET"}, nil)})
	f := func(path string, want Verdict, exempt bool) {
		t.Helper()
		p := pathOf(path, Refuse)
		_, verdict := table.Match(nil, []byte("GET"), p, nil)
		require.Equal(t, want, verdict)
		got, _ := all.Cover(netip.Addr{}, []byte("GET"), p)
		require.Equal(t, exempt, got)
	}
	f("/files/..%2Flogin", Found, false)
	f("/login/..%2Ffiles", Ambiguous, false)
	f("/other/..%2Ffiles", Ambiguous, false)
	f("/files/a%2Fb", Found, true)
}
