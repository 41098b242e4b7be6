package proxy

import (
	"errors"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The pace itself is tested in netconn, on a clock of the test's own. These tests show over sockets
// what it holds for, and what comes of it.

// paced has a least rate that a byte now and then doesn't keep, and little grace.
func paced(s *setup) { s.Clients.MinRate, s.Clients.RateGrace = 10<<10, brief }

// trickle sends a byte now and then until the connection ends, or stop is closed.
func (c *conn) trickle(bytes string, stop <-chan struct{}) {
	tick := time.NewTicker(brief / 10)
	defer tick.Stop()
	for c.send(bytes) {
		select {
		case <-tick.C:
		case <-stop:
			return
		}
	}
}

// A body that comes too slowly is answered, whether a backend waits for it or not.
func TestSlowUploads(t *testing.T) {
	f := func(head, piece string) {
		t.Run("", func(t *testing.T) {
			t.Parallel()
			b := startBackend(t, func(c *conn, _ int) { c.readRequest() })
			p := withTimeouts(t, paced, b.addr)
			c := p.dial()
			require.True(t, c.send(head))
			stop := make(chan struct{})
			defer close(stop)
			go c.trickle(piece, stop)
			a := c.readAnswer("POST")
			p.isProblem(a, 408, "slowly")
			assert.True(t, a.Close)
			line := p.logged(1)
			assert.Equal(t, 408, line.Status)
			assert.Equal(t, "rate", line.Reason)
			assert.EqualValues(t, 1, p.Stats().TooSlow)
			assert.Zero(t, p.pool.balancers[0].Status()[0].Failures)
		})
	}
	f(sized(1000), "x")
	f(sized(100_000), "x")
	f(chunked, chunk("x"))
	f(post+"Transfer-Encoding: chunked\r\n"+expecting, chunk("x"))
	f(post+"Connection: upgrade\r\nUpgrade: echo\r\nTransfer-Encoding: chunked\r\n\r\n", chunk("x"))
}

// A client owes nothing while its backend doesn't read, while it is to wait for a 100, and once the
// response has begun.
func TestUploadsThatOweNothing(t *testing.T) {
	const (
		size   = 24 << 20 // more than the buffers on the way hold
		length = "Content-Length: 25165824\r\n"
		answer = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n"
	)
	slow := func() { <-time.After(4 * brief) } // Not a wait for something: this is the slow side.
	f := func(name, fields string, backend, client func(c *conn)) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := startBackend(t, func(c *conn, _ int) {
				c.readHead()
				backend(c)
				if _, err := io.CopyN(io.Discard, c.br, size); err == nil {
					c.send("end")
				}
			})
			p := withTimeouts(t, paced, b.addr)
			c := p.dial()
			require.True(t, c.send(post+length+fields))
			client(c)
			_, err := io.Copy(c.Conn, &zeros{size})
			require.NoError(t, err)
			a := c.finalAnswer("POST")
			require.NoError(t, a.err)
			assert.Equal(t, "end", a.body)
			assert.Zero(t, p.Stats().TooSlow)
		})
	}
	f("the backend doesn't read", "\r\n", func(c *conn) {
		slow()
		c.send(answer)
	}, func(*conn) {})
	f("waiting for a 100", expecting, func(c *conn) {
		slow()
		c.send(hundred + answer)
	}, func(c *conn) { _, _ = c.br.Peek(1) })
	f("the response has begun", "\r\n", func(c *conn) { c.send(answer) }, func(c *conn) {
		_, _ = c.br.Peek(1)
		slow()
	})
}

// readsNothing is a client with a small buffer that sends a request.
func (p *proxied) readsNothing(request string) *conn {
	p.t.Helper()
	d := net.Dialer{Control: func(_, _ string, rc syscall.RawConn) error {
		return rc.Control(func(fd uintptr) { _ = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 4<<10) })
	}}
	nc, err := d.Dial("tcp", p.addr)
	require.NoError(p.t, err)
	p.t.Cleanup(func() { _ = nc.Close() })
	c := &conn{Conn: nc, t: p.t}
	require.True(p.t, c.send(request))
	return c
}

// A client that takes its response too slowly is cut off with a reset, and its backend gets on with
// other things.
func TestSlowReaders(t *testing.T) {
	f := func(head string, frame func(string) string) {
		t.Run("", func(t *testing.T) {
			t.Parallel()
			ended := make(chan struct{})
			b := startBackend(t, func(c *conn, _ int) {
				c.readHead()
				c.send(head)
				for piece := frame(strings.Repeat("x", 1<<16)); c.send(piece); {
				}
				close(ended)
			})
			p := withTimeouts(t, paced, b.addr)
			c := p.readsNothing(plainGet)
			await(t, ended)
			line := p.logged(1)
			assert.Equal(t, 200, line.Status)
			assert.Equal(t, "rate", line.Reason)
			assert.EqualValues(t, 1, p.Stats().TooSlow)
			assert.EqualValues(t, 1, p.Stats().Cut)
			assert.Zero(t, p.pool.balancers[0].Status()[0].Failures)
			require.NoError(t, c.SetReadDeadline(time.Now().Add(patience)))
			_, err := io.Copy(io.Discard, c.Conn)
			assert.True(t, errors.Is(err, syscall.ECONNRESET), "%v", err)
		})
	}
	f("HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n", func(s string) string { return s })
	f("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", chunk)
	f("HTTP/1.1 200 OK\r\n\r\n", func(s string) string { return s })
}

