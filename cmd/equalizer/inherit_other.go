//go:build !unix

package main

import "net"

// listens can't look: nothing is inherited on this system.
func listens(*net.TCPListener) bool { return true }
