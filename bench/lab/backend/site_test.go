package main

import (
	"encoding/json"
	"io"
	"net"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/valyala/fasthttp"
	"github.com/valyala/fasthttp/fasthttputil"
)

// served starts backends whose addresses are names. It returns a function that sends a raw request
// to one of them, and returns the response's bytes.
func served(t *testing.T, n int) (ask func(address, path string) string, hello Hello) {
	t.Helper()
	listeners := map[string]*fasthttputil.InmemoryListener{}
	serve := func(handler fasthttp.RequestHandler) (string, error) {
		name := string(rune('a' + len(listeners)))
		ln := fasthttputil.NewInmemoryListener()
		listeners[name] = ln
		go func() { _ = (&fasthttp.Server{Handler: handler, NoDefaultServerHeader: true}).Serve(ln) }()
		t.Cleanup(func() { _ = ln.Close() })
		return name, nil
	}
	hello, err := start(make([]site, n), serve)
	require.NoError(t, err)
	return func(address, path string) string {
		conn, err := listeners[address].Dial()
		require.NoError(t, err)
		return exchange(t, conn, path)
	}, hello
}

func exchange(t *testing.T, conn net.Conn, path string) string {
	t.Helper()
	defer conn.Close()
	_, err := conn.Write([]byte("GET " + path + " HTTP/1.0\r\nHost: h\r\nX-A: b\r\n\r\n"))
	require.NoError(t, err)
	response, err := io.ReadAll(conn)
	require.NoError(t, err)
	return string(response)
}

func TestTheSmallAnswerHas118Bytes(t *testing.T) {
	ask, hello := served(t, 1)
	response := ask(hello.Backends[0], "/small")
	require.Len(t, response, 118+len("Connection: close\r\n"), "%q", response) // HTTP/1.0 closes
}

func TestBodies(t *testing.T) {
	bodies := newBodies()
	require.Len(t, bodies["/10k"], 10<<10)
	require.Len(t, bodies["/1m"], 1<<20)
}

func TestBackendsCountTheLoadAlone(t *testing.T) {
	ask, hello := served(t, 3)
	for i, paths := range [][]string{{"/small"}, {"/10k", "/1m"}, {"/head", "/health", "/elsewhere"}} {
		for _, path := range paths {
			ask(hello.Backends[i], path)
		}
	}
	var c Counts
	response := ask(hello.Control, "/counts")
	require.NoError(t, json.Unmarshal([]byte(response[len(response)-len(`{"requests":[1,2,0]}`)-1:]), &c))
	require.Equal(t, []int64{1, 2, 0}, c.Requests)
}

func TestHeadShowsTheRequest(t *testing.T) {
	ask, hello := served(t, 1)
	require.Contains(t, ask(hello.Backends[0], "/head"), "X-A: b\r\n")
	require.Contains(t, ask(hello.Backends[0], "/elsewhere"), " 404 ")
	require.Contains(t, ask(hello.Backends[0], "/health"), " 200 ")
}