// A client owes nothing of a response that isn't there.
func TestIdleStreamsOweNothing(t *testing.T) {
	b := startBackend(t, func(c *conn, _ int) {
		head := c.readHead()
		if strings.Contains(head, "/chat") {
			c.send(switches)
			echo(c)
			return
		}
		c.send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
		for range 3 {
			<-time.After(2 * brief) // Not a wait for something: these are the heartbeats.
			c.send(":\n\n")
		}
	})
	p := withTimeouts(t, paced, b.addr)
	chat := p.upgraded()
	events := p.dial().do(plainGet)
	require.NoError(t, events.err)
	assert.Equal(t, strings.Repeat(":\n\n", 3), events.body)
	chat.echoes("still there")
	assert.Zero(t, p.Stats().TooSlow)
}

// patient has chunked bodies be waited for.
func patient(s *setup) { s.Route.BodyWait = time.Second }

// A chunked body has a moment for its first part, and no backend waits meanwhile.
func TestChunkedBodyIsAwaited(t *testing.T) {
	heads := make(chan string, 1)
	b := startBackend(t, func(c *conn, _ int) {
		for head := c.readHead(); head != ""; head = c.readHead() {
			heads <- head
			if _, whole := c.readBody(head); !whole || !c.send(ok) {
				return
			}
		}
	})
	p := withTimeouts(t, patient, b.addr)
	f := func(name, head, first, rest string, waits bool) {
		t.Helper()
		c := p.dial()
		began := time.Now()
		require.True(t, c.send(head))
		require.True(t, c.send(first))
		await(t, heads)
		took := time.Since(began)
		if waits {
			assert.GreaterOrEqual(t, took, 700*time.Millisecond, name)
		} else {
			assert.Less(t, took, 700*time.Millisecond, name)
		}
		t.Logf("%s: the backend has the head after %v", name, took)
		require.True(t, c.send(rest))
		assert.Equal(t, 200, c.readAnswer("POST").StatusCode, name)
	}
	large := chunk(strings.Repeat("x", smallBody))
	f("nothing", chunked, "", chunk("body")+chunksEnd, true)
	f("a byte", chunked, chunk("b"), chunk("ody")+chunksEnd, true)
	f("half a chunk", chunked, "5\r\nab", "cde\r\n"+chunksEnd, true)
	f("all", chunked, chunk("body")+chunksEnd, "", false)
	f("enough", chunked, large, chunksEnd, false)
	f("expecting", post+"Transfer-Encoding: chunked\r\n"+expecting, "", chunk("body")+chunksEnd, false)
	f("sized", sized(smallBody+1), "x", strings.Repeat("x", smallBody), false)
}

// What ends or breaks such a body ends the request, without a backend.
func TestAwaitedBodyFails(t *testing.T) {
	b, got := answering(t, ok)
	f := func(change func(*setup), request string, half bool, status int) {
		t.Helper()
		p := withTimeouts(t, func(s *setup) {
			s.Route.BodyWait = patience
			change(s)
		}, b.addr)
		c := p.dial()
		require.True(t, c.send(request))
		if half {
			c.closeWrite()
		}
		p.isProblem(c.readAnswer("POST"), status, "")
		assert.Empty(t, got.list())
		assert.Zero(t, p.pool.balancers[0].Status()[0].InFlight)
	}
	none := func(*setup) {}
	f(none, chunked+"1\r\nxx", false, 400)
	f(none, chunked+"1\r\nx\r\n", true, 400)
	f(func(s *setup) { s.Route.MaxBody = 10 }, chunked+chunk("more than ten"), false, 413)
	f(func(s *setup) { s.Clients.Read = brief }, chunked+"1\r\nx\r\n", false, 408)
}

// A stream whose client awaits the response first begins after that wait, which comes once.
func TestFullDuplexAfterWait(t *testing.T) {
	p := withTimeouts(t, patient, echoing(t).addr)
	c := p.dial()
	began := time.Now()
	require.True(t, c.send(chunked))
	assert.Contains(t, c.nextHead(), "200 OK")
	assert.Less(t, time.Since(began), 3*time.Second)
	began = time.Now()
	for range 100 {
		require.True(t, c.send(chunk("piece")))
		c.expect(chunk("piece"))
	}
	require.True(t, c.send(chunksEnd))
	c.expect(chunksEnd)
	assert.Less(t, time.Since(began), 5*time.Second)
}
