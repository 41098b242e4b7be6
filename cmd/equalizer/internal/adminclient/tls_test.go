package adminclient

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"gopher-equalizer/balancer/tlstest"
)

// parsed is a certificate with its chain.
func parsed(t *testing.T, of tls.Certificate) (chain []*x509.Certificate) {
	t.Helper()
	for _, der := range of.Certificate {
		c, err := x509.ParseCertificate(der)
		require.NoError(t, err)
		chain = append(chain, c)
	}
	return chain
}

// asks makes a call to an API that shows a certificate.
func asks(t *testing.T, shown tls.Certificate, by *TLS) error {
	t.Helper()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte("{}\n"))
	}))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{shown}}
	server.StartTLS()
	defer server.Close()
	c, err := New(Settings{Network: "tcp", Address: server.Listener.Addr().String(), TLS: by})
	require.NoError(t, err)
	defer c.Close()
	_, err = c.Call(t.Context(), http.MethodGet, "/", nil)
	return err
}

func TestVerification(t *testing.T) {
	root := tlstest.NewCA(t)
	ca := root.Below()
	byAddress, byName := ca.Issue("127.0.0.1"), ca.Issue("admin.test")
	f := func(shown tls.Certificate, by TLS, want string) {
		t.Helper()
		err := asks(t, shown, &by)
		if want == "" {
			require.NoError(t, err)
			return
		}
		require.ErrorContains(t, err, want)
	}
	const unknown, name = "isn't trusted: x509: certificate signed by unknown authority", "isn't for that name, but for [admin.test]: want one of these"
	authority := []*x509.Certificate{root.Certificate()}
	f(byAddress, TLS{Trusted: authority}, "")
	f(byAddress, TLS{}, unknown)
	f(byAddress, TLS{Trusted: []*x509.Certificate{tlstest.NewCA(t).Certificate()}}, unknown)
	f(byName, TLS{Trusted: authority}, name)

	// A certificate is trusted by itself, whatever it is for.
	f(byName, TLS{Trusted: parsed(t, byName)[:1]}, "")
	f(byAddress, TLS{Trusted: parsed(t, byName)[:1]}, unknown)

	// While the configured one is newer, the one that is shown must be vouched for.
	newer := parsed(t, ca.Issue("127.1.2.3", "admin.test"))
	f(byName, TLS{Trusted: newer, Configured: true}, "")
	f(ca.Issue("127.1.2.3"), TLS{Trusted: newer, Configured: true}, "")
	f(byAddress, TLS{Trusted: newer, Configured: true}, "") // It is for the address that is asked.
	f(byName, TLS{Trusted: newer}, name)
	f(byName, TLS{Trusted: newer[:1], Configured: true}, name)
	f(ca.Issue("b.test"), TLS{Trusted: newer, Configured: true}, "isn't for that name, but for [b.test]")
	f(tlstest.NewCA(t).Issue("admin.test"), TLS{Trusted: newer, Configured: true}, name)
	f(ca.IssueExpired("admin.test"), TLS{Trusted: newer, Configured: true}, "expired")

	// One that no authority vouches for is known by another name than the one that is asked.
	f(tlstest.NewCA(t).Issue("admin.test"), TLS{Trusted: newer, Configured: true}, "the process still has the former one: send it SIGHUP")
}
