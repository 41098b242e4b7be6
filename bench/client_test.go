package bench

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/proxy/netconn/deadtest"
)

// serving is a server and a client of it.
func serving(t *testing.T, header http.Header, handler http.HandlerFunc) (*client, *httptest.Server) {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	c, err := newClient(server.URL+"/path?q=1", header)
	require.NoError(t, err)
	t.Cleanup(c.close)
	return c, server
}

func TestSend(t *testing.T) {
	f := func(status int, body int) {
		t.Helper()
		c, _ := serving(t, nil, func(w http.ResponseWriter, r *http.Request) {
			assert.Equal(t, "GET /path?q=1 HTTP/1.1", r.Method+" "+r.RequestURI+" "+r.Proto)
			assert.Equal(t, userAgent, r.UserAgent())
			assert.Empty(t, r.Header.Get("Accept-Encoding"), "a response is measured as it is")
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(status)
			_, _ = w.Write(make([]byte, body))
		})
		assert.Equal(t, outcome{status: status}, c.send(t.Context()))
	}
	f(200, 1<<20)
	f(302, 0) // not followed, or the handler would see another path
	f(429, 100)
	f(500, 0)
}

func TestSendsHeaders(t *testing.T) {
	header := http.Header{"Host": {"api.example.com"}, "X-Api-Key": {"a", "b"}, "User-Agent": {"mine"}}
	c, _ := serving(t, header, func(_ http.ResponseWriter, r *http.Request) {
		assert.Equal(t, "api.example.com", r.Host)
		assert.Equal(t, []string{"a", "b"}, r.Header["X-Api-Key"])
		assert.Equal(t, []string{"mine"}, r.Header["User-Agent"])
	})
	assert.Equal(t, outcome{status: 200}, c.send(t.Context()))
	assert.Equal(t, outcome{status: 200}, c.send(t.Context()), "the request can be sent again")
}

func TestConnectionsAreKept(t *testing.T) {
	var peers atomic.Pointer[string]
	c, _ := serving(t, nil, func(w http.ResponseWriter, r *http.Request) {
		if before := peers.Swap(&r.RemoteAddr); before != nil {
			assert.Equal(t, *before, r.RemoteAddr)
		}
		_, _ = w.Write(make([]byte, 100_000))
	})
	for range 5 {
		assert.Equal(t, outcome{status: 200}, c.send(t.Context()))
	}
}

func TestNoProxyIsMeasuredAlong(t *testing.T) {
	c, err := newClient("http://example.com/", nil)
	require.NoError(t, err)
	assert.Nil(t, c.transport.Proxy)
}

func TestSendThatFails(t *testing.T) {
	f := func(want string, handler http.HandlerFunc) {
		t.Helper()
		c, _ := serving(t, nil, handler)
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		o := c.send(ctx)
		require.Error(t, o.err)
		assert.Equal(t, want, why(o.err, time.Second))
	}
	f("the connection was closed before the response ended", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	f("the connection was closed before the response ended", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		_, _ = w.Write(make([]byte, 50))
	})
	f("connection reset by peer", func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		assert.NoError(t, err)
		assert.NoError(t, conn.(*net.TCPConn).SetLinger(0))
		assert.NoError(t, conn.Close())
	})
}

func TestSendEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	c, _ := serving(t, nil, func(w http.ResponseWriter, r *http.Request) {
		assert.NoError(t, http.NewResponseController(w).Flush()) // the head is sent, and no body
		cancel()
		<-r.Context().Done()
	})
	require.ErrorIs(t, c.send(ctx).err, context.Canceled)
}

func TestSendToNobody(t *testing.T) {
	c, server := serving(t, nil, nil)
	deadtest.Close(t, server.Listener)
	server.Close()
	o := c.send(t.Context())
	assert.Equal(t, "connection refused", why(o.err, time.Second))
}

func TestWhy(t *testing.T) {
	f := func(err error, want string) {
		t.Helper()
		assert.Equal(t, want, why(err, 3*time.Second))
		assert.Equal(t, want, why(fmt.Errorf("wrapped: %w", err), 3*time.Second))
	}
	local := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 43210}
	op := func(err error) error { return &net.OpError{Op: "read", Net: "tcp", Source: local, Err: err} }
	f(context.DeadlineExceeded, "no response within 3s")
	f(op(os.ErrDeadlineExceeded), "no response within 3s")
	f(op(os.NewSyscallError("read", syscall.ECONNRESET)), "connection reset by peer")
	f(op(errors.New("odd")), "odd")
	f(io.EOF, "the connection was closed before the response ended")
	f(io.ErrUnexpectedEOF, "the connection was closed before the response ended")
	assert.Equal(t, "x509: certificate signed by unknown authority", why(x509.UnknownAuthorityError{}, time.Second))
}

// A whole run against real servers. The report has what the servers counted.
func TestRun(t *testing.T) {
	var direct, through, slow atomic.Int64
	backend := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		assert.Equal(t, "k", r.Header.Get("X-Api-Key"))
		direct.Add(1)
	}))
	defer backend.Close()
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		assert.Equal(t, "k", r.Header.Get("X-Api-Key"))
		if through.Add(1)%10 == 0 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		slow.Add(1)
		sleep(r.Context(), 20*time.Millisecond)
	}))
	defer proxy.Close()

	r, err := Run(t.Context(), Settings{
		Target: backend.URL, Through: proxy.URL, Header: http.Header{"X-Api-Key": {"k"}},
		Rate: 200, Duration: time.Second, Timeout: time.Minute,
	})
	require.NoError(t, err)
	assert.Equal(t, 4, r.Rounds)
	assert.Equal(t, 25, r.RoundRequests)
	assert.Equal(t, map[int]int{200: int(direct.Load())}, r.Direct.Responses)
	assert.Equal(t, 100, r.Direct.Requests)
	assert.Zero(t, r.Direct.Failures)
	assert.Equal(t, map[int]int{200: int(slow.Load()), 503: 10}, r.Through.Responses)
	assert.EqualValues(t, through.Load(), r.Through.Requests)
	assert.Equal(t, 10, r.Through.Failures)
	assert.GreaterOrEqual(t, r.Through.Latency.P50, Milliseconds(20*time.Millisecond), "a refusal, which is fast, isn't in it")
	assert.Equal(t, r.Through.Latency.P99-r.Direct.Latency.P99, r.Overhead.P99)
	assert.NotNil(t, r.Noise)
}
