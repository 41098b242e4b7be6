package rewrite

import (
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/proxy/http1/http1test"
	"gopher-equalizer/proxy/route"
)

func hostOf(t require.TestingT, text string) route.Host {
	h, err := route.ParseHost(text)
	require.NoError(t, err)
	return h
}

// withoutDate is a head without the Date, which is its first field.
func withoutDate(head []byte) string {
	line, rest, _ := strings.Cut(string(head), "\r\n")
	_, rest, _ = strings.Cut(rest, "\r\n")
	return line + "\r\n" + rest
}

func pathOf(target string) *route.Path {
	p := &route.Path{}
	p.Read([]byte(target))
	return p
}

func TestRedirect(t *testing.T) {
	f := func(template, of, host, target, want string) {
		t.Helper()
		r, err := ParseRedirect(template, 308, hostOf(t, of))
		if assert.NoError(t, err) {
			assert.Equal(t, want, string(r.AppendLocation(nil, []byte(host), pathOf(target))))
			var reply Reply
			r.Begin(&reply, []byte(host), pathOf(target))
			assert.Equal(t, "HTTP/1.1 308 Permanent Redirect\r\n"+http1test.Lines("Location: "+want, "Content-Length: 0"), withoutDate(reply.AppendHead(nil)))
		}
	}
	f("https://$host$path$query", "a.example", "A.example.:80", "/x?y=1", "https://a.example/x?y=1")
	f("https://$host$path$query", "*.a.example", "B.C.a.example", "/x", "https://b.c.a.example/x")
	f("https://$host:8443$path", "a.example", "a.example", "/", "https://a.example:8443/")
	f("https://$host", "a.example", "a.example", "/x?y", "https://a.example")
	f("https://$host/new", "a.example", "a.example", "/x", "https://a.example/new")
	f("https://$host?x", "a.example", "a.example", "/x", "https://a.example?x")
	f("http://www.example.com:81$path", "", "b", "/a", "http://www.example.com:81/a")
	f("https://[2001:db8::1]$path", "", "b", "/a", "https://[2001:db8::1]/a")
	f("HTTPS://b/new$path", "", "b", "/a", "HTTPS://b/new/a")
	f("/new$path$query", "", "b", "/a?b", "/new/a?b")
	f("$path", "", "b", "//evil.example/x", "/evil.example/x")
	f("$path", "", "b", `/\evil.example/`, "/%5Cevil.example/")
	f("$path", "", "b", `\\evil.example/`, "/")
	f("$path", "", "b", "/a/..//evil.example", "/evil.example")
	f("$path", "", "b", "/%2Fevil.example", "/%2Fevil.example")
	f("$path", "", "b", "/{a}|%7e%c3%a9%zz", "/%7Ba%7D%7C~%C3%A9%25zz")
	f("$path$query", "", "b", `/?a=\{1}`, "/?a=%5C%7B1%7D")
	f("/a.$path", "", "b", "/x", "/a./x")
	f("https://login.example/?back=https://$host$path$query", "a.example", "a.example", "/x&y?z=1&u=%41", "https://login.example/?back=https://a.example%2Fx%26y%3Fz%3D1%26u%3D%2541")
	f("/a#$path", "", "b", "/x", "/a#%2Fx")
	f("/$$1/$host", "a.example", "a.example", "/x", "/$1/a.example")
	f("$path$query$path", "", "b", "/x", "/x%2Fx")
}

