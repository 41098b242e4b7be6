// Package deadtest gives tests addresses on which nothing listens, and nothing will.
package deadtest

import (
	"net"
	"strconv"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// Address is an address of 127.0.0.1 that refuses connections until the test ends. Its port stays
// bound to a socket that doesn't listen, so that no other process can listen there meanwhile.
func Address(t testing.TB) string {
	t.Helper()
	return hold(t, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}, 0)
}

// Close closes a listener of an IPv4 address, whose address refuses connections from then on, like
// one of Address.
func Close(t testing.TB, ln net.Listener) {
	t.Helper()
	at := ln.Addr().(*net.TCPAddr)
	require.NoError(t, ln.Close())
	hold(t, &syscall.SockaddrInet4{Addr: [4]byte(at.IP.To4()), Port: at.Port}, 1)
}

// hold binds an address, with reuse = 1 even if connections of its last listener are there still.
func hold(t testing.TB, at *syscall.SockaddrInet4, reuse int) string {
	t.Helper()
	syscall.ForkLock.RLock()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err == nil {
		syscall.CloseOnExec(fd)
	}
	syscall.ForkLock.RUnlock()
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, syscall.Close(fd)) })
	require.NoError(t, syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, reuse))
	require.NoError(t, syscall.Bind(fd, at))
	bound, err := syscall.Getsockname(fd)
	require.NoError(t, err)
	return net.JoinHostPort(net.IP(at.Addr[:]).String(), strconv.Itoa(bound.(*syscall.SockaddrInet4).Port))
}
