package proxy

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// lean is a backend that answers without allocating.
func lean(t testing.TB, answer string) string {
	ln := listen(t)
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				buf, reply := make([]byte, 64<<10), []byte(answer)
				for n := 0; ; {
					m, err := c.Read(buf[n:])
					if err != nil {
						return
					}
					if n += m; bytes.HasSuffix(buf[:n], []byte("\r\n\r\n")) {
						n = 0
						_, _ = c.Write(reply)
					}
				}
			}()
		}
	}()
	return ln.Addr().String()
}

// leanClient returns what sends a request and reads the response without allocating.
func leanClient(t testing.TB, addr, request string) func() {
	c, err := net.Dial("tcp", addr)
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	return leanOver(t, c, request)
}

// leanOver is leanClient over a connection.
func leanOver(t testing.TB, c net.Conn, request string) func() {
	out := []byte(request)
	_, err := c.Write(out)
	require.NoError(t, err)
	buf := make([]byte, 64<<10)
	size, err := c.Read(buf) // A small answer is one write, and has the same length each time.
	require.NoError(t, err)
	return func() {
		_, _ = c.Write(out)
		if _, err := io.ReadFull(c, buf[:size]); err != nil {
			t.Error(err)
		}
	}
}

// exercise returns what sends the request through a proxy to a backend with the response.
func exercise(t testing.TB, answer, request string, l aLimiter, log bool) func() {
	s := settings()
	s.Log.Access = log
	pool := boundedPoolOf(t, connectionSettings(), 100, 0.5, lean(t, answer))
	return leanClient(t, run(t, s.proxy(pool, l, io.Discard), pool), request)
}

// In steady state, a request costs no allocation.
func TestRequestsDoNotAllocate(t *testing.T) {
	f := func(name string, answer, request string, l aLimiter, log bool) {
		t.Run(name, func(t *testing.T) {
			do := exercise(t, answer, request, l, log)
			for range 100 {
				do()
			}
			assert.LessOrEqual(t, testing.AllocsPerRun(1000, do), float64(mostAllocs))
		})
	}
	const request = "GET /path?query HTTP/1.1\r\nHost: example.com\r\nUser-Agent: test\r\nX-Api-Key: 1\r\nAccept: */*\r\n\r\n"
	f("plain", ok, request, nil, false)
	f("logged", ok, request, nil, true)
	f("limited", ok, request, allowAll{}, true)
	f("kept for a time", "HTTP/1.1 200 OK\r\nKeep-Alive: timeout=60\r\nContent-Length: 2\r\n\r\nok", request, nil, false)
	f("with location", "HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 0\r\nServer: x\r\nDate: x\r\nConnection: keep-alive\r\n\r\n", request, nil, false)
}

func benchmark(b *testing.B, answer string) {
	do := exercise(b, answer, "GET / HTTP/1.1\r\nHost: x\r\n\r\n", nil, false)
	b.ReportAllocs()
	for b.Loop() {
		do()
	}
}

func BenchmarkGet(b *testing.B) { benchmark(b, ok) }

func BenchmarkGet10KB(b *testing.B) {
	benchmark(b, fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: 10000\r\n\r\n%s", strings.Repeat("x", 10000)))
}
