package balancer

import (
	"crypto/tls"
	"io"
	"net"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/balancer/tlstest"
)

// backendTLS is backend by TLS. A handshake that fails ends its connection.
func backendTLS(t *testing.T, config *tls.Config, serve func(net.Conn)) string {
	t.Helper()
	return backend(t, "127.0.0.1", func(conn net.Conn) {
		secure := tls.Server(conn, config)
		if secure.Handshake() == nil {
			serve(secure)
			secure.Close()
		}
	})
}

// Probes of both types find what is wrong with a backend's certificate, and with ours.
func TestTLSProbes(t *testing.T) {
	ca, other := tlstest.NewCA(t), tlstest.NewCA(t)
	f := func(want string, server *tls.Config, client ...tls.Certificate) {
		t.Helper()
		addr := backendTLS(t, server, says("HTTP/1.1 204 No Content\r\n\r\n"))
		for _, kind := range []HealthType{HealthHTTP, HealthTCP} {
			h := httpHealth(generous)
			h.Type = kind
			config := &tls.Config{RootCAs: ca.Roots(), ServerName: "backend.test", Certificates: client}
			got, err := askBackend(t, h, BackendSettings{Addr: addr, TLS: config})
			if want == "" {
				require.NoError(t, err)
				assert.Regexp(t, `^(204|connected) in \d+\.\dms$`, got)
			} else if assert.Error(t, err) {
				assert.Contains(t, err.Error(), "TLS handshake: ")
				assert.Contains(t, err.Error(), want)
				assert.NotContains(t, err.Error(), addr)
			}
		}
	}
	with := func(c tls.Certificate) *tls.Config { return &tls.Config{Certificates: []tls.Certificate{c}} }
	f("", with(ca.Issue("backend.test")))
	f("certificate is valid for other.test, not backend.test", with(ca.Issue("other.test")))
	f("certificate has expired", with(ca.IssueExpired("backend.test")))
	f("certificate signed by unknown authority", with(other.Issue("backend.test")))

	asking := with(ca.Issue("backend.test"))
	asking.ClientAuth, asking.ClientCAs = tls.RequireAndVerifyClientCert, ca.Roots()
	f("", asking, ca.Issue("equalizer.test"))
	asking.MaxVersion = tls.VersionTLS12
	f("remote error: tls: handshake failure", asking)
}

// With TLS 1.3, what a backend says of our certificate comes when the handshake is over for us.
func TestTLSProbeWithoutAClientCertificate(t *testing.T) {
	ca := tlstest.NewCA(t)
	addr := backendTLS(t, &tls.Config{
		Certificates: []tls.Certificate{ca.Issue("backend.test")}, ClientAuth: tls.RequireAnyClientCert,
	}, says("HTTP/1.1 204 No Content\r\n\r\n"))
	_, err := askBackend(t, httpHealth(generous), BackendSettings{
		Addr: addr, TLS: &tls.Config{RootCAs: ca.Roots(), ServerName: "backend.test"},
	})
	assert.EqualError(t, err, "remote error: tls: certificate required")
}

func TestTLSProbeOfWhatHasNoTLS(t *testing.T) {
	addr := backend(t, "127.0.0.1", says("HTTP/1.1 204 No Content\r\n\r\n"))
	_, err := askBackend(t, httpHealth(short), BackendSettings{Addr: addr, TLS: &tls.Config{ServerName: "backend.test"}})
	assert.EqualError(t, err, "TLS handshake: no end within 250ms", "it waits for the end of a header")

	addr = backend(t, "127.0.0.1", func(conn net.Conn) { io.WriteString(conn, "220 mail.test ESMTP\r\n"); untilClosed(conn) })
	_, err = askBackend(t, httpHealth(generous), BackendSettings{Addr: addr, TLS: &tls.Config{ServerName: "backend.test"}})
	assert.EqualError(t, err, "TLS handshake: tls: first record does not look like a TLS handshake")
}

func TestProbesOfAUnixSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "app.sock")
	ln, err := net.Listen("unix", path)
	require.NoError(t, err)
	asked := make(chan string, 1)
	serveOn(t, ln, func(conn net.Conn) {
		if header := readHeader(conn); header != "" {
			asked <- header
			io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
		}
	})
	_, err = ask(t, HealthSettings{Type: HealthTCP, Timeout: generous}, path)
	require.NoError(t, err)
	_, err = ask(t, httpHealth(generous), path)
	require.NoError(t, err)
	assert.Contains(t, <-asked, "\r\nHost: localhost\r\n")

	require.NoError(t, ln.Close())
	_, err = ask(t, httpHealth(generous), path)
	assert.EqualError(t, err, "connect: no such file or directory")
}

func TestAuthorities(t *testing.T) {
	f := func(addr string, secure bool, want ...string) {
		t.Helper()
		b := BackendSettings{Addr: addr}
		if secure {
			b.TLS = &tls.Config{}
		}
		assert.Equal(t, want, b.Authorities())
	}
	f("a:8080", false, "a:8080")
	f("a:80", false, "a", "a:80")
	f("a:443", false, "a:443")
	f("a:443", true, "a", "a:443")
	f("a:80", true, "a:80")
	f("[::1]:443", true, "[::1]", "[::1]:443")
	f("/run/app.sock", false, "localhost")
	f("/run/a:80", false, "localhost")
}
