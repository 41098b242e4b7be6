package api

import (
	"io/fs"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/api/page"
)

// The page needs no token, and nothing of another host.
func TestPage(t *testing.T) {
	r := start(t, withToken)
	got := r.do(t, request{method: "GET", target: "/"})
	require.Equal(t, 200, got.status)
	assert.Equal(t, "text/html; charset=utf-8", got.get("Content-Type"))
	assert.Equal(t, page.Policy, got.get("Content-Security-Policy"))
	assert.Equal(t, "no-referrer", got.get("Referrer-Policy"))
	r.do(t, request{method: "GET", target: "/events"}).problem(t, 401, "unauthorized")

	for _, target := range []string{"/page/none.js", "/page/page.go"} {
		r.do(t, request{method: "GET", target: target, header: []string{"Authorization: Bearer s3cret"}}).problem(t, 404, "no-such-call")
	}

	assets := regexp.MustCompile(`(?:src|href)="(/[^"]*)"`).FindAllStringSubmatch(got.body, -1)
	require.Len(t, assets, 3)
	for _, asset := range assets {
		got := r.do(t, request{method: "GET", target: asset[1]})
		assert.Equal(t, 200, got.status, asset[1])
		assert.NotEmpty(t, got.body)
	}
}

// Each module that another one imports is there. No script makes markup from text, and none is
// inline, which the policy forbids.
func TestPageModules(t *testing.T) {
	imports := regexp.MustCompile(`(?m)^import .* from "(.*)";$`)
	unsafe := regexp.MustCompile(`innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function|https?://`)
	folder := os.DirFS("page")
	names, err := fs.Glob(folder, "*.js")
	require.NoError(t, err)
	require.NotEmpty(t, names)
	for _, name := range names {
		text, err := fs.ReadFile(folder, name)
		require.NoError(t, err)
		for _, match := range imports.FindAllStringSubmatch(string(text), -1) {
			content, mediaType := page.File(page.Folder + strings.TrimPrefix(match[1], "./"))
			assert.NotEmpty(t, content, "%s imports %s", name, match[1])
			assert.Equal(t, "text/javascript; charset=utf-8", mediaType)
		}
		for _, match := range unsafe.FindAllString(strings.ReplaceAll(string(text), `"http://www.w3.org/2000/svg"`, ""), -1) {
			t.Errorf("%s has %s", name, match)
		}
	}
	index, _ := page.File(page.Root)
	assert.NotRegexp(t, `<script>|style=|\son[a-z]+=`, string(index))
}
