//go:build linux

package main

import (
	"bytes"
	"io"
	"net"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// pumped starts a pump in front of backends that each send their name and then echo. The pump and
// its thread stay until the tests end, since it can't be stopped.
func pumped(t *testing.T, names ...string) (dial func() net.Conn) {
	t.Helper()
	var backends []string
	for _, name := range names {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		t.Cleanup(func() { _ = ln.Close() })
		go serveEcho(ln, name)
		backends = append(backends, ln.Addr().String())
	}
	front, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	p, err := newPump(front.(*net.TCPListener), backends)
	require.NoError(t, err)
	go func() { _ = p.serve() }()
	return func() net.Conn {
		conn, err := net.Dial("tcp", front.Addr().String())
		require.NoError(t, err)
		t.Cleanup(func() { _ = conn.Close() })
		return conn
	}
}

func serveEcho(ln net.Listener, name string) {
	for {
		conn, err := ln.Accept()
		if err != nil {
			return
		}
		go func() {
			defer conn.Close()
			_, _ = io.WriteString(conn, name)
			_, _ = io.Copy(conn, conn)
		}()
	}
}

func read(t *testing.T, conn net.Conn, n int) string {
	t.Helper()
	got := make([]byte, n)
	_, err := io.ReadFull(conn, got)
	require.NoError(t, err)
	return string(got)
}

func TestEachConnectionGetsTheNextBackend(t *testing.T) {
	dial := pumped(t, "a", "b")
	var got string
	for range 4 {
		got += read(t, dial(), 1)
	}
	assert.Equal(t, "abab", got)
}

func TestBytesGoBothWaysUnchanged(t *testing.T) {
	dial := pumped(t, "a")
	conn := dial()
	read(t, conn, 1)
	sent := bytes.Repeat([]byte("0123456789"), 300_000) // more than sockets and the buffer hold
	go func() { _, _ = conn.Write(sent) }()
	assert.Equal(t, string(sent), read(t, conn, len(sent)))
}

func TestAClosedSideClosesTheOther(t *testing.T) {
	dial := pumped(t, "a")
	conn := dial()
	read(t, conn, 1)
	require.NoError(t, conn.(*net.TCPConn).CloseWrite())
	_, err := conn.Read(make([]byte, 1))
	assert.Error(t, err)
}

func TestBadBackends(t *testing.T) {
	front, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer front.Close()
	for _, backends := range [][]string{nil, {"localhost:80"}, {"127.0.0.1"}, {"[::1]:80"}} {
		_, err := newPump(front.(*net.TCPListener), backends)
		assert.Error(t, err, backends)
	}
	assert.ErrorContains(t, run("127.0.0.1:0", []string{"here"}), `unexpected backend "here"; want IPV4:PORT`)
}
