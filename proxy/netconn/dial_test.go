package netconn

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/balancer/tlstest"
	"gopher-equalizer/proxy/netconn/deadtest"
)

// secured is a connection to a backend by TLS, and its other end, which has served the handshake.
type secured struct {
	*Backend
	theirs *tls.Conn
	dialed *Dialer
}

// dialTLS connects by TLS. It adds what the two configurations leave out.
func dialTLS(t *testing.T, limits BackendLimits, server, client *tls.Config) secured {
	t.Helper()
	ca := tlstest.NewCA(t)
	if server.Certificates == nil {
		server.Certificates = []tls.Certificate{ca.Issue("backend.test")}
	}
	client.RootCAs, client.ServerName = ca.Roots(), "backend.test"
	client.NextProtos = []string{"http/1.1"}
	ln, accepted := serveTLS(t, server)
	limits.Connect = patience
	d := NewDialer(limits, nil, nil)
	c, err := d.Dial(context.Background(), Target{Network: "tcp", Addr: ln.Addr().String(), TLS: client})
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	return secured{c, <-accepted, d}
}

// serveTLS makes the handshakes of a listener's connections. If one fails, the client has the
// error.
func serveTLS(t *testing.T, config *tls.Config) (net.Listener, <-chan *tls.Conn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	accepted := make(chan *tls.Conn, 10)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			c.SetDeadline(time.Now().Add(patience))
			secure := tls.Server(c, config)
			if secure.Handshake() != nil {
				c.Close()
				continue
			}
			accepted <- secure
		}
	}()
	t.Cleanup(func() {
		ln.Close()
		<-ended
		for close(accepted); ; {
			c, ok := <-accepted
			if !ok {
				return
			}
			c.Close()
		}
	})
	return ln, accepted
}

// exchange is one request and its response.
func (s secured) exchange(t *testing.T) {
	t.Helper()
	s.Begin(nil)
	send(t, s.Backend, "request")
	expect(t, s.theirs, "request")
	s.RequestSent()
	send(t, s.theirs, "response")
	expect(t, s.Backend, "response")
	assert.EqualValues(t, len("request"), s.BytesSent())
	assert.EqualValues(t, len("response"), s.BytesReceived())
}

func expect(t *testing.T, from io.Reader, text string) {
	t.Helper()
	got := make([]byte, len(text))
	_, err := io.ReadFull(from, got)
	require.NoError(t, err)
	require.Equal(t, text, string(got))
}

func TestTLS(t *testing.T) {
	var asked string
	s := dialTLS(t, BackendLimits{}, &tls.Config{
		NextProtos:         []string{"h2", "http/1.1"},
		GetConfigForClient: func(h *tls.ClientHelloInfo) (*tls.Config, error) { asked = h.ServerName; return nil, nil },
	}, &tls.Config{})
	assert.Equal(t, "backend.test", asked)
	assert.Equal(t, "http/1.1", s.theirs.ConnectionState().NegotiatedProtocol)
	for range 3 {
		s.exchange(t)
	}
}

// A handshake's error says what was wrong. The connection is closed.
func TestTLSRefuses(t *testing.T) {
	ca, other := tlstest.NewCA(t), tlstest.NewCA(t)
	f := func(want string, server *tls.Config, client tls.Certificate) {
		t.Helper()
		ln, accepted := serveTLS(t, server)
		config := &tls.Config{RootCAs: ca.Roots(), ServerName: "backend.test", NextProtos: []string{"http/1.1"}}
		if client.Certificate != nil {
			config.Certificates = []tls.Certificate{client}
		}
		d := NewDialer(BackendLimits{Connect: patience}, nil, nil)
		c, err := d.Dial(context.Background(), Target{Network: "tcp", Addr: ln.Addr().String(), TLS: config})
		if want == "" {
			require.NoError(t, err)
			require.NoError(t, c.Close())
			require.NoError(t, (<-accepted).Close())
			return
		}
		require.ErrorContains(t, err, "TLS handshake: ")
		assert.ErrorContains(t, err, want)
		assert.Zero(t, d.registry.Len())
	}
	with := func(c tls.Certificate) *tls.Config { return &tls.Config{Certificates: []tls.Certificate{c}} }
	none := tls.Certificate{}
	f("", with(ca.Issue("backend.test")), none)
	f("certificate is valid for other.test, not backend.test", with(ca.Issue("other.test")), none)
	f("certificate has expired", with(ca.IssueExpired("backend.test")), none)
	f("certificate signed by unknown authority", with(other.Issue("backend.test")), none)

	other11 := with(ca.Issue("backend.test"))
	other11.NextProtos = []string{"other/1.1"}
	f("no application protocol", other11, none)

	asking := with(ca.Issue("backend.test"))
	asking.ClientAuth, asking.ClientCAs = tls.RequireAndVerifyClientCert, ca.Roots()
	f("", asking, ca.Issue("equalizer.test"))
	asking.MaxVersion = tls.VersionTLS12 // 1.3 tells the client after the handshake
	f("handshake failure", asking, none)
	f("unknown certificate authority", asking, other.Issue("equalizer.test"))
}

