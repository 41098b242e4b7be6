package route

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestParseHost(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		h, err := ParseHost(text)
		if assert.NoError(t, err) {
			assert.Equal(t, want, h.String())
		}
	}
	f("", "")
	f("Example.COM.", "example.com")
	f("*.Example.com", "*.example.com")
	f("a_b-c.1", "a_b-c.1")
	f("192.0.2.1", "192.0.2.1")
	f("[2001:DB8:0:0::1]", "[2001:db8::1]")

	name, ok := Host{}.Exact()
	assert.False(t, ok, name)
	h, _ := ParseHost("*.a")
	name, ok = h.Exact()
	assert.False(t, ok, name)
	h, _ = ParseHost("A.b")
	name, ok = h.Exact()
	assert.True(t, ok)
	assert.Equal(t, "a.b", name)
}

func TestParseHostErrors(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		_, err := ParseHost(text)
		assert.EqualError(t, err, `unexpected host "`+text+`": `+want)
	}
	const star = "want * only as the whole first label, as in *.example.com, or no host for any"
	f("*", star)
	f("*.*.a", star)
	f("a.*.b", star)
	f("*a.b", star)
	f("https://a.b", "want a host alone, without a scheme or a path")
	f("a.b/c", "want a host alone, without a scheme or a path")
	f("a.b:80", "want a host without a port: a route is for all ports")
	f("[::1]:80", "want an IPv6 address in brackets, such as [2001:db8::1], without a port")
	f("[1.2.3.4]", "want an IPv6 address in brackets, such as [2001:db8::1], without a port")
	f("[fe80::1%eth0]", "want an IPv6 address in brackets, such as [2001:db8::1], without a port")
	f("[::1", "want an IPv6 address in brackets, such as [2001:db8::1], without a port")
	f("*.[::1]", "no host is below an address; want a name")
	f("::1", "want an IPv6 address in brackets, such as [2001:db8::1]")
	f("a..b", "want no empty label between dots")
	f(".a", "want no empty label between dots")
	f(".", "want no empty label between dots")
	f("*.", "want no empty label between dots")
	f("b\u00fccher.example", "want the ASCII form of an international name, as in xn--4ca.example")
	f("a b", "want letters, digits, hyphens, underscores and dots")
	f(strings.Repeat("a", 254), "want at most 253 bytes")
}

func TestParsePrefix(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		p, err := ParsePrefix(text)
		if assert.NoError(t, err) {
			assert.Equal(t, want, p.String())
		}
	}
	f("/", "/")
	f("/a", "/a")
	f("/a/", "/a")
	f("/%7Ea/%c3%a9", "/~a/%C3%A9")
	f("/.well-known/x", "/.well-known/x")
	f("/a:b@c,d=e!$&'()*+", "/a:b@c,d=e!$&'()*+")
	assert.Equal(t, "/", Prefix{}.String())
}

func TestParsePrefixErrors(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		_, err := ParsePrefix(text)
		require.Error(t, err)
		assert.Contains(t, err.Error(), "unexpected path prefix")
		assert.Contains(t, err.Error(), want)
	}
	f("", "want a path that begins with a slash, such as /v1")
	f("v1", "want a path that begins with a slash, such as /v1")
	f("*", "want a path that begins with a slash, such as /v1")
	f("/a?b", "want a path without a query or a fragment")
	f("/a#b", "want a path without a query or a fragment")
	f("/a b", "a byte that must be percent-encoded; want it as %XX")
	f("/caf\u00e9", "a byte that must be percent-encoded; want it as %XX")
	f("/a%", "% begins no escape; want %XX, or %25 for a percent sign")
	f("/a%2", "% begins no escape; want %XX, or %25 for a percent sign")
	f("/a//b", "want no empty segment: paths are matched with // merged")
	f("//", "want no empty segment: paths are matched with // merged")
	for _, text := range []string{"/a/../b", "/.", "/..", "/a/%2e%2E/b", "/a/.%2e", "/%2e"} {
		f(text, "want no dot segment: paths are matched with them resolved")
	}
	for _, text := range []string{"/a%2Fb", "/a%2f", `/a\b`, "/a%5c", "/a;b", "/a%3b"} {
		f(text, `want no ";", "\", "%2F", "%5C" or "%3B", which backends read in different ways`)
	}
	f("/a/"+strings.Repeat("a", 256), "a segment is longer than 255 bytes; want a shorter one")
}

