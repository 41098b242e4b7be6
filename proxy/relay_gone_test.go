package proxy

import (
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
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

// A backend must not work for a client that is gone: not before the answer, whatever was sent of the request.
func TestClientGoneBeforeTheAnswer(t *testing.T) {
	for _, way := range leaving {
		f := func(name, request string) {
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
				assert.Equal(t, statusClientGone, p.logged(1).Status)
				assert.EqualValues(t, 1, p.Stats().ClientGone)
				assert.Zero(t, p.pool.balancers[0].Status()[0].Failures)
			})
		}
		f("GET", plainGet)
		f("POST", sized(4)+"body")
		f("chunks", chunked+chunk("body")+chunksEnd)
		f("in mid-body", sized(smallBody+1)+"body")
		f("in mid-chunks", chunked+chunk("body"))
		f("waiting for 100", post+"Content-Length: 4\r\n"+expecting)
		f("with more behind", plainGet+plainGet)
	}
}

// Nor while the backend has nothing to send. (One that ends its side only then can't be told from one that is gone.)
func TestClientGoneWhileTheBackendIsSilent(t *testing.T) {
	f := func(way func(*conn), framing string) {
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
			way(c)
			await(t, ended)
			require.Eventually(t, func() bool { return p.Stats().InFlight == 0 }, patience, time.Millisecond)
			assert.Zero(t, p.pool.balancers[0].Status()[0].Failures)
		})
	}
	for _, way := range leaving {
		f(way.how, "Content-Length: 10\r\n\r\nx")
		f(way.how, "Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n")
		f(way.how, "\r\nx")
	}
}

// One that only has nothing more to send, as many scripts do, gets all of an answer that begins soon.
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
			close(closed)
			require.NotEmpty(t, c.nextHead())
			c.expect("x")
			<-time.After(5 * brief) // Not a wait for something: this is the slow backend.
			close(begun)
			c.expect("more")
			c.expectEnd()
			require.Eventually(t, func() bool { return p.Stats().InFlight == 0 }, patience, time.Millisecond)
			assert.Zero(t, p.Stats().ClientGone)
		})
	}
	for _, request := range []string{plainGet, sized(4) + "body", get10} {
		f(request, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nx")
	}
	f(get10, "HTTP/1.1 200 OK\r\n\r\nx")
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
	for i, c := range clients {
		leaving[i%len(leaving)].how(c)
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
	require.NoError(t, c.Close())
	await(t, ended)
}

// What a broken backend left of its body is all that the client gets, and it can't take that for the whole.
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