// With TLS 1.3 the client's handshake is over before the backend has looked at its certificate.
func TestTLSClientCertificateMissing(t *testing.T) {
	ca := tlstest.NewCA(t)
	ln, _ := serveTLS(t, &tls.Config{
		Certificates: []tls.Certificate{ca.Issue("backend.test")},
		ClientAuth:   tls.RequireAnyClientCert,
	})
	c, err := NewDialer(BackendLimits{Connect: patience}, nil, nil).Dial(context.Background(), Target{
		Network: "tcp", Addr: ln.Addr().String(),
		TLS: &tls.Config{RootCAs: ca.Roots(), ServerName: "backend.test"},
	})
	require.NoError(t, err)
	defer c.Close()
	c.Begin(nil)
	_, err = read(c)
	assert.ErrorContains(t, err, "certificate required")
	assert.Error(t, c.Err())
	assert.Zero(t, c.BytesReceived())
}

// The handshake is part of the time for the connect.
func TestTLSHandshakeIsPartOfTheConnect(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer ln.Close()
	target := tcp(ln)
	target.TLS = &tls.Config{ServerName: "backend.test"}
	takes(t, brief, func() {
		_, err = NewDialer(BackendLimits{Connect: brief}, nil, nil).Dial(context.Background(), target)
	})
	var late net.Error
	require.True(t, errors.As(err, &late), "%v", err)
	assert.True(t, late.Timeout())
}

// arrived waits until something has come that TLS hasn't read.
func (s secured) arrived(t *testing.T) {
	t.Helper()
	require.Eventually(t, func() bool { return !s.link.quiet() }, patience, time.Millisecond)
}

// A session ticket does not make a connection stale.
func TestTLSTicketsAreQuiet(t *testing.T) {
	// A client that is asked for a certificate gets its ticket after its handshake, else within it.
	s := dialTLS(t, BackendLimits{}, &tls.Config{ClientAuth: tls.RequestClientCert},
		&tls.Config{ClientSessionCache: tls.NewLRUClientSessionCache(1)})
	s.Begin(nil)
	s.arrived(t)
	assert.True(t, s.quiet())
	assert.True(t, s.link.quiet(), "it was taken")
	s.Begin(nil)
	assert.False(t, s.Stale())
	for range 3 {
		s.exchange(t)
	}
}

func TestTLSStale(t *testing.T) {
	f := func(why string, what func(secured)) {
		t.Helper()
		s := dialTLS(t, BackendLimits{}, &tls.Config{}, &tls.Config{})
		s.exchange(t)
		assert.True(t, s.quiet())
		what(s)
		require.Eventually(t, func() bool { return !s.quiet() }, patience, time.Millisecond, why)
		assert.False(t, s.quiet(), "%s: and it stays so", why)
		s.Begin(nil)
		assert.True(t, s.Stale(), why)
	}
	f("closed", func(s secured) { s.theirs.Close() })
	f("the alert alone", func(s secured) { require.NoError(t, s.theirs.CloseWrite()) })
	f("closed without the alert", func(s secured) { s.theirs.NetConn().Close() })
	f("no TLS", func(s secured) { send(t, s.theirs.NetConn(), "HTTP/1.1 408 Request Timeout\r\n\r\n") })
	f("unsolicited", func(s secured) { send(t, s.theirs, "x") })
}

// The alert may come with the end of the response, and be read with it. The network shows nothing
// then.
func TestTLSStaleFromTheResponseOn(t *testing.T) {
	s := dialTLS(t, BackendLimits{}, &tls.Config{}, &tls.Config{})
	s.exchange(t)
	s.Begin(nil)
	send(t, s.theirs, "response")
	require.NoError(t, s.theirs.CloseWrite())
	s.arrived(t)
	for got := 0; got < len("response"); {
		n, err := s.Read(make([]byte, 1))
		require.NoError(t, err, "what follows comes after the response")
		got += n
	}
	s.Begin(nil)
	assert.True(t, s.Stale())
	_, err := read(s)
	assert.Equal(t, io.EOF, err)
}

