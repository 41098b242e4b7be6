package balancer

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/valyala/fasthttp"
)

// generous is a timeout that no healthy probe of a test reaches, and short one that each test which must
// run into it waits for.
const (
	generous = 30 * time.Second
	short    = 250 * time.Millisecond
)

// backend listens on a loopback address of its own and hands its connections, one after the other, to serve,
// which closes them by returning. It is stopped with the test.
func backend(t *testing.T, host string, serve func(net.Conn)) (addr string) {
	t.Helper()
	ln, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	require.NoError(t, err)
	serveOn(t, ln, serve)
	return ln.Addr().String()
}

// serveOn is backend on a listener.
func serveOn(t *testing.T, ln net.Listener, serve func(net.Conn)) {
	t.Helper()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			serve(conn)
			conn.Close()
		}
	}()
	t.Cleanup(func() { ln.Close(); <-ended })
}

// says reads a request's header and answers with those bytes.
func says(answer string) func(net.Conn) {
	return func(conn net.Conn) {
		readHeader(conn)
		io.WriteString(conn, answer)
	}
}

// readHeader reads up to the empty line that ends a request's header.
func readHeader(conn net.Conn) string {
	var header strings.Builder
	r := bufio.NewReader(conn)
	for {
		line, err := r.ReadString('\n')
		header.WriteString(line)
		if err != nil || line == "\r\n" {
			return header.String()
		}
	}
}

// untilClosed reads until the probe closes the connection.
func untilClosed(conn net.Conn) { io.Copy(io.Discard, conn) }

// ask probes the address once.
func ask(t *testing.T, h HealthSettings, addr string) (string, error) {
	t.Helper()
	return askBackend(t, h, BackendSettings{Addr: addr})
}

func askBackend(t *testing.T, h HealthSettings, b BackendSettings) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), h.Timeout)
	defer cancel()
	return newProbe(h, b)(ctx)
}

func httpHealth(timeout time.Duration, statuses ...StatusRange) HealthSettings {
	return HealthSettings{Type: HealthHTTP, Path: "/", Timeout: timeout, Statuses: statuses}
}

