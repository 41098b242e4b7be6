package proxy

import (
	"context"
	"crypto/sha256"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	upgrade  = "GET /chat HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n"
	switches = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n"
)

// switching is a backend that goes over to another protocol on each connection, and then does what
// then says.
func switching(t *testing.T, then func(c *conn)) (*backend, *requests) {
	t.Helper()
	var got requests
	return startBackend(t, func(c *conn, _ int) {
		head := c.readHead()
		got.add(head)
		if !strings.Contains(head, "/chat") {
			c.send(ok)
			return
		}
		protocol := "echo"
		if strings.Contains(head, "websocket") {
			protocol = "websocket"
		}
		c.send(strings.Replace(switches, "echo", protocol, 1))
		then(c)
	}), &got
}

func echo(c *conn) { _, _ = io.Copy(c.Conn, c.br) }

// upgraded is a connection that leads through the proxy to the backend.
func (p *proxied) upgraded() *conn {
	p.t.Helper()
	c := p.dial()
	require.True(p.t, c.send(upgrade))
	assert.True(p.t, strings.HasPrefix(c.nextHead(), "HTTP/1.1 101 "))
	return c
}

// echoes checks that text comes back.
func (c *conn) echoes(text string) {
	c.t.Helper()
	require.True(c.t, c.send(text))
	c.expect(text)
}

// The header of a 101 reaches the client as it is, except for what concerns the connection. The
// request's header said what protocol was meant.
func TestUpgrade(t *testing.T) {
	const want = "HTTP/1.1 101 Off We Go\r\nX-b: 1\r\nSec-WebSocket-accept: x=\r\nX-A: 2\r\nX-b: 3\r\nConnection: Upgrade\r\nUpgrade: Chat/2\r\n\r\n"
	const answer = "HTTP/1.1 101 Off We Go\r\nuPgRaDe: Chat/2\r\nX-b: 1\r\nconnection: UPGRADE\r\nSec-WebSocket-accept: x=\r\nX-A: 2\r\nX-b: 3\r\n\r\n"
	for _, fields := range []string{
		"Connection: Upgrade\r\nUpgrade: Chat/2\r\n",
		"upgrade: Chat/2\r\nconnection: keep-alive, UPGRADE\r\n",
		"Connection: keep-alive\r\nConnection: upgrade\r\nUpgrade: Chat/2\r\n",
		"Connection: x-a, upgrade\r\nX-A: b\r\nUPGRADE: Chat/2\r\n",
	} {
		head := make(chan string, 1)
		b := startBackend(t, func(c *conn, _ int) {
			head <- c.readHead()
			c.send(answer)
			echo(c)
		})
		p := proxyTo(t, b.addr)
		c := p.dial()
		require.True(t, c.send("GET / HTTP/1.1\r\nHost: x\r\nx-OTHER: 1\r\n"+fields+"\r\n"))
		assert.Equal(t, want, withoutRequestID(c.nextHead()))
		c.echoes("hello")
		got := await(t, head)
		assert.Regexp(t, "(?i)\r\nconnection: upgrade\r\n", got)
		assert.Regexp(t, "\r\n(?i:upgrade): Chat/2\r\n", got)
		assert.Contains(t, got, "\r\nx-OTHER: 1\r\n")
		assert.NotContains(t, got, "X-A")
		assert.Contains(t, got, "\r\nX-Forwarded-For: 127.0.0.1\r\n")
		require.NoError(t, c.Close())
	}
}

// What came with the request, and with the 101, belongs to the new protocol.
func TestUpgradeFlushesBothBuffers(t *testing.T) {
	early := strings.Repeat("early", 100)
	b := startBackend(t, func(c *conn, _ int) {
		c.readHead()
		c.send(switches + early)
		echo(c)
	})
	p := proxyTo(t, b.addr)
	c := p.dial()
	require.True(t, c.send(upgrade+"first"))
	require.NotEmpty(t, c.nextHead())
	c.expect(early + "first")
	c.echoes("second")
}

// Bytes go both ways, whole, whichever side ends, and its end is passed on.
func TestTunnelsCarryBothWays(t *testing.T) {
	const size = 8 << 20
	up, down := noise(1, size), noise(2, size)
	got := make(chan [sha256.Size]byte, 1)
	b, _ := switching(t, func(c *conn) {
		var sending sync.WaitGroup
		sending.Go(func() { c.send(string(down)) })
		sum := sha256.New()
		_, _ = io.CopyN(sum, c.br, size)
		sending.Wait()
		got <- [sha256.Size]byte(sum.Sum(nil))
		c.untilEnd()
	})
	p := proxyTo(t, b.addr)
	c := p.upgraded()
	var sending sync.WaitGroup
	sending.Go(func() { c.send(string(up)) })
	require.NoError(t, c.SetReadDeadline(time.Now().Add(3*patience)))
	data := make([]byte, size)
	_, err := io.ReadFull(c.br, data)
	require.NoError(t, err)
	assert.Equal(t, sha256.Sum256(down), sha256.Sum256(data))
	sending.Wait()
	assert.Equal(t, sha256.Sum256(up), await(t, got))
	require.NoError(t, c.Close())
}

