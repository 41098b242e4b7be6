package api

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"path/filepath"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/balancer/tlstest"
)

// secured are settings with a certificate for a name.
func secured(ca *tlstest.CA, name string) Settings {
	return Settings{
		WriteTimeout: time.Second,
		TLS:          &tls.Config{Certificates: []tls.Certificate{ca.Issue(name)}},
	}
}

// Certificates, and whether there is TLS at all, change with no new listener. Connections that are
// open go on as they are.
func TestTLSChangesWhileListening(t *testing.T) {
	ca := tlstest.NewCA(t)
	sources := newSources(&fakeLimiter{snap: sampleBucket()})
	s := New(secured(ca, "first.test"), sources, zerolog.Nop())
	addr, served := serveTCP(t, s)
	dial := func(name string) (*tls.Conn, error) {
		return tls.Dial("tcp", addr, &tls.Config{ServerName: name, RootCAs: ca.Roots()})
	}
	ask := func(conn net.Conn) {
		t.Helper()
		got := exchange(t, conn, false, request{method: "GET", target: "/buckets/test1234"}.raw())
		assert.Equal(t, 200, got.status, got.body)
	}
	first, err := dial("first.test")
	require.NoError(t, err)
	ask(first)

	s.Configure(secured(ca, "second.test"), sources)
	_, err = dial("first.test")
	require.ErrorContains(t, err, "second.test")
	second, err := dial("second.test")
	require.NoError(t, err)
	ask(second)

	s.Configure(Settings{WriteTimeout: time.Second}, sources)
	clear, err := net.Dial("tcp", addr)
	require.NoError(t, err)
	ask(clear)
	again, err := dial("second.test")
	require.Error(t, err, "TLS is off: %v", again)
	s.Configure(secured(ca, "third.test"), sources)
	third, err := dial("third.test")
	require.NoError(t, err)
	ask(third)
	require.NoError(t, s.Shutdown(context.Background()))
	require.NoError(t, <-served)
}

func TestOriginByTLS(t *testing.T) {
	ca := tlstest.NewCA(t)
	s := New(secured(ca, "localhost"), newSources(&fakeLimiter{}), zerolog.Nop())
	addr, served := serveTCP(t, s)
	f := func(host, origin string, want int) {
		t.Helper()
		conn, err := tls.Dial("tcp", addr, &tls.Config{ServerName: "localhost", RootCAs: ca.Roots()})
		require.NoError(t, err)
		got := exchange(t, conn, false, request{method: "GET", target: "/status", header: []string{"Host: " + host, "Origin: " + origin}}.raw())
		assert.Equal(t, want, got.status, "%s %s", host, origin)
	}
	f("localhost:8080", "https://localhost:8080", 200)
	f("localhost", "https://localhost:443", 200)
	f("localhost:443", "https://localhost", 200)
	f("localhost:80", "https://localhost", 403)
	f("localhost:8080", "http://localhost:8080", 403)
	require.NoError(t, s.Shutdown(context.Background()))
	require.NoError(t, <-served)
}

// A request in clear where TLS is spoken is told so, with a body or without, and loses nothing of
// that response. What is neither is cut.
func TestInClearWhereTLSIsSpoken(t *testing.T) {
	s := New(secured(tlstest.NewCA(t), "localhost"), newSources(&fakeLimiter{}), zerolog.Nop())
	addr, served := serveTCP(t, s)
	f := func(sent string) []byte {
		t.Helper()
		conn, err := net.Dial("tcp", addr)
		require.NoError(t, err)
		defer conn.Close()
		_, err = conn.Write([]byte(sent))
		require.NoError(t, err)
		got, err := io.ReadAll(conn)
		require.NoError(t, err)
		return got
	}
	for _, req := range []request{
		{method: "GET", target: "/buckets"},
		{method: "POST", target: "/buckets", body: string(make([]byte, 4096))},
	} {
		got := string(f(req.raw()))
		assert.Contains(t, got, "HTTP/1.1 400 Bad Request\r\n")
		assert.Contains(t, got, "Connection: close\r\n")
		assert.Contains(t, got, `"type":"urn:gopher-equalizer:tls-wanted"`)
		assert.Contains(t, got, "want https://")
	}
	assert.NotContains(t, string(f("\x00\x01\x02\x03\x04")), "HTTP/")
	require.NoError(t, s.Shutdown(context.Background()))
	require.NoError(t, <-served)
}

// A unix socket needs no TLS, which a reload may turn on before it closes the socket.
func TestUnixSocketsHaveNoTLS(t *testing.T) {
	s := New(secured(tlstest.NewCA(t), "localhost"), newSources(&fakeLimiter{}), zerolog.Nop())
	ln, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	require.NoError(t, err)
	served := make(chan error, 1)
	go func() { served <- s.Serve(ln) }()
	conn, err := net.Dial("unix", ln.Addr().String())
	require.NoError(t, err)
	got := exchange(t, conn, false, request{method: "GET", target: "/status"}.raw())
	assert.Equal(t, 200, got.status)
	require.NoError(t, s.Shutdown(context.Background()))
	require.NoError(t, <-served)
}
