package main

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/cmd/equalizer/internal/authority"
)

// The demo speaks TLS to who trusts its authority, by every name that its certificate is for, and
// its authority is the same the next time.
func TestDemoByTLS(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "authority")
	start := func() *proxied {
		return spawn(t, "demo", "--tls", "--authority", folder, "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--store", "memory")
	}
	get := func(p *proxied, host string) (int, error) {
		t.Helper()
		proxy, _ := p.logs.awaitDemo(t)
		_, port, _ := net.SplitHostPort(proxy)
		ca, err := os.ReadFile(filepath.Join(folder, "ca.pem"))
		require.NoError(t, err)
		roots := x509.NewCertPool()
		require.True(t, roots.AppendCertsFromPEM(ca))
		client := &http.Client{Timeout: deadline, Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: roots}}}
		response, err := client.Get("https://" + net.JoinHostPort(host, port) + "/hello")
		if err != nil {
			return 0, err
		}
		return response.StatusCode, response.Body.Close()
	}
	first := start()
	for _, host := range []string{"localhost", "127.0.0.1"} {
		status, err := get(first, host)
		require.NoError(t, err)
		assert.Equal(t, 200, status)
	}
	before, err := os.ReadFile(filepath.Join(folder, "ca.pem"))
	require.NoError(t, err)
	first.stop()
	second := start()
	status, err := get(second, "localhost")
	require.NoError(t, err)
	assert.Equal(t, 200, status)
	after, err := os.ReadFile(filepath.Join(folder, "ca.pem"))
	require.NoError(t, err)
	assert.Equal(t, before, after)
	second.stop()
}

// The README's call of the demo by HTTPS works as written there, with the authority elsewhere.
func TestTourByHTTPS(t *testing.T) {
	folder := t.TempDir()
	p := spawn(t, "demo", "--tls", "--authority", folder, "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--store", "memory")
	proxy, _ := p.logs.awaitDemo(t)
	_, port, _ := net.SplitHostPort(proxy)
	runSteps(t, "### By HTTPS", strings.NewReplacer("~/.config/gopher-equalizer/demo", folder, "localhost:8443", "localhost:"+port))
	p.stop()
}

// The demo says how to trust its authority, and how to end that.
func TestDemoSaysHowToTrustIt(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "it's here")
	a, err := openAuthority(folder)
	require.NoError(t, err)
	shown := demoShown{at: addresses{"127.0.0.1:1", "127.0.0.1:2"}, authority: a}
	text := shown.text()
	assert.Contains(t, text, "\nTry, in another terminal:\n\n  ca='"+filepath.Dir(folder)+`/it'\''s here/ca.pem'`+"\n\n  # three requests")
	assert.Contains(t, text, "\n  curl --cacert \"$ca\" https://localhost:1/hello ")
	assert.NotContains(t, text, "http://localhost:1")
	assert.Contains(t, text, "(a new one, which nothing trusts yet), in\n"+folder+"\n")
	assert.Regexp(t, "\n\nStop with Ctrl-C.\n\n$", text)

	again, err := authority.Open(folder, time.Now())
	require.NoError(t, err)
	for goos, want := range map[string][]string{
		"linux":   {`certutil -d "sql:$HOME/.pki/nssdb" -A `, `certutil -d "sql:$HOME/.pki/nssdb" -D `, "--remove"},
		"darwin":  {"add-trusted-cert", "remove-trusted-cert", `delete-certificate -c "gopher-equalizer demo"`},
		"windows": {`-addstore Root "` + folder + `\ca.pem"`, `-delstore Root "gopher-equalizer demo"`},
		"plan9":   {`Add "$ca" to the authorities`},
	} {
		text := trustText(again, goos)
		for _, part := range append(want, "(as the last time)", "Firefox: ") {
			assert.Contains(t, text, part, goos)
		}
		assert.NotRegexp(t, regexp.MustCompile(`STEPS|WHICH|FOLDER`), text)
	}
	assert.NotContains(t, demoShown{at: addresses{"127.0.0.1:1", "127.0.0.1:2"}}.text(), "cacert")
}

func TestDemoAuthorityThatCannotBeUsed(t *testing.T) {
	folder := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(folder, "authority.pem"), []byte("x"), 0o600))
	s := inShell(t, nil, "demo", "--tls", "--authority", folder)
	assert.Equal(t, 1, s.code)
	assert.Equal(t, "equalizer: the demo's authority: "+folder+"/authority.pem: it doesn't begin with a certificate; "+
		"want the folder removed, for another authority\n", s.stderr.String())
	s = inShell(t, nil, "demo", "--authority", folder)
	assert.Equal(t, 2, s.code)
	assert.Contains(t, s.stderr.String(), "--authority is for --tls")
}
