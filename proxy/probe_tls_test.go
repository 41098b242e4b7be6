package proxy

import (
	"crypto/tls"
	"io"
	"net"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/balancer"
	"gopher-equalizer/balancer/tlstest"
)

// probedBackendTLS is probedBackend by TLS. A handshake that fails ends its connection.
func probedBackendTLS(t *testing.T, config *tls.Config, serve func(net.Conn)) string {
	t.Helper()
	return probedBackend(t, "127.0.0.1", func(conn net.Conn) {
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
		addr := probedBackendTLS(t, server, says("HTTP/1.1 204 No Content\r\n\r\n"))
		config := &tls.Config{RootCAs: ca.Roots(), ServerName: "backend.test", Certificates: client}
		b := balancer.BackendSettings{Addr: addr, TLS: config}
		_, gotten := getFrom(t, patience, b)
		for _, err := range []error{gotten, connect(t, patience, b)} {
			if want == "" {
				require.NoError(t, err)
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
	addr := probedBackendTLS(t, &tls.Config{
		Certificates: []tls.Certificate{ca.Issue("backend.test")}, ClientAuth: tls.RequireAnyClientCert,
	}, says("HTTP/1.1 204 No Content\r\n\r\n"))
	_, err := getFrom(t, patience, balancer.BackendSettings{
		Addr: addr, TLS: &tls.Config{RootCAs: ca.Roots(), ServerName: "backend.test"},
	})
	assert.EqualError(t, err, "remote error: tls: certificate required")
}

func TestTLSProbeOfWhatHasNoTLS(t *testing.T) {
	addr := probedBackend(t, "127.0.0.1", says("HTTP/1.1 204 No Content\r\n\r\n"))
	_, err := getFrom(t, brieflyProbed, balancer.BackendSettings{Addr: addr, TLS: &tls.Config{ServerName: "backend.test"}})
	assert.EqualError(t, err, "TLS handshake: timed out", "it waits for the end of a header")

	addr = probedBackend(t, "127.0.0.1", func(conn net.Conn) { io.WriteString(conn, "220 mail.test ESMTP\r\n"); untilClosed(conn) })
	_, err = getFrom(t, patience, balancer.BackendSettings{Addr: addr, TLS: &tls.Config{ServerName: "backend.test"}})
	assert.EqualError(t, err, "TLS handshake: tls: first record does not look like a TLS handshake")
}

func TestProbesOfAUnixSocket(t *testing.T) {
	b := balancer.BackendSettings{Addr: filepath.Join(t.TempDir(), "app.sock")}
	ln, err := net.Listen("unix", b.Addr)
	require.NoError(t, err)
	asked := make(chan string, 1)
	serveProbes(t, ln, func(conn net.Conn) {
		if header := readHeader(conn); header != "" {
			asked <- header
			io.WriteString(conn, ok)
		}
	})
	require.NoError(t, connect(t, patience, b))
	_, err = getFrom(t, patience, b)
	require.NoError(t, err)
	assert.Contains(t, <-asked, "\r\nHost: localhost\r\n")

	require.NoError(t, ln.Close())
	_, err = getFrom(t, patience, b)
	assert.EqualError(t, err, "connect: no such file or directory")
}