func TestRedirectErrors(t *testing.T) {
	f := func(template, of, want string) {
		t.Helper()
		_, err := ParseRedirect(template, 301, hostOf(t, of))
		assert.ErrorContains(t, err, "unexpected redirect ")
		assert.ErrorContains(t, err, want)
	}
	start := errStart.Error()
	f("", "a", start)
	f("x", "a", start)
	f("?a", "a", start)
	f("$query", "a", start)
	f("$host$path", "a", start)
	f("ftp://a/", "a", start)
	f("javascript:alert(1)", "a", start)
	f("https:/a", "a", start)
	f("//a", "a", "want https:// before them, or one slash")
	f("https://$host", "", "a host for the route")
	f("/?$host", "", "a host for the route")
	f("https://", "a", "want a host, or $host, behind the scheme")
	f("https://$path", "a", "want a host, or $host, behind the scheme")
	f("https:///x", "a", "is no host")
	f("https://$host.evil.example", "a", `".evil.example" behind $host; want nothing, a port or a path`)
	f("https://$host@evil.example", "a", `"@evil.example" behind $host`)
	f("https://$host:x/", "a", `":x" behind $host`)
	f("https://www.$host", "a", "$host behind a part of a host")
	f("https://www$host", "a", "$host behind a part of a host; want $host alone, or text alone")
	f("https://a$$b", "a", "is no host")
	f("https://u:p@b/", "a", "is no host")
	f("https://b:/", "a", "is no host")
	f("https://*.b/", "a", "is no host")
	f("https://b/$path", "a", "$path begins with a slash; want none before it")
	f("https://$host/$path", "a", "$path begins with a slash; want none before it")
	f("/$path", "a", "$path begins with a slash; want none before it")
	f("$path/x", "a", "$path may end in a slash; want none behind it")
	f("$path$path", "a", "want $path once before the query")
	f("/a$paths", "a", "unknown variable $paths; want $host, $path or $query, or $$ for a dollar sign")
	f("/a$", "a", "unknown variable $;")
	f("/a b", "a", `" " must be percent-encoded; want it as %20`)
	f("/a\r\nX: y", "a", `"\r" must be percent-encoded; want it as %0D`)
	f(`/\evil.example`, "a", `"\\" must be percent-encoded; want it as %5C`)
	f("/a%2", "a", "% begins no escape; want %XX, or %25 for a percent sign")
	_, err := ParseRedirect("/a", 200, route.Host{})
	assert.EqualError(t, err, "unexpected status 200 of a redirect; want 301, 302, 303, 307 or 308")
}

// FuzzRedirect: a redirect leads to the host that its template names, or to the same one, however
// loosely a browser reads it. It is one line.
func FuzzRedirect(f *testing.F) {
	for _, template := range []string{"https://$host$path$query", "https://b.example:81$path", "$path", "/a$path", "$path$query", "https://b.example/?r=$path#$host", "/$$", "/$host"} {
		for _, target := range []string{"/", "//evil.example", `/\evil.example`, "/x?y=//z", "/%0d%0aX:y", "/../..//x", "/%zz/%2F%2fevil.example", "*"} {
			f.Add(template, "x.a.example", target)
		}
	}
	f.Fuzz(func(t *testing.T, template, host, target string) {
		r, err := ParseRedirect(template, 302, hostOf(t, "*.a.example"))
		if err != nil {
			require.Contains(t, err.Error(), "want")
			return
		}
		request := http1test.Parse("GET / HTTP/1.1\r\nHost: " + host + "\r\n\r\n")
		if request == nil || !strings.HasSuffix(string(route.AppendHost(nil, request.Host)), ".a.example") {
			return // The request is refused, or gets another route.
		}
		host = string(route.AppendHost(nil, request.Host))
		location := string(r.AppendLocation(nil, []byte(host), pathOf(target)))
		for _, c := range []byte(location) {
			require.True(t, ' ' < c && c < 0x7f, "%q", location)
		}
		checkLeadsTo(t, template, host, location)
		require.Equal(t, location, string(r.AppendLocation([]byte("abc"), []byte(host), pathOf(target))[3:]))
	})
}

// checkLeadsTo reads a Location as browsers do, which take a backslash for a slash.
func checkLeadsTo(t require.TestingT, template, host, location string) {
	read := strings.ReplaceAll(location, `\`, "/")
	if !strings.Contains(read, "://") || strings.HasPrefix(read, "/") {
		require.True(t, strings.HasPrefix(read, "/") && !strings.HasPrefix(read, "//"), "%q of %q", location, template)
		return
	}
	_, authority, _ := strings.Cut(read, "://")
	authority = authority[:strings.IndexAny(authority+"/", "/?#")]
	wanted := strings.ReplaceAll(template, "$host", host)
	require.True(t, strings.HasPrefix(strings.SplitN(wanted, "://", 2)[1], authority), "%q of %q", location, template)
	require.NotContains(t, authority, "$")
	if _, err := url.Parse("//" + authority); err != nil {
		require.NoError(t, err, "%q of %q", location, template)
	}
}

func TestAppendLocationDoesNotAllocate(t *testing.T) {
	r, err := ParseRedirect("https://$host$path$query", 308, hostOf(t, "a.example"))
	require.NoError(t, err)
	dst, host, path := make([]byte, 0, 512), []byte("a.example:80"), pathOf(`/a/\b{c}/../d?e`)
	assert.Zero(t, testing.AllocsPerRun(100, func() { r.AppendLocation(dst, host, path) }))
	var reply Reply
	r.Begin(&reply, host, path)
	assert.Zero(t, testing.AllocsPerRun(100, func() { r.Begin(&reply, host, path) }))
}
