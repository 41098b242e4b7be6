package proxy

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func shutdown(t *testing.T, p *proxied) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	require.NoError(t, shutDown(ctx, p.Proxy))
}

// While draining, requests are served on and connections accepted, but each is used once.
func TestDrain(t *testing.T) {
	b, _ := answering(t, ok)
	p := proxyTo(t, b.addr)
	old := p.dial()
	assert.False(t, old.do("GET / HTTP/1.1\r\nHost: x\r\n\r\n").Close)
	p.Drain()
	for _, c := range []*conn{old, p.dial()} {
		a := c.do("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		assert.Equal(t, "ok", a.body)
		assert.True(t, a.Close)
		c.expectEnd()
	}
}

func TestShutdownClosesIdleConnections(t *testing.T) {
	b, _ := answering(t, ok)
	p := proxyTo(t, b.addr)
	used := p.dial()
	assert.Equal(t, "ok", used.do("GET / HTTP/1.1\r\nHost: x\r\n\r\n").body)
	unused := p.dial()
	require.Eventually(t, func() bool { return p.Stats().Connections == 2 }, patience, time.Millisecond)
	shutdown(t, p)
	used.expectEnd()
	unused.expectEnd()
	_, err := net.Dial("tcp", p.addr)
	assert.Error(t, err)
}

// Each request whose first byte was read is answered, whether it runs, has only begun, or has just
// come.
func TestShutdownLosesNothing(t *testing.T) {
	const slow = 50
	release, waiting := make(chan struct{}), make(chan struct{}, slow)
	ln := listen(t)
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			waiting <- struct{}{}
			<-release
		}
	})}
	go func() { _ = server.Serve(ln) }()
	defer server.Close()
	p := proxyTo(t, ln.Addr().String())

	var answered atomic.Int64
	var clients sync.WaitGroup
	for range slow {
		clients.Go(func() {
			a := p.dial().do("GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
			assert.Equal(t, 200, a.StatusCode)
			answered.Add(1)
		})
	}
	for range slow {
		<-waiting
	}
	half := p.dial()
	require.True(t, half.send("GET / HT"))
	require.Eventually(t, func() bool { return p.Stats().Connections == slow+1 }, patience, time.Millisecond)
	first := make(chan struct{}, 4)
	for i := range 4 {
		clients.Go(func() {
			answered.Add(int64(keepComing(p, i%2 == 0, first)))
		})
	}
	<-first
	<-first

	done := make(chan error, 1)
	go func() { done <- shutDown(t.Context(), p.Proxy) }()
	require.Eventually(t, func() bool {
		c, err := net.Dial("tcp", p.addr)
		if err == nil {
			c.Close()
		}
		return err != nil
	}, patience, time.Millisecond)
	a := half.do("TP/1.1\r\nHost: x\r\n\r\n")
	assert.Equal(t, 200, a.StatusCode)
	assert.True(t, a.Close)
	answered.Add(1)
	close(release)
	clients.Wait()
	require.NoError(t, <-done)
	st := p.Stats()
	assert.Equal(t, st.Total, answered.Load(), "%+v", st)
	assert.Equal(t, st.Total, st.Responses.Successful)
}

// keepComing sends requests until connects fail, on a new connection each or on as few as it can,
// and returns how many were answered.
func keepComing(p *proxied, reuse bool, first chan<- struct{}) (answered int) {
	transport := &http.Transport{DisableKeepAlives: !reuse}
	defer transport.CloseIdleConnections()
	for {
		req, _ := http.NewRequest("POST", "http://"+p.addr, nil)
		resp, err := transport.RoundTrip(req)
		var dial *net.OpError
		switch {
		case err == nil:
			resp.Body.Close()
			answered++
			first <- struct{}{}
			first = make(chan struct{}, 1<<20)
		case errors.As(err, &dial) && dial.Op == "dial":
			return answered
		}
	}
}

// A head that isn't whole soon after the listeners were closed is refused.
func TestCloseRefusesLateHeads(t *testing.T) {
	b, _ := answering(t, ok)
	p := proxyTo(t, b.addr)
	half := p.dial()
	require.True(t, half.send("POST / HTTP/1.1\r\nHo"))
	require.Eventually(t, func() bool { return p.Stats().InFlight == 1 }, patience, time.Millisecond)
	begin := time.Now()
	require.NoError(t, p.Close(t.Context()))
	assert.GreaterOrEqual(t, time.Since(begin), headGrace)
	a := half.readAnswer("POST")
	assert.Equal(t, 408, a.StatusCode)
	assert.True(t, a.Close)
	require.NoError(t, p.Wait(t.Context()))
}

// After Close no token is spent, however a connection was used before: what runs goes on, and no
// request follows on a connection whose last response didn't say so.
func TestCloseSpendsNoMoreTokens(t *testing.T) {
	release := make(chan struct{})
	b := startBackend(t, func(c *conn, _ int) {
		for c.readRequest() != "" {
			c.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nha")
			<-release
			c.send("lf")
		}
	})
	limits := &fakeLimiter{}
	limits.left.Store(10)
	p := startProxy(t, settings(), poolOf(t, connectionSettings(), b.addr), limits)
	c := p.dial()
	require.True(t, c.send("GET /1 HTTP/1.1\r\nHost: x\r\n\r\nGET /2 HTTP/1.1\r\nHost: x\r\n\r\n"))
	head := c.readHead()
	assert.NotContains(t, head, "Connection: close")
	require.NoError(t, p.Close(t.Context()))
	require.True(t, c.send("GET /3 HTTP/1.1\r\nHost: x\r\n\r\n"))
	close(release)
	body := make([]byte, 4)
	_, err := io.ReadFull(c.br, body)
	require.NoError(t, err)
	assert.Equal(t, "half", string(body))
	c.expectEnd()
	require.NoError(t, p.Wait(t.Context()))
	assert.Len(t, limits.taken(), 1)
}