// When one side ends, the other gets what was on its way, and ends too.
func TestTunnelsEnd(t *testing.T) {
	large := string(noise(3, 1<<20))
	b, _ := switching(t, func(c *conn) { c.send(large) })
	p := proxyTo(t, b.addr)
	c := p.upgraded()
	c.expect(large)
	c.expectEnd()

	got := make(chan string, 1)
	b, _ = switching(t, func(c *conn) { got <- c.untilEnd() })
	p = proxyTo(t, b.addr)
	c = p.upgraded()
	require.True(t, c.send(large))
	require.NoError(t, c.Close())
	assert.True(t, await(t, got) == large)

	ended := make(chan struct{}, 1)
	b, _ = switching(t, func(c *conn) {
		c.untilEnd()
		ended <- struct{}{}
	})
	p = proxyTo(t, b.addr)
	p.upgraded().reset()
	await(t, ended)
	require.Eventually(t, func() bool { return p.Stats().InFlight == 0 }, patience, time.Millisecond)
	assert.Zero(t, p.pool.balancers[0].Status()[0].Failures)
}

// A tunnel's connection to the backend serves nobody else.
func TestTunnelsAreNeverUsedAgain(t *testing.T) {
	b, _ := switching(t, func(c *conn) {
		if c.untilEnd() == "" {
			c.send("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecret")
		}
	})
	p := proxyTo(t, b.addr)
	for i := range 5 {
		c := p.upgraded()
		require.NoError(t, c.Close())
		assert.Equal(t, "ok", p.dial().do(plainGet).body)
		assert.EqualValues(t, 2*(i+1), b.conns.Load())
	}
}

// A backend that doesn't go over answers, and both connections are as good as before.
func TestUpgradeNotTaken(t *testing.T) {
	for _, answer := range []string{
		ok,
		"HTTP/1.1 426 Upgrade Required\r\nConnection: Upgrade\r\nUpgrade: other\r\nContent-Length: 2\r\n\r\nok",
		"HTTP/1.1 403 Forbidden\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk("ok") + chunksEnd,
	} {
		b, got := answering(t, answer)
		p := proxyTo(t, b.addr)
		c := p.dial()
		for range 2 {
			a := c.do(upgrade)
			assert.Equal(t, "ok", a.body)
			assert.False(t, a.Close)
			if a.StatusCode == 426 {
				assert.Equal(t, []string{"other"}, a.Header.Values("Upgrade"))
				assert.Equal(t, []string{"Upgrade"}, a.Header.Values("Connection"))
			}
		}
		// What came behind is the next request then.
		require.True(t, c.send(upgrade+plainGet))
		assert.Equal(t, "ok", c.readAnswer("GET").body)
		assert.Equal(t, "ok", c.readAnswer("GET").body)
		assert.Len(t, got.list(), 4)
		assert.EqualValues(t, 1, b.conns.Load())
	}
}

// Not every request that names a protocol asks for it, and nobody gets to speak cleartext HTTP/2
// behind our back.
func TestUpgradeNotPassedOn(t *testing.T) {
	f := func(request string) {
		t.Helper()
		b, got := answering(t, ok)
		p := proxyTo(t, b.addr)
		assert.Equal(t, "ok", p.dial().do(request).body)
		head := strings.ToLower(got.list()[0])
		for _, not := range []string{"\r\nupgrade:", "\r\nconnection:", "h2c", "http2-settings"} {
			assert.NotContains(t, head, not)
		}
	}
	const begin = "GET / HTTP/1.1\r\nHost: x\r\n"
	f(begin + "Upgrade: echo\r\n\r\n")
	f(begin + "Connection: keep-alive\r\nUpgrade: echo\r\n\r\n")
	f(begin + "Connection: upgrade\r\n\r\n")
	f(begin + "Connection: upgrade\r\nUpgrade:\r\n\r\n")
	f(begin + "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n")
	f(begin + "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: H2C\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n")
	f("GET / HTTP/1.0\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n")

	// Among others it is left out, or the others are too.
	b, got := answering(t, ok)
	p := proxyTo(t, b.addr)
	for i, list := range []string{
		"Upgrade: echo, h2c", "Upgrade: echo, h2c/2", "Upgrade: h2c\r\nUpgrade: echo", "Upgrade: echo\r\nUpgrade: h2c", "Upgrade: h2c\r\nUpgrade:",
	} {
		assert.Equal(t, "ok", p.dial().do(begin+"Connection: upgrade\r\n"+list+"\r\n\r\n").body)
		assert.NotContains(t, got.list()[i], "h2c", list)
	}
}

// Nobody asked for these, and a client could mistake what follows for its responses.
func TestUnaskedSwitch(t *testing.T) {
	for _, request := range []string{
		post + "\r\n",
		sized(4) + "body",
		"POST / HTTP/1.1\r\nHost: x\r\nUpgrade: echo\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
		"POST / HTTP/1.0\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n",
	} {
		rest := make(chan string, 1)
		b := startBackend(t, func(c *conn, _ int) {
			c.readRequest()
			c.send(switches + "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecret")
			rest <- c.untilEnd()
		})
		p := proxyTo(t, b.addr)
		c := p.dial()
		p.isProblem(c.do(request), 502, "backend-broken")
		assert.Empty(t, await(t, rest))
		assert.EqualValues(t, 1, p.pool.balancers[0].Status()[0].Failures)
	}
}

