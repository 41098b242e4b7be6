package api

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/limiter"
)

func TestMethodsThatAreNotThere(t *testing.T) {
	r := start(t, nil)
	f := func(method, target, wantAllow string) {
		t.Run(method+" "+target, func(t *testing.T) {
			got := r.do(t, request{method: method, target: target})
			got.problem(t, 405, "method-not-allowed")
			assert.Equal(t, wantAllow, got.get("Allow"))
		})
	}
	for _, method := range []string{"OPTIONS", "TRACE", "CONNECT", "BREW", "get", "PROPFIND"} {
		f(method, "/buckets", "GET, HEAD, POST")
		f(method, "/buckets/a", "DELETE, GET, HEAD, PATCH, PUT")
		f(method, "/status", "GET, HEAD")
	}
	f("PUT", "/buckets", "GET, HEAD, POST")
	f("DELETE", "/buckets", "GET, HEAD, POST")
	f("POST", "/buckets/a", "DELETE, GET, HEAD, PATCH, PUT")
	f("POST", "/readyz", "GET, HEAD")
	f("POST", "/backends", "GET, HEAD")
	f("DELETE", "/config", "GET, HEAD")
	f("GET", "/reload", "POST")
	assert.Empty(t, r.fake.takeCalls())
}

func TestPathsThatAreNotThere(t *testing.T) {
	r := start(t, nil)
	for _, target := range []string{
		"/*", "/page", "/page/", "/page/../status", "/bucket", "/buckets/", "/buckets/a/", "/buckets/a/b", "/buckets/a/../b", "/buckets/./a", "/BUCKETS", "/Status",
		"/%62uckets", "/buckets%2Fa", "/status/", "/healthz/x", "/buckets.", "/./buckets", "/x/../buckets", "/metrics/",
	} {
		for _, method := range []string{"GET", "DELETE", "OPTIONS", "HEAD"} {
			got := r.do(t, request{method: method, target: target})
			assert.Equal(t, 404, got.status, "%s %s", method, target)
			assert.Empty(t, got.get("Location"))
		}
	}
	p := r.do(t, request{method: "GET", target: "/buckets/a/b"}).problem(t, 404, "no-such-call")
	assert.Contains(t, p["detail"], "%2F")
	assert.Empty(t, r.fake.takeCalls())
}

func TestMalformedRequests(t *testing.T) {
	r := start(t, nil)
	f := func(raw string, status int, name string) {
		t.Run(raw[:min(len(raw), 40)], func(t *testing.T) {
			r.raw(t, false, raw).problem(t, status, name)
			assert.Empty(t, r.fake.takeCalls())
		})
	}
	const head = "POST /buckets HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
	f("hello\r\n\r\n", 400, "bad-request")
	f("GET buckets HTTP/1.1\r\nHost: localhost\r\n\r\n", 400, "bad-request")
	f("GET /buckets HTTP/9.9.9\r\nHost: localhost\r\n\r\n", 400, "bad-request")
	f("GET /buckets HTTP/1.1\r\nHost: local host\r\n\r\n", 400, "bad-request")
	f("GET /buckets HTTP/1.1\r\nHost : localhost\r\n\r\n", 400, "bad-request")
	f("GET /buckets HTTP/1.1\r\nHost: localhost\r\nno colon\r\n\r\n", 400, "bad-request")
	f("GET /buc\x00kets HTTP/1.1\r\nHost: localhost\r\n\r\n", 400, "bad-request")
	f(head+"Content-Length: 1\r\nContent-Length: 2\r\n\r\n{}", 400, "bad-request")
	f(head+"Content-Length: -1\r\n\r\n{}", 400, "bad-request")
	f(head+"Transfer-Encoding: gzip\r\n\r\n{}", 400, "bad-request")
	f(head+"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n", 400, "bad-request")
	f("GET /buckets HTTP/1.1\r\nHost: localhost\r\nCookie: "+strings.Repeat("x", maxHeader)+"\r\n\r\n", 431, "header-too-large")
	f(head+"Content-Length: 65537\r\n\r\n"+strings.Repeat(" ", 65537), 413, "body-too-large")
	f(head+"Content-Length: 99999999999\r\n\r\n{}", 413, "body-too-large")
	f(head+"Transfer-Encoding: chunked\r\n\r\n10001\r\n"+strings.Repeat(" ", 65537)+"\r\n0\r\n\r\n", 413, "body-too-large")
	assert.NotContains(t, r.logs.String(), "localhost", "what was sent may hold secrets")
}

