package main

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/balancer/tlstest"
)

// secureBackend is a backend by TLS whose certificate can change. It serves each request on a
// connection of its own.
type secureBackend struct {
	host, url string
	cert      atomic.Pointer[tls.Certificate]
}

// startSecure starts one on a host's address, with a certificate and the rest of config.
func startSecure(t *testing.T, host string, cert tls.Certificate, config *tls.Config) *secureBackend {
	t.Helper()
	return startSecureAt(t, net.JoinHostPort(host, "0"), cert, config)
}

// startSecureAt is startSecure with a port.
func startSecureAt(t *testing.T, address string, cert tls.Certificate, config *tls.Config) *secureBackend {
	t.Helper()
	ln, err := net.Listen("tcp", address)
	require.NoError(t, err)
	b := &secureBackend{host: ln.Addr().String(), url: "https://" + ln.Addr().String()}
	b.cert.Store(&cert)
	config.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return b.cert.Load(), nil }
	server := &http.Server{Handler: http.HandlerFunc(echoTLS), TLSConfig: config, ErrorLog: log.New(io.Discard, "", 0)}
	server.SetKeepAlivesEnabled(false)
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = server.ServeTLS(ln, "", "") // ends with the test
	}()
	t.Cleanup(func() { server.Close(); <-served })
	return b
}

// echoTLS responds with what the backend sees.
func echoTLS(w http.ResponseWriter, r *http.Request) {
	seen := fmt.Sprintf("host=%s proto=%s forwarded=%s", r.Host, r.Proto, r.Header.Get("X-Forwarded-Proto"))
	if r.TLS != nil {
		seen += fmt.Sprintf(" sni=%s alpn=%s", r.TLS.ServerName, r.TLS.NegotiatedProtocol)
		for _, c := range r.TLS.PeerCertificates {
			seen += " client=" + c.DNSNames[0]
		}
	}
	if to := r.URL.Query().Get("to"); to != "" {
		w.Header().Set("Location", to)
		w.WriteHeader(http.StatusFound)
	}
	_, _ = io.WriteString(w, seen)
}

// launchSecure runs the proxy in front of backends, with these lines in [pools.default.tls]. It
// probes the backends every interval, which is also how long a probe may take.
func launchSecure(t *testing.T, interval string, lines string, urls ...string) *proxied {
	t.Helper()
	return launch(t, free("-c", writeFile(t, fmt.Sprintf(`
[pools.default]
backends = ["%s"]
[pools.default.tls]
%s
[pools.default.health]
interval = %q
timeout = %q
rise = 1
fall = 1
`, strings.Join(urls, `", "`), lines, interval, interval)))...)
}

const (
	// rarely is an interval in which only the first probe is made.
	rarely = "24h"
	// often is short, but long enough for a probe on a machine that is busy.
	often = "1s"
)

func TestBackendsByTLS(t *testing.T) {
	ca := tlstest.NewCA(t)
	b := startSecure(t, "127.0.0.1", ca.Issue("app.test", "127.0.0.1"), &tls.Config{})
	byName := launchSecure(t, rarely, fmt.Sprintf("ca = %q\nserver_name = \"app.test\"", ca.File()), b.url)
	defer byName.stop()
	a := byName.get("/")
	assert.Equal(t, 200, a.status)
	assert.Equal(t, "host="+local(strings.TrimPrefix(byName.proxy, "http://"))+" proto=HTTP/1.1 forwarded=http sni=app.test alpn=http/1.1", a.body)
	assert.Contains(t, byName.call("GET", "/backends", "").body, `"last_probe":"200 in `)

	byAddress := launchSecure(t, rarely, fmt.Sprintf("ca = %q", ca.File()), b.url)
	defer byAddress.stop()
	assert.Contains(t, byAddress.get("/").body, " sni= ", "an address is no server name, but is verified")
	assert.Contains(t, rawRequest(t, byAddress.proxy, "GET / HTTP/1.0\r\n\r\n"), "host="+b.host+" ")
	assert.Equal(t, "/there", byAddress.location("https://"+b.host+"/there"))

	b.cert.Store(ptr(tlstest.NewCA(t).IssueExpired("other.test")))
	unverified := launchSecure(t, rarely, "verify = false", b.url)
	defer unverified.stop()
	assert.Equal(t, 200, unverified.get("/").status)
	unverified.logs.awaitLine(t, "the warning", func(line string) bool { return strings.Contains(line, "pools.default.tls.verify") })
}