// A backend that breaks on the way to another protocol is a broken one.
func TestBrokenSwitch(t *testing.T) {
	for _, broken := range []string{
		"",
		switches[:len(switches)-2],
		"HTTP/1.1 101 Switching Protocols\r\nConnection : Upgrade\r\nUpgrade: echo\r\n\r\n",
		"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\n\r\n\r\n",
		"HTTP/1.0 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n",
	} {
		b := startBackend(t, func(c *conn, _ int) {
			c.readHead()
			c.send(broken)
		})
		p := proxyTo(t, b.addr)
		p.isProblem(p.dial().do(strings.Replace(upgrade, "GET", "POST", 1)), 502, "backend-broken")
	}
}

// A client that has tired of waiting for the 101 doesn't leave its backend waiting.
func TestClientGoesAwayBeforeSwitch(t *testing.T) {
	asked, ended := make(chan struct{}, 1), make(chan struct{}, 1)
	b := startBackend(t, func(c *conn, _ int) {
		c.readHead()
		asked <- struct{}{}
		c.untilEnd()
		ended <- struct{}{}
	})
	p := proxyTo(t, b.addr)
	c := p.dial()
	require.True(t, c.send(upgrade))
	await(t, asked)
	c.reset()
	await(t, ended)
	assert.Zero(t, p.pool.balancers[0].Status()[0].Failures)
}

// A limit counts upgrades like any request, and a refused one never reaches the backend.
func TestUpgradeOverTheLimit(t *testing.T) {
	b, got := switching(t, echo)
	l := &fakeLimiter{}
	l.left.Store(1)
	p := startProxy(t, settings(), poolOf(t, connectionSettings(), b.addr), l)
	p.upgraded().echoes("hello")
	p.isProblem(p.dial().do(upgrade), 429, "quota")
	assert.Len(t, got.list(), 1)
}

// The timeouts of requests and responses are none of a tunnel's.
func TestTunnelsOutlastOtherTimeouts(t *testing.T) {
	b, _ := switching(t, echo)
	s, cs := settings(), connectionSettings()
	s.Clients.Header, s.Clients.Idle, s.Clients.Read, s.Clients.Write = brief, brief, brief, brief
	cs.Timeouts.Response, cs.Timeouts.Idle, cs.Timeouts.Total, cs.KeepAlive = patience, brief, brief, brief
	p := startProxy(t, s, poolOf(t, cs, b.addr), nil)
	c := p.upgraded()
	<-time.After(5 * brief) // Not a wait for something: nobody has anything to say.
	c.echoes("still there")
}

// Tunnels go on while we stop, for as long as there is time.
func TestShutdownWaitsForTunnels(t *testing.T) {
	f := func(end func(c *conn, cancel context.CancelFunc), wanted string) {
		t.Helper()
		b, _ := switching(t, echo)
		p := proxyTo(t, b.addr)
		c := p.upgraded()
		p.Drain()
		c.echoes("draining")
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		done := make(chan error, 1)
		go func() { done <- shutDown(ctx, p.Proxy) }()
		p.refusesConnections()
		p.hasConnections(1) // One of those that were tried may have been accepted and not yet ended.
		c.echoes("stopping")
		end(c, cancel)
		err := await(t, done)
		if wanted == "" {
			require.NoError(t, err)
			return
		}
		require.ErrorIs(t, err, context.Canceled)
		assert.Contains(t, err.Error(), wanted)
		assert.Equal(t, "cut-at-stop", p.logged(1).Reason)
		c.untilEnd()
	}
	f(func(c *conn, _ context.CancelFunc) { _ = c.Close() }, "")
	f(func(_ *conn, cancel context.CancelFunc) { cancel() }, "1 connections were cut")
}

// refusesConnections waits until nothing listens any more.
func (p *proxied) refusesConnections() {
	p.t.Helper()
	require.Eventually(p.t, func() bool {
		c, err := net.Dial("tcp", p.addr)
		if err == nil {
			c.Close()
		}
		return err != nil
	}, patience, time.Millisecond)
}

// hasConnections waits until n clients are connected.
func (p *proxied) hasConnections(n int64) {
	p.t.Helper()
	require.Eventually(p.t, func() bool { return p.Stats().Connections == n }, patience, time.Millisecond)
}

// A tunnel has one line in the access log, when it is over.
func TestAccessLogOfTunnels(t *testing.T) {
	b, _ := switching(t, echo)
	p := proxyTo(t, b.addr)
	c := p.upgraded()
	c.echoes("hello")
	require.NoError(t, c.Close())
	line := p.logged(1)
	assert.Equal(t, 101, line.Status)
	assert.Equal(t, "/chat", line.Request.URI)
	assert.Empty(t, line.Error)
	assert.EqualValues(t, 1, p.Stats().Total)
}