func TestBodiesUpToTheBound(t *testing.T) {
	r := start(t, nil)
	body := `{"client_id":"a","capacity":1}`
	body += strings.Repeat(" ", maxBody-len(body))
	assert.Equal(t, 201, r.do(t, request{method: "POST", target: "/buckets", body: body}).status)
	raw := "POST /buckets HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n" +
		"10\r\n{\"client_id\":\"a\"\r\ne\r\n,\"capacity\":1}\r\n0\r\n\r\n"
	assert.Equal(t, 201, r.raw(t, false, raw).status)
}

func TestRequestsThatDontComeToAnEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := net.Pipe()
		s := New(Settings{WriteTimeout: time.Second}, newSources(&fakeLimiter{}), zerolog.Nop())
		served := make(chan error)
		go func() { served <- s.http.ServeConn(server) }()
		go func() {
			_, _ = client.Write([]byte("POST /buckets HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\n{"))
		}()
		begun := time.Now()
		response, err := io.ReadAll(client)
		require.NoError(t, err)
		assert.Contains(t, string(response), "HTTP/1.1 408 ")
		assert.Contains(t, string(response), "application/problem+json")
		assert.Equal(t, readTimeout, time.Since(begun))
		require.Error(t, <-served)
	})
}

func TestPanics(t *testing.T) {
	r := start(t, nil)
	r.fake.panics = true
	got := r.do(t, request{method: "GET", target: "/buckets/the-api-key"})
	assert.Equal(t, 500, got.status)
	assert.NotContains(t, got.body, "fell over")
	assert.Contains(t, r.logs.String(), "fell over")
	assert.Contains(t, r.logs.String(), "buckets.go", "the stack says where")
	assert.NotContains(t, r.logs.String(), "the-api-key")

	r.fake.panics = false
	assert.Equal(t, 200, r.do(t, request{method: "GET", target: "/buckets/a"}).status)
}

func TestNothingOfOneAnswerIsLeftForTheNext(t *testing.T) {
	r := start(t, nil)
	conn, err := r.ln.Dial()
	require.NoError(t, err)
	defer conn.Close()
	_, err = conn.Write([]byte(request{method: "PUT", target: "/status", body: "{}"}.raw() +
		request{method: "GET", target: "/buckets/a", header: []string{"Connection: close"}}.raw()))
	require.NoError(t, err)
	responses, err := io.ReadAll(conn)
	require.NoError(t, err)
	_, second, _ := bytes.Cut(responses, []byte("HTTP/1.1 200"))
	assert.Contains(t, string(responses), "HTTP/1.1 405")
	assert.Contains(t, string(second), sampleJSON)
	assert.NotContains(t, string(second), "Allow")
}

func serveTCP(t *testing.T, s *Server) (addr string, served chan error) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	served = make(chan error, 1)
	go func() { served <- s.Serve(ln) }()
	return ln.Addr().String(), served
}

func TestOverTCP(t *testing.T) {
	s := New(Settings{WriteTimeout: time.Second}, newSources(&fakeLimiter{snap: sampleBucket()}), zerolog.Nop())
	addr, served := serveTCP(t, s)
	conn, err := net.Dial("tcp", addr)
	require.NoError(t, err)
	got := exchange(t, conn, false, request{method: "GET", target: "/buckets/test1234", header: []string{"Host: " + addr}}.raw())
	assert.Equal(t, 200, got.status)
	assert.Equal(t, sampleJSON, got.body)
	require.NoError(t, s.Shutdown(context.Background()))
	require.NoError(t, <-served)
	_, err = net.Dial("tcp", addr)
	require.Error(t, err)
}

func TestServeRefusesWhatOthersReachWithoutAToken(t *testing.T) {
	s := New(Settings{WriteTimeout: time.Second}, newSources(&fakeLimiter{}), zerolog.Nop())
	ln, err := net.Listen("tcp", "0.0.0.0:0")
	require.NoError(t, err)
	require.ErrorContains(t, s.Serve(ln), "there is no token")
	_, err = ln.Accept()
	require.ErrorIs(t, err, net.ErrClosed)
}

