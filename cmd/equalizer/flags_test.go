package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/config"
)

// Flags about the only pool, or the only limit, are refused where the file has several.
func TestFlagsAreForOnePoolAndOneLimit(t *testing.T) {
	const pools = "[pools.a]\nbackends = [\"http://a\"]\n[pools.b]\nbackends = [\"http://b\"]\n[[routes]]\npool = \"a\"\nfallback_pool = \"b\"\n"
	f := func(file, flag, value, want string) {
		t.Helper()
		var out strings.Builder
		err := runCheck([]string{"-c", writeFile(t, file), flag, value}, terminal{stdout: &out, getenv: func(string) string { return "" }})
		require.Error(t, err)
		assert.Contains(t, out.String(), want)
	}
	f(pools, "--backend", "http://c", "pools: --backend is for one pool, and there are several; want the flag, or the file's pools\n")
	f("[pools.a]\nbackends = [\"http://a\"]\n[limits.a]\n[limits.b]\n[[routes]]\nlimits = [\"a\", \"b\"]\n", "--capacity", "5", "limits: ")
}

// --domain is all of a public site, or only its certificates where the file has listeners.
func TestDomainFlag(t *testing.T) {
	load := func(args ...string) (config.Config, error) {
		t.Helper()
		o, err := parseOptions("equalizer", append(args, "--domain", "Example.com", "--domain", "www.example.com"), terminal{}, 0)
		require.NoError(t, err)
		l, err := o.load(func(string) string { return "" })
		return l.Config, err
	}
	c, err := load("--backend", "http://127.0.0.1:3000")
	require.NoError(t, err)
	assert.Equal(t, []string{"example.com", "www.example.com"}, c.TLS.ACME.Domains)
	all := c.ListenersInForce()
	require.Len(t, all, 2)
	assert.Equal(t, ":80", all[0].Listen)
	assert.True(t, all[0].RedirectHTTPS && !all[0].TLS && all[0].RedirectPort == 443)
	assert.Equal(t, ":443", all[1].Listen)
	assert.True(t, all[1].TLS)

	const pool = "[pools.a]\nbackends = [\"http://127.0.0.1:1\"]\n"
	c, err = load("-c", writeFile(t, "[[listeners]]\nlisten = \":8443\"\ntls = true\n"+pool))
	require.NoError(t, err)
	require.Len(t, c.Listeners, 1)
	_, err = load("--backend", "http://127.0.0.1:3000", "--listen", ":8000")
	require.ErrorContains(t, err, "--listen: server.listen: means nothing with [[listeners]]")
	_, err = load("--backend", "http://127.0.0.1:3000", "--store", "memory")
	require.ErrorContains(t, err, "needs a folder")
	_, err = load("--backend", "http://127.0.0.1:3000", "--domain", "*.example.com")
	require.ErrorContains(t, err, "--domain: tls.acme.domains")
}

// --backend is in place of all backends of the file, also of those in a file of their own.
func TestBackendFlag(t *testing.T) {
	listed := newBackendsFile(t, "http://b\n")
	file := writeFile(t, "[pools.a]\nbackends = [\"http://a\"]\nbackends_file = \""+listed.path+"\"\n")
	var out strings.Builder
	require.NoError(t, runCheck([]string{"--print", "-c", file, "--backend", "http://c"}, terminal{stdout: &out, stderr: &out, getenv: func(string) string { return "" }}))
	assert.Contains(t, out.String(), "\nbackends_file = \"\" # --backend\n")
	assert.Contains(t, out.String(), "\n[[pools.a.backends]]\nurl = \"http://c\" # --backend\n")
	assert.NotContains(t, out.String(), "http://a")
	assert.NotContains(t, out.String(), "http://b")
}
