package proxy

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/balancer"
	"gopher-equalizer/proxy/h1"
	"gopher-equalizer/proxy/netconn/deadtest"
)

// brieflyProbed is the time that a probe has which must run into it.
const brieflyProbed = 250 * time.Millisecond

// probedBackend hands the connections of a listener, one after the other, to serve, which closes
// them by returning. It is stopped with the test.
func probedBackend(t *testing.T, host string, serve func(net.Conn)) (addr string) {
	t.Helper()
	ln, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	require.NoError(t, err)
	serveProbes(t, ln, serve)
	return ln.Addr().String()
}

// serveProbes is probedBackend on a listener.
func serveProbes(t *testing.T, ln net.Listener, serve func(net.Conn)) {
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

// says reads a request's header and responds with those bytes.
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

// probeOf probes the address once.
func probeOf(t *testing.T, timeout time.Duration, addr string) (int, error) {
	t.Helper()
	return getFrom(t, timeout, balancer.BackendSettings{Addr: addr})
}

func getFrom(t *testing.T, timeout time.Duration, b balancer.BackendSettings) (int, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), timeout)
	defer cancel()
	return statusOf(ctx, b, "/", b.Authorities()[0])
}

func connect(t *testing.T, timeout time.Duration, b balancer.BackendSettings) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), timeout)
	defer cancel()
	return prober(b).Connect(ctx, 0)
}

// statusOf is the status that a GET finds.
func statusOf(ctx context.Context, b balancer.BackendSettings, path, host string) (int, error) {
	found, err := prober(b).Ask(ctx, balancer.ProbeRequest{Method: "GET", Path: path, Host: host})
	return found.Status, err
}

func prober(b balancer.BackendSettings) balancer.Prober {
	return NewBackends(connectionSettings()).New(b)
}