// The byte that quiet reads is there for the next Read.
func TestTLSQuietKeepsTheResponse(t *testing.T) {
	s := dialTLS(t, BackendLimits{}, &tls.Config{}, &tls.Config{})
	s.Begin(nil)
	assert.True(t, s.quiet())
	send(t, s.theirs, "response")
	require.Eventually(t, func() bool { return !s.quiet() }, patience, time.Millisecond)
	n, err := s.Read(nil)
	assert.Zero(t, n)
	assert.NoError(t, err)
	expect(t, s.Backend, "response")
	assert.EqualValues(t, len("response"), s.BytesReceived())
	assert.True(t, s.quiet())
}

// An end without TLS's alert is an error.
func TestTLSCut(t *testing.T) {
	s := dialTLS(t, BackendLimits{}, &tls.Config{}, &tls.Config{})
	s.Begin(nil)
	send(t, s.theirs, "half")
	s.theirs.NetConn().Close()
	expect(t, s.Backend, "half")
	_, err := read(s)
	assert.Equal(t, errBackendCut, err)
	assert.EqualError(t, err, "the backend closed the connection without TLS's closing alert")
	assert.Equal(t, errBackendCut, s.Err())
}

// Each tick wakes a Write that waits, and it goes on where it was.
func TestTLSWriteGoesOn(t *testing.T) {
	s := dialTLS(t, BackendLimits{Response: brief, Idle: patience}, &tls.Config{}, &tls.Config{})
	sent := make([]byte, 8<<20)
	_, _ = rand.Read(sent) // never fails
	s.Begin(nil)
	began := s.registry.now.Load()
	wrote := make(chan error, 1)
	go func() {
		_, err := s.Write(sent)
		wrote <- err
	}()
	require.Eventually(t, func() bool {
		return s.registry.now.Load() > began+5*s.registry.tick.Load() && s.writing.due.Load() != 0
	},
		patience, time.Millisecond)
	got := make([]byte, len(sent))
	_, err := io.ReadFull(s.theirs, got)
	require.NoError(t, err)
	require.NoError(t, <-wrote)
	assert.True(t, bytes.Equal(sent, got))
	assert.EqualValues(t, len(sent), s.BytesSent())
}

func TestTLSTimeouts(t *testing.T) {
	s := dialTLS(t, BackendLimits{Response: brief, Idle: 2 * brief}, &tls.Config{}, &tls.Config{})
	s.Begin(nil)
	takes(t, brief, func() {
		s.RequestSent()
		_, err := read(s)
		assert.ErrorIs(t, err, ErrTimeout)
	})
	assert.Equal(t, ErrTimeout, s.Err())

	s = dialTLS(t, BackendLimits{Idle: brief}, &tls.Config{}, &tls.Config{})
	s.Begin(nil)
	takes(t, brief, func() {
		_, err := s.Write(make([]byte, 64<<20))
		assert.ErrorIs(t, err, ErrTimeout)
	})
	assert.Equal(t, ErrTimeout, s.Err())
	require.NoError(t, s.Close(), "with no room for an alert")
}

// Close sends the alert.
func TestTLSClose(t *testing.T) {
	s := dialTLS(t, BackendLimits{}, &tls.Config{}, &tls.Config{})
	s.exchange(t)
	require.NoError(t, s.Close())
	_, err := s.theirs.Read(make([]byte, 1))
	assert.Equal(t, io.EOF, err, "the alert, not just the end")
	assert.Zero(t, s.dialed.registry.Len())
}

func TestTLSRenew(t *testing.T) {
	ca := tlstest.NewCA(t)
	ln, accepted := serveTLS(t, &tls.Config{Certificates: []tls.Certificate{ca.Issue("backend.test")}})
	d := NewDialer(BackendLimits{Connect: patience}, nil, nil)
	c, err := d.Dial(context.Background(), Target{Network: "tcp", Addr: ln.Addr().String(), TLS: &tls.Config{RootCAs: ca.Roots(), ServerName: "backend.test"}})
	require.NoError(t, err)
	defer c.Close()
	s := secured{c, <-accepted, d}
	s.exchange(t)
	require.NoError(t, s.Renew(t.Context()))
	_, err = s.theirs.Read(make([]byte, 1))
	assert.Equal(t, io.EOF, err)
	s.theirs.Close()
	s.theirs = <-accepted
	defer s.theirs.Close()
	s.exchange(t)
	assert.True(t, s.quiet())

	deadtest.Close(t, ln)
	require.Error(t, s.Renew(t.Context()))
	s.exchange(t)
}

