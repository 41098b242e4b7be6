package proxy

import (
	"bufio"
	"crypto/tls"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/balancer"
	"gopher-equalizer/balancer/tlstest"
	"gopher-equalizer/proxy/outcome"
)

// leaving are the ways in which a client goes away.
var leaving = []struct {
	name string
	how  func(c *conn)
}{
	{"closes", func(c *conn) { _ = c.Close() }},
	{"resets", (*conn).reset},
	{"half-closes", (*conn).closeWrite},
}

// A backend must not work for a client that is gone before the response: one that has reset its
// connection, whatever was sent of the request, and one that ends its side before its request is
// whole.
func TestClientGoneBeforeTheAnswer(t *testing.T) {
	for _, way := range leaving {
		f := func(name, request string, whole bool) {
			if whole && way.name != "resets" {
				return // See TestHalfClosedClientGetsItsAnswer.
			}
			t.Run(way.name+"/"+name, func(t *testing.T) {
				t.Parallel()
				asked, ended := make(chan struct{}, 1), make(chan struct{}, 1)
				b := startBackend(t, func(c *conn, _ int) {
					c.readHead()
					asked <- struct{}{}
					c.untilEnd()
					ended <- struct{}{}
				})
				p := proxyTo(t, b.addr)
				c := p.dial()
				require.True(t, c.send(request))
				await(t, asked)
				way.how(c)
				begin := time.Now()
				await(t, ended)
				t.Logf("the backend knew after %v", time.Since(begin))
				require.Eventually(t, func() bool { return p.Stats().InFlight == 0 }, patience, time.Millisecond)
				assert.Equal(t, outcome.ClientGone.Status, p.logged(1).Status)
				assert.EqualValues(t, 1, p.Stats().ClientGone)
				assert.Zero(t, p.pool.balancers[0].Status()[0].Failures)
			})
		}
		f("GET", plainGet, true)
		f("POST", sized(4)+"body", true)
		f("chunks", chunked+chunk("body")+chunksEnd, true)
		f("with more behind", plainGet+plainGet, true)
		f("in mid-body", sized(smallBody+1)+"body", false)
		f("in mid-chunks", chunked+chunk("body"), false)
		f("waiting for 100", post+"Content-Length: 4\r\n"+expecting, false)
	}
}

// The same while the backend has nothing to send.
func TestClientGoneWhileTheBackendIsSilent(t *testing.T) {
	f := func(framing string) {
		t.Run("", func(t *testing.T) {
			t.Parallel()
			ended := make(chan struct{}, 1)
			b := startBackend(t, func(c *conn, _ int) {
				c.readHead()
				c.send("HTTP/1.1 200 OK\r\n" + framing)
				c.untilEnd()
				ended <- struct{}{}
			})
			p := proxyTo(t, b.addr)
			c := p.dial()
			require.True(t, c.send(plainGet))
			require.NotEmpty(t, c.nextHead())
			c.reset()
			await(t, ended)
			require.Eventually(t, func() bool { return p.Stats().InFlight == 0 }, patience, time.Millisecond)
			assert.Zero(t, p.pool.balancers[0].Status()[0].Failures)
		})
	}
	f("Content-Length: 10\r\n\r\nx")
	f("Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n")
	f("\r\nx")
}

// An event stream whose client has closed its connection ends with the first events that nobody
// takes.
func TestClientClosesDuringEvents(t *testing.T) {
	ended := make(chan struct{}, 1)
	b := startBackend(t, func(c *conn, _ int) {
		c.readHead()
		c.send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
		tick := time.NewTicker(10 * time.Millisecond) // the events' own pace
		defer tick.Stop()
		for c.send("data: x\n\n") {
			<-tick.C
		}
		ended <- struct{}{}
	})
	p := proxyTo(t, b.addr)
	c := p.dial()
	require.True(t, c.send(plainGet))
	require.NotEmpty(t, c.nextHead())
	c.expect(chunk("data: x\n\n"))
	require.NoError(t, c.Close())
	await(t, ended)
	require.Eventually(t, func() bool { return p.Stats().InFlight == 0 }, patience, time.Millisecond)
	assert.EqualValues(t, 1, p.Stats().Cut)
	assert.Zero(t, p.pool.balancers[0].Status()[0].Failures)
}

