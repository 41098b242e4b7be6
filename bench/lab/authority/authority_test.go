package authority

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/proxy/certs"
	"gopher-equalizer/proxy/certs/acme"
	"gopher-equalizer/store/memory"
)

// patience bounds what must happen soon; nothing waits for it to pass.
const patience = 2 * time.Minute

// edge is what an authority reaches: a port for HTTP and one for TLS, at which managers reply, the
// first that knows a challenge.
type edge struct {
	httpPort, tlsPort int
	tls               net.Listener
	managers          atomic.Pointer[[]*acme.Manager]
	// Which challenges are replied to.
	http, alpn atomic.Bool
}

func newEdge(t *testing.T) *edge {
	t.Helper()
	e := &edge{}
	e.managers.Store(&[]*acme.Manager{})
	e.http.Store(true)
	e.alpn.Store(true)
	web, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	e.tls, err = net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	e.httpPort, e.tlsPort = web.Addr().(*net.TCPAddr).Port, e.tls.Addr().(*net.TCPAddr).Port
	server := &http.Server{Handler: http.HandlerFunc(e.answer)}
	var running sync.WaitGroup
	running.Go(func() { _ = server.Serve(web) })
	running.Go(func() { e.handshakes() })
	t.Cleanup(func() {
		_ = server.Close()
		_ = e.tls.Close()
		running.Wait()
	})
	return e
}

// authority starts an authority that reaches it.
func (e *edge) authority(t *testing.T) *Authority {
	t.Helper()
	return Start(t, Settings{HTTPPort: e.httpPort, TLSPort: e.tlsPort})
}

func (e *edge) answer(w http.ResponseWriter, r *http.Request) {
	host, _, err := net.SplitHostPort(r.Host)
	if err != nil {
		host = r.Host
	}
	for _, m := range *e.managers.Load() {
		if body, ok := m.Answer(host, r.URL.Path); ok && e.http.Load() {
			_, _ = io.WriteString(w, body)
			return
		}
	}
	http.NotFound(w, r)
}

func (e *edge) certificate(hello *tls.ClientHelloInfo) (cert *tls.Certificate, err error) {
	isChallenge := slices.Equal(hello.SupportedProtos, []string{certs.ChallengeProtocol})
	if isChallenge && !e.alpn.Load() {
		return nil, errors.New("no challenges")
	}
	for _, m := range *e.managers.Load() {
		if isChallenge {
			cert, err = m.Proof(hello.ServerName)
		} else {
			cert, err = m.Certificate(hello)
		}
		if cert != nil {
			return cert, nil
		}
	}
	return cert, err
}

func (e *edge) handshakes() {
	config := &tls.Config{GetCertificate: e.certificate, NextProtos: []string{"http/1.1", certs.ChallengeProtocol}}
	for {
		conn, err := e.tls.Accept()
		if err != nil {
			return
		}
		go func() {
			_ = conn.SetDeadline(time.Now().Add(patience))
			_ = tls.Server(conn, config).Handshake()
			_ = conn.Close()
		}()
	}
}

// gets returns the certificate that a client gets.
func (e *edge) gets(name string) (*x509.Certificate, error) {
	conn, err := tls.Dial("tcp", e.tls.Addr().String(), &tls.Config{ServerName: name, InsecureSkipVerify: true})
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	return conn.ConnectionState().PeerCertificates[0], nil
}

// serves reports whether a client gets a certificate that verifies.
func (e *edge) serves(a *Authority, name string) bool {
	conn, err := tls.Dial("tcp", e.tls.Addr().String(), &tls.Config{ServerName: name, RootCAs: a.Issuing()})
	if err != nil {
		return false
	}
	_ = conn.Close()
	return true
}

// open makes a manager that the edge asks, and that is closed with the test.
func (e *edge) open(t *testing.T, o acme.Options) *acme.Manager {
	t.Helper()
	if o.RetryAfter == nil {
		o.RetryAfter = func(int, error) time.Duration { return 100 * time.Millisecond }
	}
	if o.CheckEvery == 0 {
		o.CheckEvery = 200 * time.Millisecond
	}
	o.Timeout, o.Logger = patience, zerolog.New(zerolog.NewTestWriter(t)).Level(zerolog.InfoLevel)
	m, err := acme.New(o)
	require.NoError(t, err)
	all := append([]*acme.Manager{m}, *e.managers.Load()...)
	e.managers.Store(&all)
	t.Cleanup(func() { e.close(t, m) })
	return m
}

// close closes a manager, and has it asked no more.
func (e *edge) close(t *testing.T, m *acme.Manager) {
	t.Helper()
	all := slices.Clone(*e.managers.Load())
	i := slices.Index(all, m)
	if i < 0 {
		return
	}
	all = slices.Delete(all, i, i+1)
	e.managers.Store(&all)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	require.NoError(t, m.Close(ctx))
}

func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	require.Eventually(t, is, patience, 20*time.Millisecond, what)
}

// Several processes on one store order once, and either replies to the authority.
func TestSeveralProcesses(t *testing.T) {
	e := newEdge(t)
	a := e.authority(t)
	blobs := memory.NewBlobs()
	settings := acme.Settings{Domains: []string{"one.test"}, CA: a.Directory, Roots: a.Roots}
	one, two := e.open(t, acme.Options{Blobs: blobs, LockTTL: time.Second}), e.open(t, acme.Options{Blobs: blobs, LockTTL: time.Second})
	one.Use(settings)
	two.Use(settings)
	for _, m := range []*acme.Manager{one, two} {
		eventually(t, "a certificate", func() bool { s := m.Status()[0]; return s.Certificate != nil })
	}
	assert.Equal(t, 1, a.Orders())
}