func TestUnixSocket(t *testing.T) {
	ln, err := net.Listen("unix", filepath.Join(t.TempDir(), "app.sock"))
	require.NoError(t, err)
	defer ln.Close()
	target := Target{Network: "unix", Addr: ln.Addr().String()}
	c, err := NewDialer(BackendLimits{Connect: patience}, nil, nil).Dial(context.Background(), target)
	require.NoError(t, err)
	defer c.Close()
	theirs, err := ln.Accept()
	require.NoError(t, err)
	b := c
	for range 2 {
		b.Begin(nil)
		send(t, b, "request")
		expect(t, theirs, "request")
		send(t, theirs, "response")
		expect(t, b, "response")
	}
	theirs.Close()
	await(t, b)
	b.Begin(nil)
	assert.True(t, b.Stale())

	ln.Close()
	_, err = NewDialer(BackendLimits{Connect: patience}, nil, nil).Dial(context.Background(), target)
	assert.ErrorContains(t, err, "no such file")
}

// A tunnel to a backend by TLS carries the decrypted bytes, both ways, each to its own end.
func TestTLSTunnel(t *testing.T) {
	s := dialTLS(t, BackendLimits{Response: brief, Idle: patience, Total: brief}, &tls.Config{ClientAuth: tls.RequestClientCert},
		&tls.Config{ClientSessionCache: tls.NewLRUClientSessionCache(1)})
	_, c, theirs := client(t, ClientLimits{Write: patience})
	s.Begin(nil)
	s.RequestSent()
	ended := make(chan error, 1)
	var down int64
	go func() {
		var err error
		down, err = Tunnel(&c.Conn, &s.Backend.Conn, time.Minute, &Buffers{})
		ended <- err
	}()
	ticks := func(n int64, and func() bool) {
		t.Helper()
		began := s.registry.now.Load()
		require.Eventually(t, func() bool { return s.registry.now.Load() > began+n*s.registry.tick.Load() && and() }, patience, time.Millisecond)
	}
	// The times of an exchange pass. They do not bound the tunnel.
	ticks(2*int64(brief)/s.registry.tick.Load(), func() bool { return true })
	sent := make([]byte, 16<<20)
	_, _ = rand.Read(sent) // never fails
	for _, way := range []struct{ from, to net.Conn }{{theirs, s.theirs}, {s.theirs, theirs}} {
		go func() { _, _ = way.from.Write(sent) }()
		if way.to == s.theirs {
			ticks(5, func() bool { return s.writing.due.Load() != 0 }) // it waits for the backend
		}
		got := make([]byte, len(sent))
		_, err := io.ReadFull(way.to, got)
		require.NoError(t, err)
		require.True(t, bytes.Equal(sent, got))
	}

	require.NoError(t, theirs.CloseWrite())
	_, err := s.theirs.Read(make([]byte, 1))
	require.Equal(t, io.EOF, err, "by TLS's alert")
	send(t, s.theirs, "last words")
	require.NoError(t, s.theirs.CloseWrite())
	got, err := io.ReadAll(theirs)
	require.NoError(t, err)
	assert.Equal(t, "last words", string(got))
	require.NoError(t, <-ended)
	assert.EqualValues(t, len(sent)+len("last words"), down)
}

func TestTLSTunnelEnds(t *testing.T) {
	f := func(limit time.Duration, want error, end func(s secured, theirs *net.TCPConn)) {
		t.Helper()
		s := dialTLS(t, BackendLimits{Response: brief, Idle: patience}, &tls.Config{}, &tls.Config{})
		_, c, theirs := client(t, ClientLimits{Write: brief, Header: brief})
		s.Begin(nil)
		ended := make(chan error, 1)
		go func() {
			_, err := Tunnel(&c.Conn, &s.Backend.Conn, limit, &Buffers{})
			ended <- err
		}()
		send(t, theirs, "x")
		expect(t, s.theirs, "x")
		end(s, theirs)
		err := <-ended
		if want == nil {
			assert.NoError(t, err)
		} else {
			assert.ErrorIs(t, err, want)
		}
	}
	f(brief, ErrTimeout, func(secured, *net.TCPConn) {})
	f(time.Minute, errBackendCut, func(s secured, _ *net.TCPConn) { s.theirs.NetConn().Close() })
	f(time.Minute, nil, func(s secured, theirs *net.TCPConn) { s.theirs.Close(); theirs.Close() })
}