func TestPrefixCut(t *testing.T) {
	f := func(prefix, path, rest string, ok bool) {
		t.Helper()
		p, err := ParsePrefix(prefix)
		require.NoError(t, err)
		got, is := p.Cut([]byte(path))
		assert.Equal(t, ok, is)
		assert.Equal(t, rest, string(got))
	}
	f("/", "/", "/", true)
	f("/", "/a", "/a", true)
	f("/a", "/a", "", true)
	f("/a", "/a/", "/", true)
	f("/a", "/a/b", "/b", true)
	f("/a", "/ab", "/ab", false)
	f("/a/b", "/a", "/a", false)
	f("/a/b", "/", "/", false)
	f("/@/b", "/%40/b/c", "/c", true)
	f("/"+strings.Repeat("a", 255), "/"+strings.Repeat("a", 256), "/"+strings.Repeat("a", 256), false)
}

func TestParseMethods(t *testing.T) {
	m, err := ParseMethods([]string{"PUT", "GET", "PURGE", "PUT"})
	require.NoError(t, err)
	assert.Equal(t, "GET, HEAD, PURGE, PUT", m.String())
	m, err = ParseMethods(nil)
	require.NoError(t, err)
	assert.True(t, m.IsAny() && m.Contain([]byte("ANY")))
	_, err = ParseMethods([]string{"get", "A B", "", "CONNECT", "GET"})
	assert.EqualError(t, err, "unexpected method \"get\": methods are in capitals; want GET\nunexpected method \"A B\": want one such as GET\n"+
		"unexpected method \"\": want one such as GET\nunexpected method \"CONNECT\": CONNECT is not served; want another one")
}

func TestParseHeaderErrors(t *testing.T) {
	f := func(name, value, want string) {
		t.Helper()
		_, err := ParseHeader(name, value)
		assert.ErrorContains(t, err, "unexpected header match "+name+" = ")
		assert.ErrorContains(t, err, want)
	}
	f("", "a", "want a header's name, such as X-Version")
	f("X A", "a", "want a header's name, such as X-Version")
	f("hOst", "a", "want host for the host")
	f("X_Forwarded.For", "a", "any client can send this header, which is believed of trusted proxies only; want another one")
	f("Forwarded", "a", "any client can send this header")
	f("X-Real-IP", "a", "any client can send this header")
	f("X", "", `want a value, or "*" for any`)
	f("X", "a\r\nb", "a control character in the value; want none")
	f("X", " a", "want no space around the value")
	h, err := ParseHeader("X-Version", "2")
	require.NoError(t, err)
	assert.Equal(t, "X-Version: 2", h.String())
}

func FuzzParse(f *testing.F) {
	for _, text := range []string{"", "*.example.com", "[::1]", "/v1/%41", "/..", "a:80", "GET", "/%2e/", "//", "*"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if h, err := ParseHost(text); err == nil {
			again, err := ParseHost(h.String())
			require.NoError(t, err)
			require.Equal(t, h, again)
			// A request to the very host gets its route, one below gets that of "*.".
			name := strings.TrimPrefix(text, "*.")
			s := &hosts{exact: map[string]*tree{}}
			want := s.tree(h)
			if h.below {
				require.Nil(t, s.find([]byte(name)))
				name = "x." + name
			}
			require.Same(t, want, s.find([]byte(name)))
			require.Same(t, want, s.find([]byte(strings.ToUpper(name)+":80")))
		} else {
			require.Contains(t, err.Error(), "want")
		}
		if p, err := ParsePrefix(text); err == nil {
			again, err := ParsePrefix(p.String())
			require.NoError(t, err)
			require.Equal(t, p, again)
			// A path that is a prefix is below it.
			rest, ok := p.Cut(pathOf(text, Refuse).Normal())
			require.True(t, ok)
			require.LessOrEqual(t, len(rest), 1)
		} else {
			require.Contains(t, err.Error(), "want")
		}
		if m, err := ParseMethods([]string{text}); err == nil {
			require.True(t, m.Contain([]byte(text)))
		}
	})
}

func TestParseAmbiguity(t *testing.T) {
	mode, err := ParseAmbiguity("refuse")
	assert.NoError(t, err)
	assert.Equal(t, Refuse, mode)
	mode, err = ParseAmbiguity("pass")
	assert.NoError(t, err)
	assert.Equal(t, Pass, mode)
	_, err = ParseAmbiguity("Pass")
	assert.EqualError(t, err, `unexpected ambiguous_paths "Pass"; want refuse or pass`)
}
