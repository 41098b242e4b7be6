package rewrite

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestPathRules(t *testing.T) {
	f := func(strip, add, target, want string) {
		t.Helper()
		r, err := ParsePathRules(strip, add)
		if assert.NoError(t, err) {
			assert.Equal(t, want, string(r.AppendTarget(nil, pathOf(target))))
		}
	}
	f("/api", "", "/api", "/")
	f("/api", "", "/api?x=/api", "/?x=/api")
	f("/api", "", "/api/", "/")
	f("/api", "", "/api/v1?a=b%2F", "/v1?a=b%2F")
	f("/api", "", "/apix", "/apix")
	f("/api", "", "/%61pi//v1/./x/../y", "/v1/y")
	f("/api", "", "/api//evil.example", "/evil.example")
	f("/api", "", "/api/%2Fx;y", "/%2Fx;y")
	f("", "/v2", "/", "/v2/")
	f("", "/v2/", "/x", "/v2/x")
	f("/api", "/v2", "/api", "/v2")
	f("/api", "/v2", "/api/", "/v2/")
	f("/api", "/v2", "/other?q", "/v2/other?q")
	f("/@a", "", "/%40a/b", "/b")
	f("", "", "/a//b", "/a/b")

	r, err := ParsePathRules("", "/")
	require.NoError(t, err)
	assert.True(t, r.IsZero())
	r, err = ParsePathRules("/a", "")
	require.NoError(t, err)
	assert.False(t, r.IsZero())
	dst, path := make([]byte, 0, 256), pathOf("/a/../a/b?c")
	assert.Zero(t, testing.AllocsPerRun(100, func() { r.AppendTarget(dst, path) }))

	_, err = ParsePathRules("a", "/b//c")
	assert.EqualError(t, err, "strip_prefix: unexpected path prefix \"a\": want a path that begins with a slash, such as /v1\n"+
		"add_prefix: unexpected path prefix \"/b//c\": want no empty segment: paths are matched with // merged")
}

// FuzzPathRules: a target is one path that begins with a single slash, with the query as it came.
func FuzzPathRules(f *testing.F) {
	f.Add("/api", "/v2", "/api/x?y")
	f.Add("/api", "", "/api//x/../../y?//z")
	f.Add("/%40", "", "/@/%2F")
	f.Fuzz(func(t *testing.T, strip, add, target string) {
		r, err := ParsePathRules(strip, add)
		if err != nil || !strings.HasPrefix(target, "/") || strings.ContainsAny(target, " \r\n") {
			return
		}
		path, query, _ := strings.Cut(target, "?")
		got, gotQuery, _ := strings.Cut(string(r.AppendTarget(nil, pathOf(target))), "?")
		require.Equal(t, query, gotQuery)
		require.True(t, strings.HasPrefix(got, "/") && !strings.Contains(got, "//"), "%q", got)
		require.NotContains(t, got+"/", "/../")
		require.NotContains(t, got, " ")
		normal := string(pathOf(path).Normal())
		require.True(t, strings.HasPrefix(got, strings.TrimSuffix(add, "/")) || strings.Contains(add, "%"), "%q", got)
		if r.IsZero() {
			require.Equal(t, normal, got)
		}
	})
}
