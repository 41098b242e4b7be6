//go:build edge

package main

import (
	"bytes"
	"crypto/tls"
	"encoding/xml"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// These tests have others' programs look at the demo by TLS: a browser and a scanner. make
// edge-check installs them.

// startDemo starts the demo by TLS. It returns its URL's host, and its authority's file.
func startDemo(t *testing.T) (p *proxied, host, ca string) {
	t.Helper()
	folder := t.TempDir()
	p = spawn(t, "demo", "--tls", "--authority", folder, "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--store", "memory")
	proxy, _ := p.logs.awaitDemo(t)
	_, port, err := net.SplitHostPort(proxy)
	require.NoError(t, err)
	return p, net.JoinHostPort("localhost", port), filepath.Join(folder, "ca.pem")
}

// runProgram runs a program in a home of its own, and returns what it printed.
func runProgram(t *testing.T, home, name string, args ...string) string {
	t.Helper()
	out, _ := runTalkative(t, home, name, args...)
	return out
}

// runTalkative returns also what it printed on standard error.
func runTalkative(t *testing.T, home, name string, args ...string) (printed, said string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Env = append(os.Environ(), "HOME="+home)
	cmd.Dir = home
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	require.NoError(t, cmd.Run(), "%s %s: %s", name, args, &errs)
	return out.String(), errs.String()
}

// browserHome makes a home for Chromium, which trusts no authority yet.
func browserHome(t *testing.T) string {
	t.Helper()
	home := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(home, authorities), 0o700))
	runProgram(t, home, "certutil", "-d", "sql:"+authorities, "-N", "--empty-password")
	return home
}

// authorities is where Chromium has those that it trusts, in its home.
const authorities = ".pki/nssdb"

// trust has Chromium trust an authority.
func trust(t *testing.T, home, file string) {
	t.Helper()
	runProgram(t, home, "certutil", "-d", "sql:"+authorities, "-A", "-n", "test", "-t", "C,,", "-i", file)
}

// chromium opens a page, and returns what has become of its document, and Chromium's log.
func chromium(t *testing.T, home string, args ...string) (document, log string) {
	t.Helper()
	return runTalkative(t, home, "chromium", append([]string{"--headless", "--no-sandbox", "--disable-gpu", "--user-data-dir=" + t.TempDir(), "--dump-dom"}, args...)...)
}

// unknownAuthority is how Chromium's log has ERR_CERT_AUTHORITY_INVALID.
const unknownAuthority = "net_error -202"

// Chromium opens the demo's page once its authority is trusted, and not before.
func TestEdgeInABrowser(t *testing.T) {
	p, host, ca := startDemo(t)
	home := browserHome(t)
	open := func() (document, log string) {
		t.Helper()
		return chromium(t, home, "https://"+host+"/hello")
	}
	request := regexp.MustCompile(`INFO +200 .* GET +\S+/hello `)
	document, log := open()
	assert.NotContains(t, document, "GET /hello for")
	assert.Contains(t, log, unknownAuthority)
	assert.NotRegexp(t, request, p.logs.text())
	trust(t, home, ca)
	document, log = open()
	assert.Contains(t, document, "GET /hello for 127.0.0.1")
	assert.NotContains(t, log, unknownAuthority)
	assert.Regexp(t, request, p.logs.text())
	p.stop()
}

// scan is what sslscan has found.
type scan struct {
	Protocols []struct {
		Type    string `xml:"type,attr"`
		Version string `xml:"version,attr"`
		Enabled bool   `xml:"enabled,attr"`
	} `xml:"ssltest>protocol"`
	Renegotiation []struct {
		Supported bool `xml:"supported,attr"`
	} `xml:"ssltest>renegotiation"`
	Compression []struct {
		Supported bool `xml:"supported,attr"`
	} `xml:"ssltest>compression"`
	Heartbleed []struct {
		Vulnerable bool `xml:"vulnerable,attr"`
	} `xml:"ssltest>heartbleed"`
	Ciphers []struct {
		Name     string `xml:"cipher,attr"`
		Bits     int    `xml:"bits,attr"`
		Strength string `xml:"strength,attr"`
		Curve    string `xml:"curve,attr"`
	} `xml:"ssltest>cipher"`
	Groups []struct {
		Bits int    `xml:"bits,attr"`
		Name string `xml:"name,attr"`
	} `xml:"ssltest>group"`
}

// sslscan finds nothing weak: TLS 1.2 and 1.3 alone, with forward secrecy and authenticated
// encryption in each suite.
func TestEdgeScanned(t *testing.T) {
	p, host, _ := startDemo(t)
	home := t.TempDir()
	file := filepath.Join(home, "scan.xml")
	runProgram(t, home, "sslscan", "--ipv4", "--xml="+file, host)
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	var found scan
	require.NoError(t, xml.Unmarshal(text, &found), "%s", text)

	var enabled []string
	for _, protocol := range found.Protocols {
		if protocol.Enabled {
			enabled = append(enabled, protocol.Type+protocol.Version)
		}
	}
	assert.Equal(t, []string{"tls1.2", "tls1.3"}, enabled)
	require.Len(t, found.Renegotiation, 1)
	assert.False(t, found.Renegotiation[0].Supported)
	for _, c := range found.Compression {
		assert.False(t, c.Supported)
	}
	require.Len(t, found.Heartbleed, 2)
	for _, h := range found.Heartbleed {
		assert.False(t, h.Vulnerable)
	}
	assert.Len(t, found.Ciphers, 6)
	for _, c := range found.Ciphers {
		assert.GreaterOrEqual(t, c.Bits, 128, c.Name)
		assert.NotContains(t, []string{"weak", "medium", "null", "anonymous"}, c.Strength, c.Name)
		assert.True(t, strings.HasPrefix(c.Name, "TLS_") || strings.HasPrefix(c.Name, "ECDHE-"), c.Name)
		assert.Regexp(t, "GCM|CHACHA20", c.Name)
		assert.NotEmpty(t, c.Curve, c.Name)
	}
	require.NotEmpty(t, found.Groups)
	for _, g := range found.Groups {
		assert.GreaterOrEqual(t, g.Bits, 128, g.Name)
	}
	p.stop()
}

// A client that knows a post-quantum group gets it, also where it prefers another one.
func TestEdgePrefersPostQuantum(t *testing.T) {
	p, host, _ := startDemo(t)
	for _, known := range [][]tls.CurveID{nil, {tls.X25519, tls.X25519MLKEM768}} {
		c, err := tls.Dial("tcp", host, &tls.Config{InsecureSkipVerify: true, CurvePreferences: known})
		require.NoError(t, err)
		assert.Equal(t, tls.X25519MLKEM768, c.ConnectionState().CurveID)
		require.NoError(t, c.Close())
	}
	p.stop()
}