func ptr[T any](v T) *T { return &v }

// location is where an HTTP/1.0 client without a Host is sent if the backend redirects it.
func (p *proxied) location(says string) string {
	p.t.Helper()
	head := rawRequest(p.t, p.proxy, "GET /?to="+says+" HTTP/1.0\r\n\r\n")
	_, rest, found := strings.Cut(head, "\r\nLocation: ")
	require.True(p.t, found, head)
	where, _, _ := strings.Cut(rest, "\r\n")
	return where
}

// The log and GET /backends show what is wrong with a backend's certificate, and no client sees it.
func TestBadCertificates(t *testing.T) {
	t.Parallel()
	ca, other := tlstest.NewCA(t), tlstest.NewCA(t)
	good := ca.Issue("app.test")
	b := startSecure(t, "127.0.0.1", good, &tls.Config{SessionTicketsDisabled: true})
	lines := fmt.Sprintf("ca = %q\nserver_name = \"app.test\"", ca.File())
	unprobed, probed := launchSecure(t, rarely, lines, b.url), launchSecure(t, often, lines, b.url)
	defer unprobed.stop()
	defer probed.stop()
	f := func(want string, bad tls.Certificate) {
		t.Helper()
		b.cert.Store(&bad)
		for _, method := range []string{"GET", "POST"} {
			a := unprobed.do(method, unprobed.proxy+"/", "")
			assert.Equal(t, 502, a.status)
			assert.NotContains(t, a.body, "certificate")
			assert.NotContains(t, a.body, b.host)
			unprobed.logs.awaitLine(t, want, func(line string) bool {
				return strings.Contains(line, "TLS handshake: ") && strings.Contains(line, want) && strings.Contains(line, method)
			})
		}
		probed.await(want, func() bool { return strings.Contains(probed.lastProbe(), want) })
		probed.await("nobody to be asked", func() bool { return probed.get("/").status == 503 })

		b.cert.Store(&good)
		assert.Equal(t, 200, unprobed.get("/").status)
		probed.await("it to rise", func() bool { return strings.HasPrefix(probed.lastProbe(), "200 in ") })
		probed.await("it to be asked", func() bool { return probed.get("/").status == 200 })
	}
	f("certificate is valid for other.test, not app.test", ca.Issue("other.test"))
	f("certificate has expired or is not yet valid", ca.IssueExpired("app.test"))
	f("certificate signed by unknown authority", other.Issue("app.test"))
}

func (p *proxied) lastProbe() string {
	p.t.Helper()
	var all []struct {
		LastProbe string `json:"last_probe"`
	}
	require.NoError(p.t, json.Unmarshal([]byte(p.call("GET", "/backends", "").body), &all))
	return all[0].LastProbe
}

// Any request whose handshake fails goes to another backend, since nothing of it was sent.
func TestBadCertificateCostsNoRequest(t *testing.T) {
	ca := tlstest.NewCA(t)
	bad := startSecure(t, "127.0.0.1", ca.Issue("app.test"), &tls.Config{SessionTicketsDisabled: true})
	good := startSecure(t, "127.0.0.1", ca.Issue("app.test"), &tls.Config{})
	p := launchSecure(t, rarely, fmt.Sprintf("ca = %q\nserver_name = \"app.test\"", ca.File()), bad.url, good.url)
	defer p.stop()
	bad.cert.Store(ptr(ca.IssueExpired("app.test")))
	for range 4 {
		assert.Equal(t, 200, p.get("/").status)
		assert.Equal(t, 200, p.do("POST", p.proxy+"/", "{}").status)
	}
	assert.EqualValues(t, 4, p.status().Requests.Retries)
}

func TestClientCertificates(t *testing.T) {
	ca := tlstest.NewCA(t)
	b := startSecure(t, "127.0.0.1", ca.Issue("127.0.0.1"), &tls.Config{ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: ca.Roots()})
	lines := fmt.Sprintf("ca = %q\n", ca.File())
	cert, key := tlstest.Files(t, ca.Issue("equalizer.test"))
	with := launchSecure(t, rarely, lines+fmt.Sprintf("cert = %q\nkey = %q\n", cert, key), b.url)
	defer with.stop()
	assert.Contains(t, with.get("/").body, " client=equalizer.test")

	without := launchSecure(t, often, lines, b.url)
	defer without.stop()
	assert.Contains(t, without.lastProbe(), "certificate required")
	assert.Equal(t, 503, without.get("/").status)
}

