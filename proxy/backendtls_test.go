package proxy

import (
	"bufio"
	"crypto/tls"
	"io"
	"net"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/balancer"
	"gopher-equalizer/balancer/tlstest"
)

// poolAt is a pool of one backend, without probes' finding.
func poolAt(t *testing.T, b balancer.BackendSettings) *fakePool {
	t.Helper()
	b.URL, b.Weight, b.State = "backend under test", 1, balancer.Ready
	return probed(t, balancer.Settings{
		Name: "test", Backends: []balancer.BackendSettings{b}, Logger: zerolog.Nop(), NewProber: NewBackends(connectionSettings()).New,
		Health: balancer.HealthSettings{Type: balancer.HealthTCP, Interval: time.Minute, Timeout: patience, Rise: 1, Fall: 1},
	})
}

// proxyToTLS starts a proxy with a backend by TLS that does with each connection what serve says.
func proxyToTLS(t *testing.T, serve func(c *conn, secure *tls.Conn)) *proxied {
	t.Helper()
	ca := tlstest.NewCA(t)
	server := &tls.Config{Certificates: []tls.Certificate{ca.Issue("backend.test")}}
	b := startBackend(t, func(c *conn, _ int) {
		secure := tls.Server(buffered{c.Conn, c.br}, server)
		if secure.Handshake() != nil {
			return
		}
		over := &conn{Conn: secure, t: t, br: bufio.NewReader(secure)}
		if _, err := over.br.Peek(1); err == nil { // a probe's has nothing
			serve(over, secure)
		}
	})
	return startProxy(t, settings(), poolAt(t, balancer.BackendSettings{
		Addr: b.addr, TLS: &tls.Config{RootCAs: ca.Roots(), ServerName: "backend.test"},
	}), nil)
}

// buffered is a connection that br has read ahead from.
type buffered struct {
	net.Conn
	br *bufio.Reader
}

func (b buffered) Read(p []byte) (int, error) { return b.br.Read(p) }

// Sessions are resumed, by every connection but the first that nobody had a ticket for.
func TestTLSSessionsAreResumed(t *testing.T) {
	var resumed, made atomic.Int64
	p := proxyToTLS(t, func(c *conn, secure *tls.Conn) {
		made.Add(1)
		if secure.ConnectionState().DidResume {
			resumed.Add(1)
		}
		c.readRequest()
		c.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
		secure.Close()
	})
	client := p.dial()
	for range 3 {
		require.Equal(t, "ok", client.do("GET / HTTP/1.1\r\nHost: x\r\n\r\n").body)
	}
	assert.EqualValues(t, 3, made.Load())
	assert.EqualValues(t, 2, resumed.Load())
}

// Connections are kept, whatever TLS sends besides, and left when they were closed.
func TestTLSConnectionsAreKept(t *testing.T) {
	var made atomic.Int64
	closed := make(chan struct{}, 1)
	p := proxyToTLS(t, func(c *conn, secure *tls.Conn) {
		made.Add(1)
		for range 3 {
			c.readRequest()
			c.send(ok)
		}
		secure.Close()
		closed <- struct{}{}
	})
	client := p.dial()
	for range 2 {
		for range 3 {
			require.Equal(t, "ok", client.do(sized(4)+"body").body)
		}
		<-closed
	}
	assert.EqualValues(t, 2, made.Load())
	assert.Zero(t, p.Stats().Retries)
}

// A response that goes up to the end of its connection is whole if TLS says that this is the end.
func TestTLSEndOfAnAnswer(t *testing.T) {
	f := func(end func(*tls.Conn), whole bool) {
		t.Helper()
		p := proxyToTLS(t, func(c *conn, secure *tls.Conn) {
			c.readRequest()
			c.send("HTTP/1.1 200 OK\r\n\r\nall there is")
			end(secure)
		})
		for _, request := range []string{"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "GET / HTTP/1.0\r\n\r\n"} {
			a := p.dial().do(request)
			assert.Equal(t, "all there is", a.body)
			assert.Equal(t, whole, a.err == nil, "%v", a.err)
		}
	}
	f(func(secure *tls.Conn) { secure.Close() }, true)
	f(func(secure *tls.Conn) { secure.NetConn().Close() }, false)
}

func TestBodiesOverTLS(t *testing.T) {
	body := string(make([]byte, 300_000))
	p := proxyToTLS(t, func(c *conn, _ *tls.Conn) {
		for req := c.readRequest(); req != ""; req = c.readRequest() {
			c.send("HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n" + req[len(req)-len(body):])
		}
	})
	client := p.dial()
	for range 3 {
		assert.Equal(t, body, client.do(sized(len(body))+body).body)
	}
}

// What is tunnelled is what TLS carries, and what came ahead with the backend's 101 is a part of
// that.
func TestUpgradeOverTLS(t *testing.T) {
	p := proxyToTLS(t, func(c *conn, secure *tls.Conn) {
		c.readHead()
		c.send("HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\nhello ")
		_, _ = io.Copy(secure, c.br)
		secure.CloseWrite()
	})
	client := p.dial()
	require.True(t, client.send("GET / HTTP/1.1\r\nHost: x\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\nahead "))
	assert.Contains(t, client.readHead(), "HTTP/1.1 101 ")
	client.expect("hello ahead ")
	require.True(t, client.send("and after"))
	client.expect("and after")
	require.NoError(t, client.Conn.(*net.TCPConn).CloseWrite())
	client.expectEnd()
}

func TestUnixBackend(t *testing.T) {
	ln, err := net.Listen("unix", filepath.Join(t.TempDir(), "app.sock"))
	require.NoError(t, err)
	var got requests
	serveOn(t, ln, func(c *conn, _ int) {
		for req := c.readRequest(); req != ""; req = c.readRequest() {
			got.add(req)
			c.send(ok)
		}
	})
	p := startProxy(t, settings(), poolAt(t, balancer.BackendSettings{Addr: ln.Addr().String()}), nil)
	assert.Equal(t, "ok", p.dial().do("GET / HTTP/1.0\r\n\r\n").body)
	assert.Contains(t, got.list()[0], "\r\nHost: localhost\r\n")
	client := p.dial()
	for range 3 {
		assert.Equal(t, "ok", client.do(sized(4)+"body").body)
	}
	require.NoError(t, ln.Close())
	assert.Equal(t, "ok", client.do(sized(4)+"body").body, "over the connection that is kept")
}