func TestHTTPProbeJudgesTheStatus(t *testing.T) {
	alive := func(want, answer string, statuses ...StatusRange) {
		t.Helper()
		got, err := ask(t, httpHealth(generous, statuses...), backend(t, "127.0.0.1", says(answer)))
		require.NoError(t, err)
		assert.Regexp(t, `^`+want+` in \d+\.\dms$`, got)
	}
	dead := func(want, answer string, statuses ...StatusRange) {
		t.Helper()
		got, err := ask(t, httpHealth(generous, statuses...), backend(t, "127.0.0.1", says(answer)))
		assert.Empty(t, got)
		require.Error(t, err)
		assert.Regexp(t, `^`+want+`$`, err.Error())
	}
	ok := StatusRange{First: 200, Last: 299}
	denied := StatusRange{First: 401, Last: 401}

	alive("200", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
	alive("204", "HTTP/1.1 204 No Content\r\n\r\n")
	alive("404", "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
	alive("499", "HTTP/1.1 499 Odd\r\nContent-Length: 0\r\n\r\n")
	alive("302", "HTTP/1.1 302 Found\r\nLocation: http://192.0.2.1/\r\nContent-Length: 0\r\n\r\n")
	alive("200", "HTTP/1.0 200 OK\r\n\r\nuntil the connection ends")
	alive("200", "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
	alive("200", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n")
	alive("200", "HTTP/1.1 200 OK\r\nX-Large: "+strings.Repeat("x", 60_000)+"\r\nContent-Length: 0\r\n\r\n")
	dead(`500 in .*ms; want below 500`, "HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n")
	dead(`503 in .*ms; want below 500`, "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n")
	dead(`600 in .*ms; want below 500`, "HTTP/1.1 600 What\r\nContent-Length: 0\r\n\r\n")

	alive("401", "HTTP/1.1 401 Who\r\nContent-Length: 0\r\n\r\n", ok, denied)
	alive("299", "HTTP/1.1 299 Fine\r\nContent-Length: 0\r\n\r\n", ok, denied)
	alive("503", "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n", StatusRange{First: 503, Last: 503})
	dead(`404 in .*ms; want 200-299, 401`, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", ok, denied)
	dead(`302 in .*ms; want 200-299, 401`, "HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n", ok, denied)
}

func TestHTTPProbeSaysWhyThereIsNoAnswer(t *testing.T) {
	f := func(want string, serve func(net.Conn)) {
		t.Helper()
		_, err := ask(t, httpHealth(generous), backend(t, "127.0.0.1", serve))
		assert.EqualError(t, err, want)
	}
	f("the connection was closed before the answer's header ended", func(conn net.Conn) { readHeader(conn) })
	f("the connection was closed before the answer's header ended", says("HTTP/1.1 200 OK\r\nContent-Le"))
	f(`not an HTTP answer: it starts with "SSH-2.0-OpenSSH_9.6\r\n"`, says("SSH-2.0-OpenSSH_9.6\r\n"))
	f(`not an HTTP answer: it starts with "\x16\x03\x01\x02\x00\x01\x00\n\r\n"`, says("\x16\x03\x01\x02\x00\x01\x00\n\r\n"))
	f(`not an HTTP answer: it starts with "HTTP/1.1 20 OK\r\n\r\n"`, says("HTTP/1.1 20 OK\r\n\r\n"))
	f(`not an HTTP answer: it starts with "`+strings.Repeat("x", 32)+`"`, says(strings.Repeat("x", 5000)+"\r\n\r\n"))
	f("the answer's header is over 65536 bytes", says("HTTP/1.1 200 OK\r\nX-Large: "+strings.Repeat("x", 70_000)+"\r\n\r\n"))
}

// A reset comes as EOF or as itself, whichever the reader meets first: so this one is made by hand.
func TestHTTPProbeExplainsAReset(t *testing.T) {
	reset := &net.OpError{Op: "read", Net: "tcp", Err: os.NewSyscallError("read", syscall.ECONNRESET)}
	err := httpProbe{}.explain(fmt.Errorf("reading: %w", reset), bufio.NewReader(strings.NewReader("")))
	assert.EqualError(t, err, "read: connection reset by peer")
}

// Whatever a backend says, a probe ends with a status or with a short reason, and never panics.
func FuzzHTTPProbeAnswer(f *testing.F) {
	for _, answer := range []string{
		"", "\r\n", "SSH-2.0-OpenSSH_9.6\r\n", "HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 099 ?\r\n\r\n",
		"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\nx", "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
	} {
		f.Add([]byte(answer))
	}
	p := newHTTPProbe(httpHealth(generous), dialer{})
	f.Fuzz(func(t *testing.T, said []byte) {
		r := bufio.NewReaderSize(bytes.NewReader(said), maxProbeHeader)
		answer := &fasthttp.Response{SkipBody: true}
		if err := p.ask(io.Discard, r, answer); err != nil {
			why := p.explain(err, r).Error()
			assert.NotEmpty(t, why)
			assert.LessOrEqual(t, len(why), 400)
			return
		}
		assert.True(t, 0 <= answer.StatusCode() && answer.StatusCode() <= 999)
		drain(answer, r)
		assert.LessOrEqual(t, len(answer.Body()), maxProbeBody)
	})
}

func TestHTTPProbeAsks(t *testing.T) {
	f := func(path, host, want string) {
		t.Helper()
		asked := make(chan string, 1)
		addr := backend(t, "127.0.0.1", func(conn net.Conn) {
			asked <- readHeader(conn)
			io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
		})
		h := httpHealth(generous)
		h.Path, h.Host = path, host
		_, err := ask(t, h, addr)
		require.NoError(t, err)
		assert.Equal(t, strings.ReplaceAll(want, "ADDR", addr), <-asked)
	}
	f("/", "", "GET / HTTP/1.1\r\nHost: ADDR\r\nUser-Agent: gopher-equalizer health check\r\nConnection: close\r\n\r\n")
	f("/a//../healthz?deep=%2F", "api.example.com",
		"GET /a//../healthz?deep=%2F HTTP/1.1\r\nHost: api.example.com\r\nUser-Agent: gopher-equalizer health check\r\nConnection: close\r\n\r\n")
}

// A probe is done when the answer is, even if the backend keeps the connection open.
func TestHTTPProbeWaitsForNoClose(t *testing.T) {
	f := func(answer string) {
		t.Helper()
		released := make(chan error, 1)
		addr := backend(t, "127.0.0.1", func(conn net.Conn) {
			says(answer)(conn)
			_, err := conn.Read(make([]byte, 1)) // until the probe closes
			released <- err
		})
		_, err := ask(t, httpHealth(generous), addr)
		require.NoError(t, err)
		assert.ErrorIs(t, <-released, io.EOF, "closed, and not reset")
	}
	f("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
	f("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n")
	f("HTTP/1.1 204 No Content\r\n\r\n")
	f("HTTP/1.1 304 Not Modified\r\n\r\n")
	f("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n")
}

// An answer that has begun well is one, however its body goes on; how much of that is read is bounded.
func TestHTTPProbeBoundsTheBody(t *testing.T) {
	t.Parallel() // one of these waits for its timeout
	f := func(timeout time.Duration, header string, body func(net.Conn)) {
		t.Helper()
		got, err := ask(t, httpHealth(timeout), backend(t, "127.0.0.1", func(conn net.Conn) {
			says(header)(conn)
			body(conn)
		}))
		require.NoError(t, err)
		assert.Contains(t, got, "200 in")
	}
	endless := func(conn net.Conn) {
		for {
			if _, err := conn.Write(make([]byte, 4096)); err != nil {
				return
			}
		}
	}
	f(generous, "HTTP/1.1 200 OK\r\n\r\n", endless)
	f(generous, "HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\n", endless)
	f(generous, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\ncut", func(net.Conn) {})
	f(time.Second, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n", untilClosed)
}

func TestProbesEndWithTheirTime(t *testing.T) {
	t.Parallel()
	f := func(serve func(net.Conn)) {
		t.Helper()
		_, err := ask(t, httpHealth(short), backend(t, "127.0.0.1", serve))
		assert.EqualError(t, err, "no answer within 250ms")
	}
	f(untilClosed)
	f(func(conn net.Conn) {
		says("HTTP/1.1 200 OK\r\nX-Half: ")(conn)
		untilClosed(conn)
	})
	f(func(conn net.Conn) {
		says("HTTP/1.1 103 Early Hints\r\n\r\n")(conn)
		untilClosed(conn)
	})

	// A listener whose accept queue nobody serves: the kernel connects, and that is all.
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer ln.Close()
	_, err = ask(t, httpHealth(short), ln.Addr().String())
	assert.EqualError(t, err, "no answer within 250ms")
}

// Without the cut these would hang: their contexts have no deadline, and the backend waits for the probe to close.
func TestProbeEndsWhenItIsCancelled(t *testing.T) {
	f := func(answer string) {
		t.Helper()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		closed := make(chan struct{})
		addr := backend(t, "127.0.0.1", func(conn net.Conn) {
			defer close(closed)
			says(answer)(conn)
			cancel()
			untilClosed(conn)
		})
		_, err := newProbe(httpHealth(generous), BackendSettings{Addr: addr})(ctx)
		<-closed
		if answer == "" {
			assert.Error(t, err)
		}
	}
	f("")
	f("HTTP/1.1 200 OK\r\n\r\nbody")
}

func TestTCPProbe(t *testing.T) {
	h := HealthSettings{Type: HealthTCP, Timeout: generous}
	asked := make(chan []byte, 1)
	addr := backend(t, "127.0.0.1", func(conn net.Conn) {
		got, _ := io.ReadAll(conn)
		asked <- got
	})
	got, err := ask(t, h, addr)
	require.NoError(t, err)
	assert.Regexp(t, `^connected in \d+\.\dms$`, got)
	assert.Empty(t, <-asked, "it sends nothing")
}

func TestProbesOfAnAddressThatNobodyListensOn(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	addr := ln.Addr().String()
	require.NoError(t, ln.Close())
	for _, kind := range []HealthType{HealthHTTP, HealthTCP} {
		h := httpHealth(generous)
		h.Type = kind
		_, err = ask(t, h, addr)
		assert.EqualError(t, err, "connect: connection refused", kind)
	}
}

func TestConnectErrorsForOperators(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 0)
	defer cancel()
	for _, kind := range []HealthType{HealthHTTP, HealthTCP} {
		h := HealthSettings{Type: kind, Path: "/", Timeout: 2 * time.Second}
		_, err := newProbe(h, BackendSettings{Addr: "127.0.0.1:1"})(ctx)
		assert.EqualError(t, err, "connect: no connection within 2s", kind)
	}
	_, err := ask(t, HealthSettings{Type: HealthTCP, Timeout: generous}, "127.0.0.1:http!")
	assert.ErrorContains(t, err, "http!")
	plain := errors.New("plain")
	assert.Equal(t, plain, cause(plain))
}

func TestProbesIgnoreTheEnvironmentsProxies(t *testing.T) {
	for _, name := range []string{"HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"} {
		t.Setenv(name, "http://127.0.0.1:1")
	}
	_, err := ask(t, httpHealth(generous), backend(t, "127.0.0.1", says("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")))
	assert.NoError(t, err)
}

// IPv6 needs brackets in Host. Not every machine has it: without, all that can be seen is that the probe fails.
func TestHTTPProbeOfAnIPv6Literal(t *testing.T) {
	ln, err := net.Listen("tcp", "[::1]:0")
	if err != nil {
		_, err = ask(t, httpHealth(generous), "[::1]:1")
		require.Error(t, err)
		return
	}
	require.NoError(t, ln.Close())
	hosts := make(chan string, 1)
	addr := backend(t, "::1", func(conn net.Conn) {
		hosts <- readHeader(conn)
		io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
	})
	_, err = ask(t, httpHealth(generous), addr)
	require.NoError(t, err)
	assert.Contains(t, <-hosts, "\r\nHost: [::1]:")
}

// The whole way: real listeners, a first round, and picks.
func TestPoolOverRealBackends(t *testing.T) {
	good := backend(t, "127.0.0.1", says("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"))
	bad := backend(t, "127.0.0.1", says("HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n"))
	p := NewPool(Settings{
		Strategy:  RoundRobin,
		Backends:  []BackendSettings{{URL: "good", Addr: good, Weight: 1, State: Ready}, {URL: "bad", Addr: bad, Weight: 1, State: Ready}},
		Health:    httpHealth(generous),
		NewClient: func(BackendSettings) *fasthttp.HostClient { return nil },
	})
	p.Probe(t.Context())
	for range 10 {
		require.NotNil(t, p.Pick())
		assert.Equal(t, "good", p.Pick().URL())
	}
	assert.Nil(t, p.PickOther(p.Pick()))
}
