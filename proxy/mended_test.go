package proxy

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const chunkedOnce = "Transfer-Encoding: chunked\r\n"

// What all readers read alike is framed anew. The client sees nothing of it, and the connection to
// the backend is used again where there is no doubt about what follows.
func TestOddResponsesAreFramedAnew(t *testing.T) {
	f := func(name, response, framing string, kept bool, mended int) {
		t.Run(name, func(t *testing.T) {
			b, _ := answering(t, response)
			p := proxyTo(t, b.addr)
			c := p.dial()
			for i := range 3 {
				require.True(t, c.send(plainGet))
				head := c.nextHead()
				if strings.HasPrefix(head, "HTTP/1.1 103") {
					head = c.nextHead()
				}
				assert.True(t, strings.HasPrefix(head, "HTTP/1.1 200 OK\r\n"), head)
				assert.Equal(t, 1, strings.Count(strings.ToLower(head), "\r\ncontent-length:")+strings.Count(strings.ToLower(head), "\r\ntransfer-encoding:"), head)
				assert.Contains(t, head, "\r\n"+framing+"\r\n")
				assert.NotRegexp(t, "[^\r]\n", head)
				body, complete := c.readBody(head)
				assert.True(t, complete)
				assert.Equal(t, "hello", body)
				want := int64(1)
				if !kept {
					want = int64(i + 1)
				}
				assert.Equal(t, want, b.conns.Load())
				assert.EqualValues(t, mended*(i+1), p.Stats().Mended)
			}
			assert.Zero(t, p.pool.balancers[0].Status()[0].Failures)
		})
	}
	const ok, chunks = "HTTP/1.1 200 OK\r\n", "5\r\nhello\r\n0\r\n\r\n"
	const sized, coded = "Content-Length: 5", "Transfer-Encoding: chunked"
	f("chunked twice", ok+chunkedOnce+chunkedOnce+"\r\n"+chunks, coded, true, 1)
	f("chunked twice in a list", ok+"Transfer-Encoding: chunked, chunked\r\n\r\n"+chunks, coded, true, 1)
	f("chunked, then a length", ok+chunkedOnce+"Content-Length: 3\r\n\r\n"+chunks, coded, false, 1)
	f("a length, then chunked", ok+"Content-Length: 3\r\nConnection: keep-alive\r\n"+chunkedOnce+"\r\n"+chunks, coded, false, 1)
	f("two equal lengths", ok+"Content-Length: 5\r\nX: y\r\ncontent-length: 5\r\n\r\nhello", sized, true, 1)
	f("equal lengths in a list", ok+"Content-Length: 5, 5\r\n\r\nhello", sized, true, 1)
	f("a length with zeros", ok+"Content-Length: 005\r\n\r\nhello", sized, true, 0)
	f("bare LF", "HTTP/1.1 200 OK\nX: y\nContent-Length: 5\n\nhello", sized, true, 1)
	f("a bare LF among others", ok+"X: y\nContent-Length: 5\r\n\r\nhello", sized, false, 1)
	f("a bare LF in an interim head", "HTTP/1.1 103 Early Hints\r\nX: y\n\n"+ok+"Content-Length: 5\r\n\r\nhello", sized, false, 1)
	f("bare LF in an interim head", "HTTP/1.1 103 Early Hints\nX: y\n\n"+ok+"Content-Length: 5\r\n\r\nhello", sized, true, 1)
	f("bare LF in chunks", ok+chunkedOnce+"\r\n5\nhello\n0\nX: y\n\n", coded, true, 0)
	f("a bare LF among the trailers", ok+chunkedOnce+"\r\n5\r\nhello\r\n0\r\nX: y\n\n", coded, false, 0)
	f("HTTP/1.2", "HTTP/1.2 200 OK\r\nContent-Length: 5\r\n\r\nhello", sized, true, 0)
	f("blanks behind sizes", ok+chunkedOnce+"\r\n5 \r\nhello\r\n0 \t\r\n\r\n", coded, true, 0)
	f("blanks before an extension", ok+chunkedOnce+"\r\n5 ;x=y\r\nhello\r\n0\r\n\r\n", coded, true, 0)
}

