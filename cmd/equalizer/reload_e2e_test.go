//go:build e2e

package main

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/balancer/tlstest"
)

// watchedFile is a configuration with reload_on_change, an error page, and what else is in it.
func watchedFile(url, page, more string) string {
	return "[server]\nlisten = \"127.0.0.1:0\"\nreload_on_change = \"all\"\n[admin]\nlisten = \"127.0.0.1:0\"\n" + poolOf("web", url) +
		fmt.Sprintf("[[routes]]\npool = \"web\"\nerror_pages = { 503 = %q }\n", page) + more
}

// With reload_on_change, an edit of a file is in force by itself.
func TestReloadOnChange(t *testing.T) {
	t.Parallel()
	page := filepath.Join(t.TempDir(), "503.html")
	require.NoError(t, os.WriteFile(page, []byte("first"), 0o600))
	r := launchWith(t, watchedFile("http://127.0.0.1:9", page, ""))
	assert.Equal(t, "first", r.get("/").body)
	require.NoError(t, os.WriteFile(page, []byte("second"), 0o600))
	assert.Equal(t, "reload_on_change", r.logs.nth(t, 1, "reloaded")["trigger"])
	assert.Equal(t, "second", r.get("/").body)
	r.stop()
}

// A mistake in a file that is watched is told once, and the next edit counts again. The watch ends
// with the configuration that asked for it.
func TestReloadOnEachChange(t *testing.T) {
	t.Parallel()
	page := filepath.Join(t.TempDir(), "503.html")
	require.NoError(t, os.WriteFile(page, []byte("first"), 0o600))
	url := lasting(t).URL
	with := func(text string) string { return watchedFile(url, page, text) }
	r := launchWith(t, with(""))
	r.write(with("[log]\naccess = false\n"))
	assert.Equal(t, []any{"log.access"}, r.logs.nth(t, 1, "reloaded")["keys"])

	const failed = "reload failed: nothing was changed"
	r.write(with("[log]\nlevel = "))
	r.logs.nth(t, 1, failed)
	require.NoError(t, os.Remove(page))
	r.write(with(""))
	r.logs.nth(t, 2, failed)
	require.NoError(t, os.WriteFile(page, []byte("second"), 0o600))
	r.logs.nth(t, 2, "reloaded") // The page alone has changed since the failure.
	r.write(strings.Replace(with(""), "reload_on_change = \"all\"", "", 1))
	assert.Equal(t, []any{"server.reload_on_change"}, r.logs.nth(t, 3, "reloaded")["keys"])
	assert.Equal(t, 2, r.logs.count(failed))
	r.stop()
}

func TestManyReloadsUnderLoad(t *testing.T) { reloadUnderLoad(t, 100, 600*time.Millisecond) }

// A file that comes to a folder which include looks into is read, and so is one that leaves it.
func TestReloadOnANewFile(t *testing.T) {
	t.Parallel()
	file := writeFile(t, "include = [\"conf.d/*.toml\"]\n[server]\nlisten = \"127.0.0.1:0\"\nreload_on_change = \"all\"\n[admin]\nlisten = \"127.0.0.1:0\"\n"+
		"[[routes]]\nrespond = { status = 200, body = \"main\" }\n[pools.web]\nbackends = [\"http://127.0.0.1:9\"]\n[[routes]]\npath_prefix = \"/web\"\npool = \"web\"\n")
	folder := filepath.Join(filepath.Dir(file), "conf.d")
	require.NoError(t, os.Mkdir(folder, 0o700))
	r := reloadable{launch(t, "-c", file), file}
	assert.Equal(t, "main", r.get("/new").body)
	added := filepath.Join(folder, "new.toml")
	require.NoError(t, os.WriteFile(added, []byte("[[routes]]\npath_prefix = \"/new\"\nrespond = { status = 200, body = \"new\" }\n"), 0o600))
	r.await("the new file", func() bool { return r.get("/new").body == "new" })
	require.NoError(t, os.Remove(added))
	r.await("its end", func() bool { return r.get("/new").body == "main" })
	r.stop()
}

// By default a certificate that changes is served by itself, and the configuration's own file waits
// for a reload. Half of a pair changes nothing. Connections go on, and sessions are resumed.
func TestCertificateThatChanges(t *testing.T) {
	t.Parallel()
	ca := tlstest.NewCA(t)
	of := newPair(t, ca.Issue("a.test"))
	text := twoListeners + poolOf("web", lasting(t).URL) + of.table()
	r, _, secure := launchEdge(t, text)
	client := &tls.Config{RootCAs: ca.Roots(), ServerName: "a.test", ClientSessionCache: tls.NewLRUClientSessionCache(1)}
	kept := keepOpen(t, secure, client)
	r.write(strings.Replace(text, "max-age=60", "max-age=61", 1))
	renewed := ca.Issue("a.test")
	certFile, keyFile := tlstest.Files(t, renewed)
	require.NoError(t, os.Rename(certFile, of.cert))
	r.logs.nth(t, 1, "reload failed: nothing was changed")
	assert.False(t, byTLS(t, secure, fresh(client)).PeerCertificates[0].Equal(renewed.Leaf))
	require.NoError(t, os.Rename(keyFile, of.key))
	line := r.logs.nth(t, 1, "reloaded")
	assert.Equal(t, "the file of a certificate", line["trigger"])
	key := fmt.Sprintf("tls.certificates[%q].", of.cert)
	assert.Equal(t, []any{key + "cert", key + "key"}, line["keys"])
	assert.True(t, byTLS(t, secure, fresh(client)).PeerCertificates[0].Equal(renewed.Leaf))
	assert.True(t, byTLS(t, secure, client).DidResume)
	kept()
	assert.Equal(t, map[string]string{`listeners["localhost:0"].hsts`: "changed"}, r.reloads(strings.Replace(text, "max-age=60", "max-age=61", 1)))
	r.stop()
}

// fresh is a client's TLS without sessions.
func fresh(client *tls.Config) *tls.Config {
	client = client.Clone()
	client.ClientSessionCache = nil
	return client
}

// keepOpen opens a connection and sends a request over it, and does so again when it is called.
func keepOpen(t *testing.T, address string, client *tls.Config) (again func()) {
	t.Helper()
	c, err := tls.Dial("tcp", address, client)
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	responses := bufio.NewReader(c)
	again = func() {
		t.Helper()
		_, err = io.WriteString(c, "GET / HTTP/1.1\r\nHost: "+client.ServerName+"\r\n\r\n")
		require.NoError(t, err)
		response, err := http.ReadResponse(responses, nil)
		require.NoError(t, err)
		_, err = io.Copy(io.Discard, response.Body)
		require.NoError(t, err)
		assert.Equal(t, 200, response.StatusCode)
	}
	again()
	return again
}