// What reaches a client is a finding, whatever its status: to judge that is the balancer's.
func TestProbeFindsTheStatus(t *testing.T) {
	f := func(want int, answer string) {
		t.Helper()
		got, err := probeOf(t, patience, probedBackend(t, "127.0.0.1", says(answer)))
		require.NoError(t, err, "%.100q", answer)
		assert.Equal(t, want, got)
	}
	f(200, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
	f(204, "HTTP/1.1 204 No Content\r\n\r\n")
	f(404, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
	f(503, "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n")
	f(302, "HTTP/1.1 302 Found\r\nLocation: http://192.0.2.1/\r\nContent-Length: 0\r\n\r\n")
	f(200, "HTTP/1.0 200 OK\r\n\r\nuntil the connection ends")
	f(200, "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
	f(200, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n")
}

// What would be 502 to a client is no healthy backend, and the reason says why.
func TestProbeFailsAsTrafficWould(t *testing.T) {
	f := func(want, answer string) {
		t.Helper()
		addr := probedBackend(t, "127.0.0.1", says(answer))
		_, err := probeOf(t, patience, addr)
		assert.EqualError(t, err, want)

		p := startProxy(t, settings(), poolOf(t, connectionSettings(), addr), nil)
		p.isProblem(p.dial().do(plainGet), 502, "backend-broken")
	}
	const line = "the response doesn't begin with a version of HTTP/1 and a status of 100 to 599"
	f("the connection was closed before the response's header ended", "")
	f("the connection was closed before the response's header ended", "HTTP/1.1 200 OK\r\nContent-Le")
	f(`what came is not an HTTP/1 response: it starts with "SSH-2.0-OpenSSH_9.6\r\n"`, "SSH-2.0-OpenSSH_9.6\r\n")
	f(`what came is not an HTTP/1 response: it starts with "\x15\x03\x01\x00\x02\x02\n"`, "\x15\x03\x01\x00\x02\x02\n")
	f(line, "HTTP/1.1 20 OK\r\n\r\n")
	f(line, "HTTP/1.1 600 What\r\nContent-Length: 0\r\n\r\n")
	f("a header name is not a token", "HTTP/1.1 200 OK\r\nno colon\r\n\r\n")
	f("Content-Length is not a size", "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n")
	f("the response switches protocols, and nobody asked for that",
		"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n")
	f("more than 16 interim responses", strings.Repeat("HTTP/1.1 103 Early Hints\r\n\r\n", h1.MaxInterim+1))
	f("a chunk's size is not hexadecimal digits", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nok\r\n0\r\n\r\n")
	f("the response's header has more than 65536 bytes, and max_response_header is 65536",
		"HTTP/1.1 200 OK\r\nX-Large: "+strings.Repeat("x", 1<<20)+"\r\n\r\n")
}

// A reset comes as an end or as itself, whichever the reader meets first: so this one is made by
// hand.
func TestProbeExplainsAReset(t *testing.T) {
	reset := &net.OpError{Op: "read", Net: "tcp", Err: os.NewSyscallError("read", syscall.ECONNRESET)}
	err := explain(t.Context(), new(h1.Exchange), fmt.Errorf("reading: %w", reset))
	assert.EqualError(t, err, "read: connection reset by peer")
}

func TestProbeAsks(t *testing.T) {
	asked := make(chan string, 1)
	addr := probedBackend(t, "127.0.0.1", func(conn net.Conn) {
		asked <- readHeader(conn)
		io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
	})
	_, err := statusOf(t.Context(), balancer.BackendSettings{Addr: addr}, "/a//../healthz?deep=%2F", "api.example.com")
	require.NoError(t, err)
	assert.Equal(t, "GET /a//../healthz?deep=%2F HTTP/1.1\r\nHost: api.example.com\r\n"+
		"User-Agent: gopher-equalizer health check\r\nConnection: close\r\n\r\n", <-asked)
}

func TestProbeAsksAsItIsTold(t *testing.T) {
	asked := make(chan string, 1)
	addr := probedBackend(t, "127.0.0.1", func(conn net.Conn) {
		asked <- readHeader(conn)
		io.WriteString(conn, "HTTP/1.1 200 OK\r\nX-Weight: 50%\r\nx-weight: 7%\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nall\r\n3\r\n ok\r\n0\r\n\r\n")
	})
	_, port, err := net.SplitHostPort(addr)
	require.NoError(t, err)
	n, err := strconv.Atoi(port)
	require.NoError(t, err)
	r := balancer.ProbeRequest{
		Port: n, Method: "OPTIONS", Path: "/", Host: "b", Body: 5, Field: "X-Weight",
		Fields: []balancer.ProbeField{{Name: "Authorization", Value: "Bearer x"}, {Name: "user-agent", Value: "y"}},
	}
	found, err := prober(balancer.BackendSettings{Addr: "127.0.0.1:1"}).Ask(t.Context(), r)
	require.NoError(t, err)
	assert.Equal(t, "OPTIONS / HTTP/1.1\r\nHost: b\r\nAuthorization: Bearer x\r\nuser-agent: y\r\nConnection: close\r\n\r\n", <-asked)
	assert.Equal(t, balancer.ProbeResponse{Status: 200, Body: []byte("all o"), Field: "50%"}, found)
	require.NoError(t, prober(balancer.BackendSettings{Addr: "127.0.0.1:1"}).Connect(t.Context(), n))
	<-asked
}

// A response to HEAD has no body, whatever its header says.
func TestProbeByHead(t *testing.T) {
	addr := probedBackend(t, "127.0.0.1", func(conn net.Conn) {
		says("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n")(conn)
		untilClosed(conn)
	})
	found, err := prober(balancer.BackendSettings{Addr: addr}).Ask(t.Context(), balancer.ProbeRequest{Method: "HEAD", Path: "/", Host: "b", Body: 9})
	require.NoError(t, err)
	assert.Equal(t, balancer.ProbeResponse{Status: 200}, found)
}

// A probe is done when the response is, even if the backend keeps the connection open.
func TestProbeWaitsForNoClose(t *testing.T) {
	f := func(answer string) {
		t.Helper()
		released := make(chan error, 1)
		addr := probedBackend(t, "127.0.0.1", func(conn net.Conn) {
			says(answer)(conn)
			_, err := conn.Read(make([]byte, 1)) // until the probe closes
			released <- err
		})
		_, err := probeOf(t, patience, addr)
		require.NoError(t, err)
		assert.ErrorIs(t, <-released, io.EOF, "closed, and not reset")
	}
	f("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
	f("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n")
	f("HTTP/1.1 204 No Content\r\n\r\n")
	f("HTTP/1.1 304 Not Modified\r\n\r\n")
	f("HTTP/1.1 200 OK\r\nContent-Length: 1048576\r\n\r\n" + strings.Repeat("x", 1<<20))
	f("HTTP/1.1 200 OK\r\nContent-Length: 900000\r\n\r\n" + strings.Repeat("x", 900_000))
}

// A response that has begun well is one, however its body goes on; how much of that is read is
// bounded.
func TestProbeBoundsTheBody(t *testing.T) {
	t.Parallel() // one of these waits for its timeout
	f := func(timeout time.Duration, header string, body func(net.Conn)) {
		t.Helper()
		got, err := probeOf(t, timeout, probedBackend(t, "127.0.0.1", func(conn net.Conn) {
			says(header)(conn)
			body(conn)
		}))
		require.NoError(t, err)
		assert.Equal(t, 200, got)
	}
	endless := func(conn net.Conn) {
		for {
			if _, err := conn.Write(make([]byte, 4096)); err != nil {
				return
			}
		}
	}
	f(patience, "HTTP/1.1 200 OK\r\n\r\n", endless)
	f(patience, "HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\n", endless)
	f(patience, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\ncut", func(net.Conn) {})
	f(time.Second, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n", untilClosed)
}

func TestProbesEndWithTheirTime(t *testing.T) {
	t.Parallel()
	f := func(serve func(net.Conn)) {
		t.Helper()
		assert.EqualError(t, brieflyProbe(t, probedBackend(t, "127.0.0.1", serve)), "no response")
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
	assert.EqualError(t, brieflyProbe(t, ln.Addr().String()), "no response")
}

// brieflyProbe is what a probe fails with that runs into its time behind the connect, which alone
// may take as long on a busy machine: then there is another probe.
func brieflyProbe(t *testing.T, addr string) error {
	t.Helper()
	for begin := time.Now(); ; {
		_, err := probeOf(t, brieflyProbed, addr)
		if err == nil || err.Error() != "connect: timed out" || time.Since(begin) > patience {
			return err
		}
	}
}

// Without the cut these would hang: their contexts have no deadline, and the backend waits for the
// probe to close.
func TestProbeEndsWhenItIsCancelled(t *testing.T) {
	f := func(answer string) {
		t.Helper()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		closed := make(chan struct{})
		addr := probedBackend(t, "127.0.0.1", func(conn net.Conn) {
			defer close(closed)
			says(answer)(conn)
			cancel()
			untilClosed(conn)
		})
		_, err := statusOf(ctx, balancer.BackendSettings{Addr: addr}, "/", "x")
		<-closed
		if answer == "" {
			assert.Error(t, err)
		}
	}
	f("")
	f("HTTP/1.1 200 OK\r\n\r\nbody")
}

func TestConnectingProbe(t *testing.T) {
	asked := make(chan []byte, 1)
	addr := probedBackend(t, "127.0.0.1", func(conn net.Conn) {
		got, _ := io.ReadAll(conn)
		asked <- got
	})
	require.NoError(t, connect(t, patience, balancer.BackendSettings{Addr: addr}))
	assert.Empty(t, <-asked, "it sends nothing")
}

func TestProbesOfAnAddressThatNobodyListensOn(t *testing.T) {
	b := balancer.BackendSettings{Addr: deadtest.Address(t)}
	assert.EqualError(t, connect(t, patience, b), "connect: connection refused")
	_, err := getFrom(t, patience, b)
	assert.EqualError(t, err, "connect: connection refused")
}

func TestConnectErrorsForOperators(t *testing.T) {
	b := balancer.BackendSettings{Addr: "127.0.0.1:1"}
	assert.EqualError(t, connect(t, 0, b), "connect: timed out")
	_, err := getFrom(t, 0, b)
	assert.EqualError(t, err, "connect: timed out")
	assert.ErrorContains(t, connect(t, patience, balancer.BackendSettings{Addr: "127.0.0.1:http!"}), "http!")
}

// A want of our own is no finding about a backend, and must be known for what it is.
func TestConnectErrorsKeepTheirCause(t *testing.T) {
	err := connect(t, patience, balancer.BackendSettings{Addr: filepath.Join(t.TempDir(), "app.sock")})
	assert.ErrorIs(t, err, syscall.ENOENT)
}

func TestProbesIgnoreTheEnvironmentsProxies(t *testing.T) {
	for _, name := range []string{"HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"} {
		t.Setenv(name, "http://127.0.0.1:1")
	}
	_, err := probeOf(t, patience, probedBackend(t, "127.0.0.1", says(ok)))
	assert.NoError(t, err)
}

// IPv6 needs brackets in Host. Not every machine has it: without, all that can be seen is that the
// probe fails.
func TestProbeOfAnIPv6Literal(t *testing.T) {
	ln, err := net.Listen("tcp", "[::1]:0")
	if err != nil {
		_, err = probeOf(t, patience, "[::1]:1")
		require.Error(t, err)
		return
	}
	hosts := make(chan string, 1)
	serveProbes(t, ln, func(conn net.Conn) {
		hosts <- readHeader(conn)
		io.WriteString(conn, ok)
	})
	_, err = probeOf(t, patience, ln.Addr().String())
	require.NoError(t, err)
	assert.Contains(t, <-hosts, "\r\nHost: [::1]:")
}

// Whatever a backend says, a probe ends with a status or with a short reason, and never panics.
func FuzzProbeResponse(f *testing.F) {
	for _, answer := range []string{
		"", "\r\n", "SSH-2.0-OpenSSH_9.6\r\n", "HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 099 ?\r\n\r\n",
		"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\nx", "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
	} {
		f.Add([]byte(answer))
	}
	said := make(chan []byte, 1)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(f, err)
	defer ln.Close()
	go func() {
		for conn, err := ln.Accept(); err == nil; conn, err = ln.Accept() {
			readHeader(conn)
			conn.Write(<-said)
			conn.Close()
		}
	}()
	p := prober(balancer.BackendSettings{Addr: ln.Addr().String()})
	f.Fuzz(func(t *testing.T, answer []byte) {
		said <- answer
		found, err := p.Ask(t.Context(), balancer.ProbeRequest{Method: "GET", Path: "/", Host: "x"})
		if err == nil {
			assert.True(t, 200 <= found.Status && found.Status <= 599, found.Status)
			return
		}
		assert.NotEmpty(t, err.Error())
		assert.LessOrEqual(t, len(err.Error()), 400)
	})
}
