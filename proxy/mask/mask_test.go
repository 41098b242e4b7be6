package mask

import (
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestAppend(t *testing.T) {
	n := New(Default)
	f := func(target, want string) {
		t.Helper()
		assert.Equal(t, want, string(n.Append(nil, []byte(target))))
	}
	for _, same := range []string{
		"", "*", "/", "/a", "/a?", "/a?b", "/a?b=c&d=e", "/token=a", "/a?tokens=b", "/a?token", "/a?b=token", "/a?b=%74oken", "/a?%2574oken=b", "/a?b=c#d", "/%zz?%=1&%4=2&=&&=x",
	} {
		f(same, same)
	}
	f("/a?token=s", "/a?token=***")
	f("/a?token=", "/a?token=***")
	f("/a?b=c&token=s&d=e", "/a?b=c&token=***&d=e")
	f("/a?token=s&token=s2", "/a?token=***&token=***")
	f("/a?token=s=t", "/a?token=***")
	f("/?code=1&key=2&sig=3&password=4&access_token=5", "/?code=***&key=***&sig=***&password=***&access_token=***")
	// Names are compared as servers decode them, in any case.
	f("/a?%74oken=s", "/a?%74oken=***")
	f("/a?%74%6F%6b%65n=s", "/a?%74%6F%6b%65n=***")
	f("/a?Access%5FToken=s", "/a?Access%5FToken=***")
	f("/a?user[password]=s&user%5Bpassword%5D=s&password[]=s", "/a?user[password]=***&user%5Bpassword%5D=***&password[]=***")
	// What separates parameters, servers don't agree on.
	f("/a?b;token=s", "/a?b;token=***")
	f("/a?b?token=s", "/a?b?token=***")
	f("/a?token=s;t?u&b=c", "/a?token=***&b=c")
	f("https://x/a?b#token=s&c=d", "https://x/a?b#token=***&c=d")
	f("/a?token=s#t", "/a?token=***#t")
	// A password before the host.
	f("https://u:s@x/a?token=s", "https://x/a?token=***")
	f("/a?"+strings.Repeat("n", 4*longestName)+"=s", "/a?"+strings.Repeat("n", 4*longestName)+"=***")

	assert.Equal(t, "x?token=s", string((*Names)(nil).Append(nil, []byte("u@x?token=s"))))
	assert.Equal(t, "/?token=s", string(New(nil).Append(nil, []byte("/?token=s"))))
	assert.Equal(t, "/?Api%20Key=***&t=u", string(New([]string{"api key"}).Append(nil, []byte("/?Api%20Key=s&t=u"))))
	assert.Equal(t, "/?api+key=***", string(New([]string{"api key"}).Append(nil, []byte("/?api+key=s"))))
	assert.Equal(t, "/?a%2Bb=***", string(New([]string{"a+b"}).Append(nil, []byte("/?a%2Bb=s"))))
}

// Whatever Go's parser takes for the value of a name is hidden, and nothing else is changed.
func FuzzAppend(f *testing.F) {
	for _, seed := range []string{"/?token=a", "/?a=b&%74oken=c;d", "/a?key=%&x", "/?user[code]=1#sig=2", "//u:p@h/?password=x", "/?a&token=b&c=d"} {
		f.Add(seed)
	}
	n := New(Default)
	f.Fuzz(func(t *testing.T, target string) {
		before := strings.Clone(target)
		shown := string(n.Append(nil, []byte(target)))
		require.Equal(t, before, target)
		if !strings.HasPrefix(target, "/") {
			return // It may have lost a userinfo.
		}
		path, query, found := strings.Cut(target, "?")
		require.True(t, strings.HasPrefix(shown, strings.SplitN(path, "#", 2)[0]))
		if !found || strings.Contains(path, "#") {
			return
		}
		query, _, _ = strings.Cut(query, "#")
		_, kept, _ := strings.Cut(shown, "?")
		kept, _, _ = strings.Cut(kept, "#")
		was, _ := url.ParseQuery(query)
		is, _ := url.ParseQuery(kept)
		for _, name := range Default {
			for _, value := range is[name] {
				require.Contains(t, []string{hidden, ""}, value)
			}
			require.GreaterOrEqual(t, len(is[name]), len(was[name]))
		}
		if !strings.Contains(shown, hidden) {
			require.Equal(t, target, shown)
		}
	})
}

func TestAppendDoesNotAllocate(t *testing.T) {
	n, buf := New(Default), make([]byte, 0, 256)
	target := []byte("/some/path?page=2&user%5Bpassword%5D=secret&sort=name")
	assert.Zero(t, testing.AllocsPerRun(100, func() { buf = n.Append(buf[:0], target) }))
}

func BenchmarkAppend(b *testing.B) {
	n, buf := New(Default), make([]byte, 0, 256)
	for name, target := range map[string]string{"path": "/some/path/to/a/thing", "query": "/some/path?page=2&sort=name&token=secret"} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				buf = n.Append(buf[:0], []byte(target))
			}
		})
	}
}
