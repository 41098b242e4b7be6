package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"gopher-equalizer/config"
	"gopher-equalizer/proxy"
)

func TestErrorPages(t *testing.T) {
	dir := t.TempDir()
	file := func(name, body string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(body), 0o600))
		return path
	}
	sorry, most := file("sorry.html", "<p>sorry"), file("most.txt", strings.Repeat("a", 64<<10))
	pages, err := loadPages(0, map[string]string{"502": sorry, "503": most})
	require.NoError(t, err)
	require.Equal(t, proxy.Page{MediaType: "text/html; charset=utf-8", Content: []byte("<p>sorry")}, pages[502])
	require.Len(t, pages[503].Content, 64<<10)

	f := func(path, want string) {
		t.Helper()
		_, err := loadPages(1, map[string]string{"429": path, "502": sorry})
		require.Equal(t, config.Problems{{Key: "routes[1].error_pages.429", Text: want}}, err)
	}
	none, large, empty := filepath.Join(dir, "none.html"), file("large.txt", strings.Repeat("a", 64<<10+1)), file("empty.json", "")
	f(none, "open "+none+": no such file or directory")
	f(large, "read "+large+": it has more than 64KiB; want at most that")
	f(empty, empty+" is empty; want a page")
	f(dir, "open "+dir+": it is no regular file; want one")
}

func TestCheckOpensErrorPages(t *testing.T) {
	path := filepath.Join(t.TempDir(), "c.toml")
	require.NoError(t, os.WriteFile(path, []byte(`[pools.default]
backends = ["http://localhost:8081"]
[[routes]]
host = "a.example"
[[routes]]
error_pages = { 502 = "none.html" }
`), 0o600))
	var out strings.Builder
	err := runCheck([]string{path}, terminal{stdout: &out, getenv: func(string) string { return "" }})
	require.Error(t, err)
	require.Equal(t, path+":6: routes[1].error_pages.502: open none.html: no such file or directory\n", out.String())
}