// The same under load: what was spent when Close returns is all that ever is.
func TestCloseUnderLoad(t *testing.T) {
	b, _ := answering(t, ok)
	for range 3 {
		limits := &fakeLimiter{}
		limits.left.Store(1 << 40)
		p := startProxy(t, settings(), poolOf(t, connectionSettings(), b.addr), limits)
		var clients sync.WaitGroup
		first := make(chan struct{}, 8)
		for i := range 8 {
			clients.Go(func() { keepComing(p, i%2 == 0, first) })
		}
		<-first
		<-first
		require.NoError(t, p.Close(t.Context()))
		spent := len(limits.taken())
		clients.Wait()
		require.NoError(t, p.Wait(t.Context()))
		require.Len(t, limits.taken(), spent)
	}
}

// When the time is over, what still runs is cut, and how much it was is said.
func TestShutdownCuts(t *testing.T) {
	release, waiting := make(chan struct{}), make(chan struct{})
	b := startBackend(t, func(c *conn, _ int) {
		c.readRequest()
		waiting <- struct{}{}
		<-release
		c.send(ok)
	})
	p := proxyTo(t, b.addr)
	c := p.dial()
	require.True(t, c.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n"))
	<-waiting
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := shutDown(ctx, p.Proxy)
	require.ErrorIs(t, err, context.Canceled)
	assert.True(t, strings.HasPrefix(err.Error(), "1 connections were cut"), err)
	require.NoError(t, c.SetReadDeadline(time.Now().Add(patience)))
	_, err = c.br.ReadByte()
	assert.Error(t, err)
	close(release)
}

// What a stop cuts has its lines in the log when Wait returns, which the process's end follows.
// They say that it wasn't the client who went.
func TestShutdownLogsWhatItCuts(t *testing.T) {
	requests := map[string]string{
		"no response":     "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
		"half a body":     sized(10) + "half",
		"half a large":    sized(100_000) + "half",
		"half a response": "GET /half HTTP/1.1\r\nHost: x\r\n\r\n",
	}
	came := make(chan struct{}, len(requests))
	b := startBackend(t, func(c *conn, _ int) {
		head := c.readHead()
		if strings.Contains(head, "/half") {
			c.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
		}
		came <- struct{}{}
		c.untilEnd()
	})
	p := proxyTo(t, b.addr)
	for name, text := range requests {
		require.True(t, p.dial().send(text), name)
	}
	for range len(requests) - 1 {
		await(t, came) // "half a body" is small: it is awaited before it goes to the backend.
	}
	require.Eventually(t, func() bool { return p.Stats().InFlight == int64(len(requests)) }, patience, time.Millisecond)
	ctx, cancel := context.WithCancel(t.Context())
	require.NoError(t, p.Close(ctx))
	cancel()
	require.Error(t, p.Wait(ctx))
	lines := p.log.lines()
	require.Len(t, lines, len(requests))
	for _, line := range lines {
		assert.Contains(t, line, `"reason":"cut-at-stop"`)
		assert.NotContains(t, line, `"error"`)
	}
}

func TestServeAfterShutdown(t *testing.T) {
	p := proxyTo(t)
	shutdown(t, p)
	ln := listen(t)
	require.NoError(t, p.Serve(ln, Listener{}))
	_, err := net.Dial("tcp", ln.Addr().String())
	assert.Error(t, err, "it closed the listener")
}

// failing is a listener whose first accepts fail.
type failing struct {
	net.Listener
	left atomic.Int64
}

func (f *failing) Accept() (net.Conn, error) {
	if f.left.Add(-1) >= 0 {
		return nil, errors.New("too many open files")
	}
	return f.Listener.Accept()
}

// A failed accept is tried again; the end of the listener is not. This listener has no deadlines.
func TestAcceptFails(t *testing.T) {
	b, _ := answering(t, ok)
	p := proxyTo(t, b.addr)
	ln := &failing{Listener: listen(t)}
	ln.left.Store(2)
	served := make(chan error, 1)
	go func() { served <- p.Serve(ln, Listener{}) }()
	q := &proxied{t: t, addr: ln.Addr().String()}
	assert.Equal(t, "ok", q.dial().do("GET / HTTP/1.1\r\nHost: x\r\n\r\n").body)
	require.NoError(t, ln.Close())
	assert.ErrorIs(t, <-served, net.ErrClosed)
	assert.Contains(t, p.log.lines()[1], "too many open files")

	other := &failing{Listener: listen(t)}
	go func() { served <- p.Serve(other, Listener{}) }()
	q = &proxied{t: t, addr: other.Addr().String()}
	assert.Equal(t, "ok", q.dial().do("GET / HTTP/1.1\r\nHost: x\r\n\r\n").body)
	shutdown(t, p)
	assert.NoError(t, <-served)
}
