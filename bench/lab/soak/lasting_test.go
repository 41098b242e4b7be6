//go:build linux

package main

import (
	"io"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A reader finds out that it was cut before it has read all that came.
func TestBrokenOff(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer ln.Close()
	conn, err := net.Dial("tcp", ln.Addr().String())
	require.NoError(t, err)
	defer conn.Close()
	proxy, err := ln.Accept()
	require.NoError(t, err)
	_, err = io.WriteString(proxy, strings.Repeat("x", 1<<10))
	require.NoError(t, err)
	_, err = conn.Read(make([]byte, 32))
	require.NoError(t, err)
	require.NoError(t, brokenOff(conn))
	require.NoError(t, proxy.(*net.TCPConn).SetLinger(0))
	require.NoError(t, proxy.Close())
	require.Eventually(t, func() bool { return brokenOff(conn) == syscall.ECONNRESET }, 10*time.Second, time.Millisecond)
	_, err = conn.Read(make([]byte, 32))
	require.NoError(t, err, "the rest is still there")
}
