//go:build edge

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// curl and nghttp get along with HTTP/2, by TLS and in clear.
func TestEdgeHTTP2Clients(t *testing.T) {
	home, upload := t.TempDir(), filepath.Join(t.TempDir(), "upload")
	require.NoError(t, os.WriteFile(upload, []byte(strings.Repeat("0123456789", 100_000)), 0o600))
	p, host, ca := startDemo(t)
	curl := func(args ...string) string {
		t.Helper()
		return runProgram(t, home, "curl", append([]string{"-s", "-o", "/dev/null", "-w", "%{http_version} %{response_code}", "--max-time", "60"}, args...)...)
	}
	assert.Equal(t, "2 200", curl("--cacert", ca, "https://"+host+"/"))
	assert.Equal(t, "2 200", curl("--cacert", ca, "--http2", "-T", upload, "https://"+host+"/"))
	assert.Equal(t, "1.1 200", curl("--cacert", ca, "--http1.1", "https://"+host+"/"))
	p.stop()

	r := launchWith(t, inClear+poolOf("web", telling(t).URL))
	assert.Equal(t, "2 200", curl("--http2-prior-knowledge", r.proxy))
	assert.Equal(t, "2 200", curl("--http2-prior-knowledge", "-T", upload, r.proxy+"/x"))
	assert.Equal(t, "1.1 200", curl("--http2", r.proxy), "an upgrade isn't made")
	assert.Equal(t, "1.1 200", curl(r.proxy))
	stats := runProgram(t, home, "nghttp", "-n", "-s", "-m", "50", r.proxy+"/a", r.proxy+"/b")
	assert.Contains(t, stats, "/a")
	assert.Equal(t, 50+50, strings.Count(stats, " 200 "), stats)
	stats = runProgram(t, home, "nghttp", "-n", "-s", "-d", upload, r.proxy+"/c")
	assert.Equal(t, 1, strings.Count(stats, " 200 "), stats)
	r.stop()
}