// Not every machine has IPv6. Without it, the test only sees that the backends are down.
func TestBackendsByIPv6(t *testing.T) {
	ca := tlstest.NewCA(t)
	lines := fmt.Sprintf("ca = %q", ca.File())
	ln, err := net.Listen("tcp", "[::1]:0")
	if err != nil {
		p := launchSecure(t, rarely, lines, "https://[::1]:9", "http://[::1]:10")
		defer p.stop()
		assert.Equal(t, 503, p.get("/").status)
		return
	}
	require.NoError(t, ln.Close())
	plain := startBackend(t, "[::1]:0")
	secure := startSecure(t, "::1", ca.Issue("::1"), &tls.Config{})
	p := launchSecure(t, rarely, lines, plain.url(), secure.url)
	defer p.stop()
	bySecure := 0
	for range 4 {
		a := p.get("/")
		assert.Equal(t, 200, a.status)
		if a.header.Get("Backend") == "" {
			bySecure++
		} else {
			assert.Equal(t, plain.address, a.header.Get("Backend"))
		}
	}
	assert.Equal(t, 2, bySecure)
}

// A unix socket has no name. Its backend gets the Host "localhost" if the client sent none, and
// that is hidden.
func TestUnixBackendHasNoName(t *testing.T) {
	ln, err := net.Listen("unix", filepath.Join(t.TempDir(), "app.sock"))
	require.NoError(t, err)
	server := &http.Server{Handler: http.HandlerFunc(echoTLS)}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = server.Serve(ln) // ends with the test
	}()
	t.Cleanup(func() { server.Close(); <-served })
	p := launch(t, free("--backend", "unix://"+ln.Addr().String())...)
	defer p.stop()
	assert.Contains(t, rawRequest(t, p.proxy, "GET / HTTP/1.0\r\n\r\n"), "host=localhost proto=HTTP/1.1 forwarded=http")
	assert.Contains(t, p.get("/").body, "host="+strings.TrimPrefix(p.proxy, "http://"))
	assert.Equal(t, "/there", p.location("http://localhost/there"))
	assert.Equal(t, "http://localhost:3000/there", p.location("http://localhost:3000/there"))
	assert.Contains(t, p.call("GET", "/backends", "").body, `"url":"unix://`+ln.Addr().String()+`"`)
}

// check finds files that can't be used, with everything else that is wrong.
func TestBadTLSFiles(t *testing.T) {
	ca := tlstest.NewCA(t)
	cert, key := tlstest.Files(t, ca.Issue("a"))
	_, otherKey := tlstest.Files(t, ca.Issue("a"))
	f := func(want, lines string) {
		t.Helper()
		file := writeFile(t, "[pools.default]\nbackends = [\"https://a\"]\n[pools.default.tls]\n"+lines+"\n[log]\nlevel = \"all\"\n")
		out, err := exec.Command(binary, "check", "-c", file).CombinedOutput()
		require.Error(t, err)
		assert.Contains(t, string(out), file+":4: pools.default.tls."+want)
		assert.Contains(t, string(out), "log.level")
		assert.NotContains(t, string(out), "PRIVATE KEY")
	}
	f("ca: open /nonexistent/ca.pem: no such file or directory", `ca = "/nonexistent/ca.pem"`)
	f("ca: "+key+": there is no certificate in it; want PEM", fmt.Sprintf("ca = %q", key))
	broken := writeFile(t, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
	f("ca: "+broken+": certificate 1 in it: x509: ", fmt.Sprintf("ca = %q", broken))
	f("cert: open /nonexistent/c.pem: no such file or directory", fmt.Sprintf(`cert = "/nonexistent/c.pem"`+"\nkey = %q", key))
	f("cert: "+cert+" with the key in "+otherKey+": tls: private key does not match public key", fmt.Sprintf("cert = %q\nkey = %q", cert, otherKey))
}