func TestServeAfterShutdown(t *testing.T) {
	s := New(Settings{WriteTimeout: time.Second}, newSources(&fakeLimiter{}), zerolog.Nop())
	require.NoError(t, s.Shutdown(context.Background()))
	_, served := serveTCP(t, s)
	require.NoError(t, <-served)
}

// watchedListener signals when its first connection is waited on for bytes.
type watchedListener struct {
	net.Listener
	reading chan struct{}
}

type watchedConn struct {
	net.Conn
	reading func()
}

func (l watchedListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &watchedConn{conn, sync.OnceFunc(func() { close(l.reading) })}, nil
}

func (c *watchedConn) Read(p []byte) (int, error) {
	c.reading()
	return c.Conn.Read(p)
}

// A connection that never sends a byte doesn't hold up the stop, as it would for 5 s.
func TestShutdownWithSilentConnections(t *testing.T) {
	s := New(Settings{WriteTimeout: time.Second}, newSources(&fakeLimiter{}), zerolog.Nop())
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ln := watchedListener{tcp, make(chan struct{})}
	served := make(chan error, 1)
	go func() { served <- s.Serve(ln) }()
	conn, err := net.Dial("tcp", tcp.Addr().String())
	require.NoError(t, err)
	defer conn.Close()
	<-ln.reading
	ctx, cancel := context.WithTimeout(context.Background(), 4*time.Second)
	defer cancel()
	require.NoError(t, s.Shutdown(ctx))
	require.NoError(t, <-served)
}

// slowReader returns when a test lets it.
type slowReader struct {
	fakeLimiter
	asked, answer chan struct{}
}

func (s *slowReader) Delete(ctx context.Context, _, clientID string, _ ...limiter.Condition) (limiter.Snapshot, error) {
	close(s.asked)
	<-s.answer
	return limiter.Snapshot{}, ctx.Err()
}

func TestShutdownWaitsForWhatRuns(t *testing.T) {
	slow := &slowReader{asked: make(chan struct{}), answer: make(chan struct{})}
	sources := newSources(&slow.fakeLimiter)
	sources.Writer = slow
	s := New(Settings{WriteTimeout: time.Minute}, sources, zerolog.Nop())
	addr, served := serveTCP(t, s)
	conn, err := net.Dial("tcp", addr)
	require.NoError(t, err)
	answered := make(chan reply, 1)
	go func() { answered <- exchange(t, conn, false, request{method: "DELETE", target: "/buckets/a"}.raw()) }()
	<-slow.asked
	stopped := make(chan error, 1)
	go func() { stopped <- s.Shutdown(context.Background()) }()
	require.NoError(t, <-served, "no more connections are accepted")
	select {
	case <-stopped:
		t.Fatal("Shutdown didn't wait")
	default:
	}
	close(slow.answer)
	assert.Equal(t, 204, (<-answered).status)
	require.NoError(t, <-stopped)
}

func TestShutdownCutsWhatIsLeft(t *testing.T) {
	slow := &slowReader{asked: make(chan struct{}), answer: make(chan struct{})}
	sources := newSources(&slow.fakeLimiter)
	sources.Writer = slow
	s := New(Settings{WriteTimeout: time.Minute}, sources, zerolog.Nop())
	addr, served := serveTCP(t, s)
	conn, err := net.Dial("tcp", addr)
	require.NoError(t, err)
	defer conn.Close()
	_, err = conn.Write([]byte(request{method: "DELETE", target: "/buckets/a"}.raw()))
	require.NoError(t, err)
	<-slow.asked
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	err = s.Shutdown(ctx)
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorContains(t, err, "connections were cut: 1")
	_, err = conn.Read(make([]byte, 1))
	require.Error(t, err)
	close(slow.answer)
	require.NoError(t, <-served)
}

// exhaustedListener fails with its errors in turn, as the system reports them.
type exhaustedListener struct {
	net.Listener
	errs []error
}

func (l *exhaustedListener) Accept() (net.Conn, error) {
	err := l.errs[0]
	l.errs = l.errs[1:]
	return nil, &net.OpError{Op: "accept", Net: "tcp", Err: os.NewSyscallError("accept4", err)}
}

func TestAcceptOutlastsTheMachinesLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		last := errors.New("broken for good")
		ln := &patientListener{Listener: &exhaustedListener{errs: []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, last}}}
		begun := time.Now()
		_, err := ln.Accept()
		require.ErrorIs(t, err, last)
		assert.Equal(t, 4*acceptPause, time.Since(begun))
	})
}
