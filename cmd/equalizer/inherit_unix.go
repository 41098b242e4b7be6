//go:build unix

package main

import (
	"net"

	"golang.org/x/sys/unix"
)

// listens reports whether the socket of ln accepts connections. Package net makes a listener of any
// stream socket, and then each Accept fails.
func listens(ln *net.TCPListener) bool {
	rc, err := ln.SyscallConn()
	if err != nil {
		return false
	}
	accepts := 0
	err = rc.Control(func(fd uintptr) {
		accepts, _ = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_ACCEPTCONN)
	})
	return err == nil && accepts != 0
}
