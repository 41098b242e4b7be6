//go:build !linux

package netconn

import "net"

func newLink(conn net.Conn) link { return newPlain(conn) }
