//go:build !linux || 386

package netconn

import "net"

func newLink(conn net.Conn) link { return newPlain(conn) }