// A client that only has nothing more to send, as many scripts do, gets all of its response,
// however late that begins.
func TestHalfClosedClientGetsItsAnswer(t *testing.T) {
	f := func(request, answer string) {
		t.Run("", func(t *testing.T) {
			t.Parallel()
			closed, begun := make(chan struct{}), make(chan struct{})
			b := startBackend(t, func(c *conn, _ int) {
				c.readRequest()
				c.wait(closed)
				c.send(answer)
				c.wait(begun)
				c.send("more")
			})
			p := proxyTo(t, b.addr)
			c := p.dial()
			require.True(t, c.send(request))
			c.closeWrite()
			<-time.After(3 * brief) // Not a wait for something: this is the slow backend.
			close(closed)
			require.NotEmpty(t, c.nextHead())
			c.expect("x")
			<-time.After(3 * brief) // So is this.
			close(begun)
			c.expect("more")
			c.expectEnd()
			require.Eventually(t, func() bool { return p.Stats().InFlight == 0 }, patience, time.Millisecond)
			assert.Equal(t, 200, p.logged(1).Status)
			assert.Zero(t, p.Stats().ClientGone)
			assert.Zero(t, p.Stats().Cut)
		})
	}
	for _, request := range []string{plainGet, sized(4) + "body", get10} {
		f(request, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nx")
	}
	f(get10, "HTTP/1.1 200 OK\r\n\r\nx")
}

// A client that has ended its side doesn't have another backend work for it, too.
func TestNoRetryForHalfClosedClient(t *testing.T) {
	asked, closed := make(chan struct{}, 1), make(chan struct{})
	breaking := startBackend(t, func(c *conn, _ int) {
		c.readRequest()
		asked <- struct{}{}
		c.wait(closed)
		c.reset()
	})
	other, got := answering(t, ok)
	p := proxyTo(t, breaking.addr, other.addr)
	c := p.dial()
	require.True(t, c.send(plainGet))
	await(t, asked)
	c.closeWrite()
	close(closed)
	p.isProblem(c.readAnswer("GET"), 400, "")
	c.expectEnd()
	assert.Empty(t, got.list())
	assert.Equal(t, outcome.ClientGone.Status, p.logged(1).Status)
	assert.Zero(t, p.Stats().Retries)
	assert.EqualValues(t, 1, p.pool.balancers[0].Status()[0].Failures, "it did break")
}

// The same for a client that ends its side while a slow connection is made. The connection is kept.
func TestHalfClosedWhileConnecting(t *testing.T) {
	ca := tlstest.NewCA(t)
	server := &tls.Config{Certificates: []tls.Certificate{ca.Issue("backend.test")}}
	connecting, closed := make(chan struct{}, 1), make(chan struct{})
	var got requests
	var slow atomic.Bool
	b := startBackend(t, func(c *conn, _ int) {
		if slow.Swap(false) {
			connecting <- struct{}{}
			c.wait(closed)
			<-time.After(2 * longConnect) // Not a wait for something: this is the slow connect.
		}
		secure := tls.Server(buffered{c.Conn, c.br}, server)
		over := &conn{Conn: secure, t: t, br: bufio.NewReader(secure)}
		for head := over.readHead(); head != ""; head = over.readHead() {
			got.add(head)
			over.send(ok)
		}
	})
	p := startProxy(t, settings(), poolAt(t, balancer.BackendSettings{
		Addr: b.addr, TLS: &tls.Config{RootCAs: ca.Roots(), ServerName: "backend.test"},
	}), nil)
	slow.Store(true)
	c := p.dial()
	require.True(t, c.send(plainGet))
	await(t, connecting)
	c.closeWrite()
	close(closed)
	p.isProblem(c.readAnswer("GET"), 400, "")
	c.expectEnd()
	assert.Equal(t, outcome.ClientGone.Status, p.logged(1).Status)
	assert.Empty(t, got.list())
	assert.Zero(t, p.pool.balancers[0].Status()[0].Failures)

	conns := b.conns.Load()
	assert.Equal(t, "ok", p.dial().do(plainGet).body)
	assert.Equal(t, conns, b.conns.Load())
}

// Many at once leave nothing behind.
func TestManyClientsGone(t *testing.T) {
	const n = 100
	var asked, ended sync.WaitGroup
	asked.Add(n)
	ended.Add(n)
	b := startBackend(t, func(c *conn, _ int) {
		c.readHead()
		asked.Done()
		c.untilEnd()
		ended.Done()
	})
	p := proxyTo(t, b.addr)
	var clients []*conn
	for range n {
		c := p.dial()
		require.True(t, c.send(plainGet))
		clients = append(clients, c)
	}
	asked.Wait()
	for _, c := range clients {
		c.reset()
	}
	ended.Wait()
	require.Eventually(t, func() bool { return p.Stats().InFlight == 0 }, patience, time.Millisecond)
	assert.EqualValues(t, n, p.Stats().ClientGone)
	assert.Zero(t, p.pool.balancers[0].Status()[0].Failures)
}

// A handler of net/http, whose request's context ends with the client.
func TestClientGoneEndToEnd(t *testing.T) {
	asked, ended := make(chan struct{}), make(chan struct{})
	addr := serveHTTP(t, func(_ http.ResponseWriter, r *http.Request) {
		asked <- struct{}{}
		<-r.Context().Done()
		ended <- struct{}{}
	})
	p := proxyTo(t, addr)
	c := p.dial()
	require.True(t, c.send(plainGet))
	await(t, asked)
	c.reset()
	await(t, ended)
}

// What a broken backend left of its body is all that the client gets, and it can't take that for
// the whole.
func TestBackendBreaksWithReset(t *testing.T) {
	f := func(request, answer, want string) {
		t.Helper()
		sent := make(chan struct{})
		b := startBackend(t, func(c *conn, _ int) {
			c.readHead()
			c.send(answer)
			c.wait(sent)
			c.reset()
		})
		p := proxyTo(t, b.addr)
		c := p.dial()
		require.True(t, c.send(request))
		require.NotEmpty(t, c.nextHead())
		c.expect(want)
		close(sent)
		rest, err := io.ReadAll(c.br)
		assert.Empty(t, string(rest), "%q", answer)
		if request == get10 && !strings.Contains(answer, "Content-Length") {
			assert.Error(t, err, "its end alone would say that all is there")
		}
		assert.EqualValues(t, 1, p.pool.balancers[0].Status()[0].Failures)
		assert.EqualValues(t, 1, p.Stats().Cut)
	}
	const head = "HTTP/1.1 200 OK\r\n"
	f(plainGet, head+"Content-Length: 10\r\n\r\nabc", "abc")
	f(plainGet, head+"Transfer-Encoding: chunked\r\n\r\n"+chunk("abc"), chunk("abc"))
	f(plainGet, head+"\r\nabc", chunk("abc"))
	f(get10, head+"Content-Length: 10\r\n\r\nabc", "abc")
	f(get10, head+"Transfer-Encoding: chunked\r\n\r\n"+chunk("abc"), "abc")
	f(get10, head+"\r\nabc", "abc")
}
