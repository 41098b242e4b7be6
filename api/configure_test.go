package api

import (
	"bufio"
	"context"
	"crypto/tls"
	"net"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/valyala/fasthttp"
)

// Whatever Configure changes holds for the next request on a connection that is open.
func TestConfigureChangesOpenConnections(t *testing.T) {
	r := start(t, nil)
	conn, err := r.ln.Dial()
	require.NoError(t, err)
	defer conn.Close()
	answers := bufio.NewReader(conn)
	do := func(method, path, token, body string) (status int, got string) {
		t.Helper()
		req := request{method: method, target: path, body: body}
		if token != "" {
			req.header = []string{"Authorization: Bearer " + token}
		}
		_, err := conn.Write([]byte(req.raw()))
		require.NoError(t, err)
		var resp fasthttp.Response
		require.NoError(t, resp.Read(answers))
		return resp.StatusCode(), string(resp.Body())
	}
	status := func(method, path, token string) int {
		got, _ := do(method, path, token, "")
		return got
	}
	assert.Equal(t, 200, status("GET", "/buckets", ""))

	settings, sources := Settings{Token: "first", WriteTimeout: time.Hour}, newSources(r.fake)
	r.server.Configure(settings, sources)
	assert.Equal(t, 401, status("GET", "/buckets", ""))
	assert.Equal(t, 200, status("GET", "/buckets", "first"))
	settings.Token = "second"
	r.server.Configure(settings, sources)
	assert.Equal(t, 401, status("GET", "/buckets", "first"))
	got, body := do("PUT", "/buckets/a", "second", `{}`)
	require.Equal(t, 201, got, body)
	require.Len(t, r.fake.deadlines, 1)
	assert.Greater(t, r.fake.deadlines[0], 50*time.Minute)

	sources.Reader, sources.Writer, sources.Limits = nil, nil, nil
	r.server.Configure(settings, sources)
	assert.Equal(t, 409, status("GET", "/buckets", "second"))
	r.server.Configure(settings, newSources(r.fake))
	assert.Equal(t, 200, status("GET", "/buckets", "second"))
}

// A request that runs goes on with what it began with.
func TestConfigureLeavesWhatRuns(t *testing.T) {
	slow := &slowReader{asked: make(chan struct{}), answer: make(chan struct{})}
	sources := newSources(&slow.fakeLimiter)
	sources.Writer = slow
	r := start(t, func(_ *Settings, s *Sources) { *s = sources })
	answered := make(chan reply, 1)
	go func() { answered <- r.do(t, request{method: "DELETE", target: "/buckets/a"}) }()
	<-slow.asked
	sources.Reader, sources.Writer, sources.Limits = nil, nil, nil
	r.server.Configure(Settings{Token: "new", WriteTimeout: time.Second}, sources)
	close(slow.answer)
	assert.Equal(t, 204, (<-answered).status)
	r.do(t, request{method: "DELETE", target: "/buckets/a"}).problem(t, 401, "unauthorized")
}

// Several listeners are served at once. The owner may close one: its connections go on.
func TestSeveralListeners(t *testing.T) {
	s := New(Settings{WriteTimeout: time.Second}, newSources(&fakeLimiter{}), zerolog.Nop())
	listen := func() (net.Listener, chan error) {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		served := make(chan error, 1)
		go func() { served <- s.Serve(ln) }()
		return ln, served
	}
	first, firstServed := listen()
	second, secondServed := listen()
	ask := func(conn net.Conn) {
		t.Helper()
		_, err := conn.Write([]byte(request{method: "GET", target: "/healthz"}.raw()))
		require.NoError(t, err)
		require.NoError(t, conn.SetReadDeadline(time.Now().Add(10*time.Second)))
		n, err := conn.Read(make([]byte, 4096))
		require.NoError(t, err)
		require.Positive(t, n)
	}
	dial := func(ln net.Listener) net.Conn {
		t.Helper()
		conn, err := net.Dial("tcp", ln.Addr().String())
		require.NoError(t, err)
		t.Cleanup(func() { conn.Close() })
		return conn
	}
	old := dial(first)
	ask(old)
	ask(dial(second))
	require.NoError(t, first.Close())
	require.NoError(t, <-firstServed)
	ask(old)
	ask(dial(second))
	require.NoError(t, s.Shutdown(context.Background()))
	require.NoError(t, <-secondServed)
}

// Where other machines come from, what a listener wants is also wanted of the connections that were
// made before the configuration changed.
func TestConnectionsFromBefore(t *testing.T) {
	elsewhere := &net.TCPAddr{IP: net.IPv4(10, 0, 0, 1), Port: 8080}
	g := newGuard(Settings{})
	require.ErrorContains(t, g.checkReach(elsewhere, true), "there is no token")
	require.NoError(t, g.checkReach(&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 8080}, false))
	require.NoError(t, g.checkReach(&net.UnixAddr{Name: "/run/x.sock", Net: "unix"}, false))
	g = newGuard(Settings{Token: "s3cret", TLS: &tls.Config{}})
	require.ErrorContains(t, g.checkReach(elsewhere, false), "in clear")
	require.NoError(t, g.checkReach(elsewhere, true))
}