// An HTTP/1.0 client gets the bytes alone, and a HEAD no length that doesn't count.
func TestOddResponsesToOthers(t *testing.T) {
	const both = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n" + chunkedOnce + "\r\n"
	b, _ := answering(t, both+"5\r\nhello\r\n0\r\n\r\n")
	p := proxyTo(t, b.addr)
	c := p.dial()
	require.True(t, c.send(get10))
	assert.NotContains(t, strings.ToLower(c.nextHead()), "content-length")
	assert.Equal(t, "hello", c.untilEnd())

	b, _ = answering(t, both)
	p = proxyTo(t, b.addr)
	c = p.dial()
	require.True(t, c.send("HEAD / HTTP/1.1\r\nHost: x\r\n\r\n"))
	assert.NotContains(t, strings.ToLower(c.nextHead()), "content-length")
}

// Each oddity of each backend is logged once, however often it comes.
func TestMendedResponsesAreLoggedOnce(t *testing.T) {
	one, _ := answering(t, "HTTP/1.1 200 OK\r\n"+chunkedOnce+chunkedOnce+"\r\n0\r\n\r\n")
	other, _ := answering(t, "HTTP/1.1 200 OK\n"+chunkedOnce+chunkedOnce+"\r\n0\r\n\r\n")
	s := settings()
	s.Log.Access = false
	p := startProxy(t, s, poolOf(t, connectionSettings(), one.addr, other.addr), nil)
	for range 10 {
		assert.Equal(t, 200, p.dial().do(plainGet).StatusCode)
	}
	told := map[string]int{}
	for _, line := range p.log.lines() {
		var warning struct{ Level, Backend, Sends string }
		require.NoError(t, json.Unmarshal([]byte(line), &warning))
		assert.Equal(t, "warn", warning.Level)
		told[warning.Backend+" "+strings.Fields(warning.Sends)[0]]++
	}
	assert.Equal(t, map[string]int{
		"http://" + one.addr + " Transfer-Encoding:": 1, "http://" + other.addr + " Transfer-Encoding:": 1, "http://" + other.addr + " header": 1,
	}, told)
	assert.EqualValues(t, 10, p.Stats().Mended)
}

// A 1xx says nothing of a body or of the backend's connection, and has the request's id. A 101 has
// our own Upgrade.
func TestHopByHopOfInformationalResponses(t *testing.T) {
	const odd = "Content-Length: 5\r\nKeep-Alive: timeout=5\r\nX-Hop: 1\r\nProxy-Connection: x\r\n" + chunkedOnce + "X-End: 2\r\n"
	b := startBackend(t, func(c *conn, _ int) {
		c.readHead()
		c.send("HTTP/1.1 103 Early Hints\r\nConnection: X-Hop\r\n" + odd + "\r\n")
		c.send("HTTP/1.1 101 Switching Protocols\r\n" + odd + "Connection: upgrade, X-Hop\r\nUpgrade: ECHO\r\n\r\nearly")
		echo(c)
	})
	p := proxyTo(t, b.addr)
	c := p.dial()
	require.True(t, c.send(strings.Replace(upgrade, "\r\n\r\n", "\r\nX-Request-ID: mine\r\n\r\n", 1)))
	hints, switched := c.nextHead(), c.nextHead()
	assert.Regexp(t, requestIDLine, hints)
	assert.Regexp(t, requestIDLine, switched)
	assert.Equal(t, "HTTP/1.1 103 Early Hints\r\nX-End: 2\r\n\r\n", withoutRequestID(hints))
	assert.Equal(t, "HTTP/1.1 101 Switching Protocols\r\nX-End: 2\r\nConnection: Upgrade\r\nUpgrade: ECHO\r\n\r\n", withoutRequestID(switched))
	c.expect("early")
	c.echoes("hello")
}

// Nobody asked for these protocols.
func TestSwitchToAnotherProtocol(t *testing.T) {
	for _, fields := range []string{"", "Connection: Upgrade\r\n", "Upgrade:\r\n", "Upgrade: websocket\r\n", "Upgrade: echo, h2c\r\n", "Upgrade: echo\r\nUpgrade: h2c\r\n"} {
		b := startBackend(t, func(c *conn, _ int) {
			c.readHead()
			c.send("HTTP/1.1 101 Switching Protocols\r\n" + fields + "\r\nsecret")
			c.untilEnd()
		})
		p := proxyTo(t, b.addr)
		c := p.dial()
		p.isProblem(c.do(upgrade), 502, "backend-broken")
		line := p.logged(1)
		assert.Equal(t, []string{"response", "switch", "Upgrade"}, []string{line.Refused, line.Reason, line.Field}, fields)
	}
}
