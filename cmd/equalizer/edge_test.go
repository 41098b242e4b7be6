package main

import (
	"crypto"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/balancer/tlstest"
	"gopher-equalizer/store/postgres/pgtest"
)

// pair is a certificate's files, which can be replaced.
type pair struct{ cert, key string }

func newPair(t *testing.T, cert tls.Certificate) pair {
	dir := t.TempDir()
	p := pair{filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")}
	p.replace(t, cert)
	return p
}

func (p pair) replace(t *testing.T, cert tls.Certificate) {
	t.Helper()
	certFile, keyFile := tlstest.Files(t, cert)
	require.NoError(t, os.Rename(certFile, p.cert))
	require.NoError(t, os.Rename(keyFile, p.key))
}

func (p pair) table() string {
	return fmt.Sprintf("[[tls.certificates]]\ncert = %q\nkey = %q\n", p.cert, p.key)
}

// twoListeners are one in clear that redirects, and one by TLS.
const twoListeners = "[admin]\nlisten = \"127.0.0.1:0\"\n" +
	"[[listeners]]\nlisten = \"127.0.0.1:0\"\nredirect_https = true\nredirect_port = 8443\n" +
	"[[listeners]]\nlisten = \"localhost:0\"\ntls = true\nhsts = \"max-age=60\"\n"

// clearAndSecure are one in clear, and one by TLS.
const clearAndSecure = `
[admin]
listen = "127.0.0.1:0"
[[listeners]]
listen = "127.0.0.1:0"
[[listeners]]
listen = "localhost:0"
tls = true
`

// byReload has changed files wait for a reload.
const byReload = "[server]\nreload_on_change = \"off\"\n"

// launchEdge starts the binary with two listeners.
func launchEdge(t *testing.T, text string, flags ...string) (r reloadable, clear, secure string) {
	t.Helper()
	r = launchWith(t, text, flags...)
	clear, secure, _ = strings.Cut(r.logs.await(t, "ready")["proxy"].(string), ", ")
	return r, clear, secure
}

// byTLS makes a handshake, sends a request, and returns the state of the connection.
func byTLS(t *testing.T, address string, client *tls.Config) tls.ConnectionState {
	t.Helper()
	c, err := tls.Dial("tcp", address, client)
	require.NoError(t, err)
	defer c.Close()
	_, err = io.WriteString(c, "GET / HTTP/1.1\r\nHost: "+client.ServerName+"\r\nConnection: close\r\n\r\n")
	require.NoError(t, err)
	response, err := io.ReadAll(c)
	require.NoError(t, err)
	require.Contains(t, string(response), "HTTP/1.1 200 OK\r\n")
	return c.ConnectionState()
}

// Listeners by TLS and in clear serve side by side. A reload brings a renewed certificate, and
// disturbs no connection and no session.
func TestEdge(t *testing.T) {
	ca := tlstest.NewCA(t)
	a, b := newPair(t, ca.Issue("a.test")), newPair(t, ca.Issue("*.b.test"))
	backend := lasting(t)
	text := byReload + twoListeners + poolOf("web", backend.URL) + a.table() + b.table()
	r, clear, secure := launchEdge(t, text)
	client := func(name string) *tls.Config {
		return &tls.Config{RootCAs: ca.Roots(), ServerName: name, ClientSessionCache: tls.NewLRUClientSessionCache(1)}
	}

	kept := http.Client{Transport: &http.Transport{TLSClientConfig: client("a.test")}}
	get := func(url, host string) *http.Response {
		t.Helper()
		request, err := http.NewRequest("GET", url, nil)
		require.NoError(t, err)
		request.Host = host
		kept.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		response, err := kept.Do(request)
		require.NoError(t, err)
		_, err = io.Copy(io.Discard, response.Body)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		return response
	}
	response := get("http://"+clear+"/x?y", "a.test")
	assert.Equal(t, 308, response.StatusCode)
	assert.Equal(t, "https://a.test:8443/x?y", response.Header.Get("Location"))
	response = get("https://"+secure+"/", "a.test")
	assert.Equal(t, 200, response.StatusCode)
	assert.Equal(t, "max-age=60", response.Header.Get("Strict-Transport-Security"))
	first := response.TLS.PeerCertificates[0]
	session := client("x.b.test")
	assert.False(t, byTLS(t, secure, session).DidResume)
	assert.True(t, byTLS(t, secure, session).DidResume)
	_, err := tls.Dial("tcp", secure, client("c.test"))
	assert.EqualError(t, err, "remote error: tls: unrecognized name")

	var listed []struct {
		Names    []string
		Cert     string
		Warnings []string
		DaysLeft int `json:"days_left"`
	}
	require.NoError(t, json.Unmarshal([]byte(r.call("GET", "/certificates", "").body), &listed))
	require.Len(t, listed, 2)
	assert.Equal(t, []string{"a.test"}, listed[0].Names)
	assert.Equal(t, a.cert, listed[0].Cert)
	assert.Equal(t, 0, listed[0].DaysLeft)
	assert.Contains(t, listed[0].Warnings[0], "the chain ends before an authority that this system knows")
	assert.Contains(t, r.logs.text(), "the chain ends before an authority")

	renewed := ca.Issue("a.test", "new.test")
	a.replace(t, renewed)
	b.replace(t, ca.Issue("*.b.test"))
	changed := map[string]string{}
	for _, file := range []pair{a, b} {
		key := fmt.Sprintf("tls.certificates[%q].", file.cert)
		changed[key+"cert"], changed[key+"key"] = "content", "content"
	}
	assert.Contains(t, r.call("GET", "/config/changes", "").body, `"kind":"content"`)
	assert.Equal(t, changed, r.reloads(text))
	assert.NotContains(t, r.call("GET", "/config/changes", "").body, "content")
	assert.True(t, get("https://"+secure+"/", "a.test").TLS.PeerCertificates[0].Equal(first), "the connection goes on")
	assert.True(t, byTLS(t, secure, session).DidResume)
	assert.True(t, byTLS(t, secure, client("new.test")).PeerCertificates[0].Equal(renewed.Leaf))

	require.NoError(t, os.WriteFile(a.key, []byte("no key"), 0o600))
	mistakes := r.refuses(text)
	assert.Contains(t, mistakes, "there is no private key in it")
	assert.Contains(t, mistakes, "tls.certificates[0].key")
	a.replace(t, renewed)

	// A listener that stays is served in another way.
	assert.Equal(t, map[string]string{`listeners["localhost:0"].min_version`: "added", `listeners["127.0.0.1:0"].redirect_port`: "changed"},
		r.reloads(strings.NewReplacer("8443", "9443", "hsts", "min_version = \"1.3\"\nhsts").Replace(text)))
	assert.Equal(t, "https://a.test:9443/", get("http://"+clear+"/", "a.test").Header.Get("Location"))
	old := client("a.test")
	old.MaxVersion = tls.VersionTLS12
	_, err = tls.Dial("tcp", secure, old)
	assert.ErrorContains(t, err, "protocol version")
	r.stop()
}

// Sessions outlive a restart where their keys are kept. PostgreSQL has them sealed.
func TestSessionsAreKept(t *testing.T) {
	t.Parallel()
	ca := tlstest.NewCA(t)
	text := twoListeners + "[tls]\nkeep_sessions = true\n" + poolOf("web", lasting(t).URL) + newPair(t, ca.Issue("a.test")).table() +
		fmt.Sprintf("[store]\nkey = %q\n", strings.Repeat("a1", 32))
	for name, store := range stores(t) {
		t.Run(name, func(t *testing.T) {
			client := &tls.Config{RootCAs: ca.Roots(), ServerName: "a.test", ClientSessionCache: tls.NewLRUClientSessionCache(1)}
			for i := range 2 {
				r, _, secure := launchEdge(t, text, "--store", store)
				assert.Equal(t, i > 0, byTLS(t, secure, client).DidResume)
				r.stop()
			}
			if name != "postgres" {
				return
			}
			var value []byte
			require.NoError(t, pgtest.Connect(t, store).QueryRow(t.Context(), `SELECT value FROM blobs WHERE key = 'tls/tickets'`).Scan(&value))
			assert.NotEmpty(t, value)
			assert.NotContains(t, string(value), "secret")
		})
	}
}

// A client's certificate is asked for by host, and a request comes by the connection of its host.
func TestCertificatesOfClients(t *testing.T) {
	ca := tlstest.NewCA(t)
	backend := lasting(t)
	r, _, secure := launchEdge(t, twoListeners+poolOf("web", backend.URL)+newPair(t, ca.Issue("open.test", "safe.test")).table()+
		fmt.Sprintf("[[tls.hosts]]\nhost = \"safe.test\"\nclient_auth = \"require\"\nclient_ca = %q\n", ca.File()))
	with := &tls.Config{RootCAs: ca.Roots(), ServerName: "safe.test", Certificates: []tls.Certificate{ca.Issue("client")}}
	byTLS(t, secure, with)
	without := &tls.Config{RootCAs: ca.Roots(), ServerName: "safe.test"}
	c, err := tls.Dial("tcp", secure, without)
	if err == nil { // In TLS 1.3 the client learns of it with the first byte that it reads.
		_, err = c.Read(make([]byte, 1))
		c.Close()
	}
	assert.ErrorContains(t, err, "certificate required")
	without.ServerName = "open.test"
	byTLS(t, secure, without)
	c, err = tls.Dial("tcp", secure, without)
	require.NoError(t, err)
	_, err = io.WriteString(c, "GET / HTTP/1.1\r\nHost: safe.test\r\nConnection: close\r\n\r\n")
	require.NoError(t, err)
	response, err := io.ReadAll(c)
	require.NoError(t, err)
	assert.Contains(t, string(response), "HTTP/1.1 421 Misdirected Request\r\n")
	r.stop()
}

// Limits count clients by what is verified of their certificates, however they come by it, and
// those without one by address, whatever they say.
func TestLimitsByCertificate(t *testing.T) {
	ca := tlstest.NewCA(t)
	r, _, secure := launchEdge(t, twoListeners+poolOf("web", lasting(t).URL)+newPair(t, ca.Issue("a.test", "open.test")).table()+
		fmt.Sprintf("[[tls.hosts]]\nhost = \"a.test\"\nclient_auth = \"request\"\nclient_ca = %q\n", ca.File())+
		"[limits.site]\nkey = \"tls:spki\"\ncapacity = 2\nrefill = \"1/1h\"\n")
	resumed := 0
	sends := func(c *http.Client, host string) int {
		t.Helper()
		request, err := http.NewRequest("GET", "https://"+secure+"/", nil)
		require.NoError(t, err)
		request.Host = host
		request.Header.Set("X-Client-Cert-SPKI-SHA256", strings.Repeat("a1", 32))
		response, err := c.Do(request)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		c.CloseIdleConnections()
		if response.TLS.DidResume {
			resumed++
		}
		return response.StatusCode
	}
	client := func(host string, certs ...tls.Certificate) *http.Client {
		return &http.Client{Timeout: deadline, Transport: &http.Transport{TLSClientConfig: &tls.Config{
			RootCAs: ca.Roots(), ServerName: host, Certificates: certs, ClientSessionCache: tls.NewLRUClientSessionCache(1),
		}}}
	}
	f := func(c *http.Client, host string, want ...int) {
		t.Helper()
		var got []int
		for range want {
			got = append(got, sends(c, host))
		}
		assert.Equal(t, want, got)
	}
	alice, bob := ca.Issue("alice"), ca.Issue("bob")
	f(client("a.test", alice), "a.test", 200, 200, 429)
	assert.Equal(t, 2, resumed)
	renewed := ca.IssueFor(alice.PrivateKey.(crypto.Signer), func(*x509.Certificate) {}, "alice")
	f(client("a.test", renewed), "a.test", 429)
	f(client("a.test", bob), "a.test", 200)
	f(client("a.test"), "a.test", 200)
	f(client("open.test", bob), "open.test", 200, 429) // It isn't asked there, and so counts by address.
	_, err := client("a.test", tlstest.NewCA(t).Issue("alice")).Get("https://" + secure)
	assert.ErrorContains(t, err, "unknown certificate authority")
	sum := sha256.Sum256(bob.Leaf.RawSubjectPublicKeyInfo)
	assert.EqualValues(t, 1, r.bucket(hex.EncodeToString(sum[:])).Tokens)
	assert.Zero(t, r.bucket("ip:127.0.0.1").Tokens)
	r.stop()
}

// check names what is wrong with certificates, and what clients may refuse.
func TestCheckOfCertificates(t *testing.T) {
	ca := tlstest.NewCA(t)
	good, expired := newPair(t, ca.Issue("a.test")), newPair(t, ca.IssueExpired("b.test"))
	text := twoListeners + poolOf("web", "http://127.0.0.1:9")
	run := func(text string) (string, error) {
		var out strings.Builder
		err := runCheck([]string{writeFile(t, text)}, terminal{stdout: &out, getenv: func(string) string { return "" }})
		return out.String(), err
	}
	out, err := run(text + good.table() + expired.table() + pair{expired.cert, good.key}.table() + pair{"/none.pem", ""}.table())
	require.Error(t, err)
	const ofPair = ": tls.certificates[2]."
	assert.Contains(t, out, ofPair+"key: "+good.key+": its key isn't that of the certificate in "+expired.cert+", which is for b.test and good from ")
	assert.Contains(t, out, ofPair+"cert: "+expired.cert+": the certificate for b.test expired at "+time.Now().UTC().Format("2006-01-02"), "all that is wrong with it")
	assert.Contains(t, out, ofPair+"cert: "+expired.cert+": the chain ends before an authority")
	assert.Contains(t, out, ": tls.certificates[3].cert: open /none.pem: no such file or directory")
	assert.NotContains(t, out, "tls.certificates[1]", "it can be used")
	out, err = run(text + good.table() + expired.table() + "[[tls.hosts]]\nhost = \"a.test\"\nclient_auth = \"request\"\nclient_ca = \"/none.pem\"\n")
	require.Error(t, err)
	assert.Contains(t, out, "tls.hosts[0].client_ca: open /none.pem: no such file")
	out, err = run(text + good.table() + expired.table())
	require.NoError(t, err)
	assert.Contains(t, out, "tls.certificates[1].cert: "+expired.cert+": the certificate for b.test expired at "+time.Now().UTC().Format("2006-01-02"))
	assert.Contains(t, out, "tls.certificates[1].cert: "+expired.cert+": the chain ends before an authority")
	assert.Contains(t, out, "the configuration is good")
}

// OpenSSL's client gets along with what is offered.
func TestOpenSSL(t *testing.T) {
	openssl, err := exec.LookPath("openssl")
	require.NoError(t, err, "want openssl, as Debian's package has it")
	ca := tlstest.NewCA(t)
	backend := lasting(t)
	r, _, secure := launchEdge(t, twoListeners+poolOf("web", backend.URL)+newPair(t, ca.Issue("a.test", "safe.test")).table()+
		fmt.Sprintf("[[tls.hosts]]\nhost = \"safe.test\"\nclient_auth = \"require\"\nclient_ca = %q\n", ca.File()))
	f := func(want, without string, args ...string) {
		t.Helper()
		c := exec.Command(openssl, append([]string{
			"s_client", "-connect", secure, "-servername", "a.test", "-CAfile", ca.File(), "-verify_return_error", "-ign_eof",
		}, args...)...)
		c.Stdin = strings.NewReader("GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n" + strings.Repeat("x", 64<<10))
		out, _ := c.CombinedOutput() // It fails where the handshake does.
		assert.Contains(t, string(out), want)
		if without != "" {
			assert.NotContains(t, string(out), without)
		}
	}
	f("HTTP/1.1 200 OK", "", "-tls1_3")
	f("HTTP/1.1 200 OK", "", "-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256")
	f("HTTP/1.1 200 OK", "", "-alpn", "http/1.1")
	f("ALPN protocol: h2", "HTTP/1.1 200", "-alpn", "http/1.1,h2")
	f("no application protocol", "HTTP/1.1", "-alpn", "h3")
	f("alert", "HTTP/1.1", "-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA")
	f("alert", "HTTP/1.1", "-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0")
	f("unrecognized name", "HTTP/1.1", "-servername", "b.test")
	f("alert certificate required", "HTTP/1.1", "-servername", "safe.test", "-tls1_3")
	expired, key := tlstest.Files(t, ca.IssueExpired("client"))
	f("alert certificate expired", "HTTP/1.1", "-servername", "safe.test", "-tls1_3", "-cert", expired, "-key", key)
	r.stop()
}
