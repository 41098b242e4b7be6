package proxy

import (
	"bufio"
	"crypto/tls"
	"encoding/json"
	"io"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/proxy/identity"
)

// introducing has connections from networks begin with a PROXY header, and closes others.
func introducing(t *testing.T, networks ...string) Listener {
	t.Helper()
	n, err := identity.ParseNetworks("network", networks)
	require.NoError(t, err)
	return Listener{ProxyProtocol: n}
}

// namingV2 is a binary header, of the command LOCAL or PROXY.
func namingV2(command byte, client string) string {
	addr := netip.MustParseAddr(client).As4()
	b := append([]byte("\r\n\r\n\x00\r\nQUIT\n"), 0x20|command, 0x11, 0, 12)
	b = append(append(b, addr[:]...), 192, 0, 2, 9, 4, 210, 1, 187)
	return string(b)
}

// The client that a proxy in front names is the peer: it is logged and forwarded as such, and it is
// asked whether it is a trusted proxy itself.
func TestIntroducedClient(t *testing.T) {
	b, got := answering(t, ok)
	s := settings()
	var err error
	s.Trusted, err = identity.ParseTrusted([]string{"203.0.113.0/24"})
	require.NoError(t, err)
	p := startProxy(t, s, poolOf(t, connectionSettings(), b.addr), nil)
	front, _ := p.on(introducing(t, "127.0.0.0/8"))
	const request = "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 10.1.1.1\r\n\r\n"
	for i, c := range []struct{ header, peer, client string }{
		{"PROXY TCP4 192.0.2.7 192.0.2.9 1234 443\r\n", "192.0.2.7", "192.0.2.7"},
		{"PROXY TCP4 203.0.113.7 192.0.2.9 1234 443\r\n", "203.0.113.7", "10.1.1.1"},
		{"PROXY TCP6 ::ffff:192.0.2.7 ::1 1 1\r\n", "192.0.2.7", "192.0.2.7"},
		{"PROXY TCP6 2001:db8::7 ::1 1 1\r\n", "2001:db8::7", "2001:db8::7"},
		{"PROXY UNKNOWN\r\n", "127.0.0.1", "127.0.0.1"},
		{namingV2(1, "192.0.2.8"), "192.0.2.8", "192.0.2.8"},
		{namingV2(0, "192.0.2.8"), "127.0.0.1", "127.0.0.1"},
	} {
		in := front.dial()
		assert.Equal(t, "ok", in.do(c.header+request).body, "in one packet")
		assert.Equal(t, "ok", in.do(request).body, "there is one header a connection")
		line := p.logged(2*i + 2)
		assert.Equal(t, c.peer, line.Request.RemoteIP, c.header)
		assert.Equal(t, c.client, line.Request.ClientIP, c.header)
		assert.Contains(t, got.list()[2*i+1], "\r\nX-Real-IP: "+c.client+"\r\n")
	}
	assert.Zero(t, p.Stats().Unintroduced)
}

// The header comes before TLS.
func TestIntroducedClientByTLS(t *testing.T) {
	b, got := answering(t, ok)
	p := proxyTo(t, b.addr)
	a := serves(t, "a.test")
	how := introducing(t, "127.0.0.1")
	how.TLS = a.server.Listener(tls12, nil)
	front, _ := p.on(how)
	plain := front.dial()
	require.True(t, plain.send(namingV2(1, "192.0.2.8")))
	secure := tls.Client(plain.Conn, a.client("a.test"))
	require.NoError(t, secure.Handshake())
	c := &conn{Conn: secure, t: t, br: bufio.NewReader(secure)}
	assert.Equal(t, "ok", c.do(get("a.test", "/")).body)
	assert.Contains(t, got.list()[0], "\r\nX-Real-IP: 192.0.2.8\r\n")
}

// A connection without the header is closed, and so is one from elsewhere, whatever it says. They
// are counted, and logged once a second. Those that only look whether somebody listens aren't.
func TestUnintroducedClients(t *testing.T) {
	b, got := answering(t, ok)
	p := proxyTo(t, b.addr)
	front, _ := p.on(introducing(t, "127.0.0.1"))
	elsewhere, _ := p.on(introducing(t, "192.0.2.0/24"))
	isClosed := func(c *conn) {
		t.Helper()
		require.NoError(t, c.SetReadDeadline(time.Now().Add(patience)))
		rest, err := io.ReadAll(c)
		assert.Empty(t, string(rest))
		require.NotErrorIs(t, err, os.ErrDeadlineExceeded)
	}
	bad := []string{get("a", "/"), "\x16\x03\x01\x02\x00\x01", "PROXY TCP4 192.0.2.7 192.0.2.9 1234\r\n" + get("a", "/")}
	for _, text := range bad {
		c := front.dial()
		require.True(t, c.send(text))
		isClosed(c)
	}
	c := elsewhere.dial()
	c.send(namingV2(1, "192.0.2.8") + get("a", "/")) // It may be closed already.
	isClosed(c)
	c = front.dial()
	c.closeWrite()
	isClosed(c)
	require.Eventually(t, func() bool { return p.Stats().Unintroduced == int64(len(bad))+1 }, patience, time.Millisecond)
	assert.Empty(t, got.list())
	var line struct {
		Level, Error, Message string
		RemoteIP              string `json:"remote_ip"`
	}
	lines := p.log.lines()
	assert.Less(t, len(lines), len(bad)+1)
	require.NoError(t, json.Unmarshal([]byte(lines[0]), &line))
	assert.Equal(t, "warn", line.Level)
	assert.Equal(t, "127.0.0.1", line.RemoteIP)
	assert.True(t, strings.Contains(line.Error, "PROXY"), line.Error)
}
