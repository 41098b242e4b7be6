//go:build !linux || 386

package netconn

import "net"

func newLink(conn net.Conn) link { return newPlain(conn) }

// newPipe returns nil: there are no pipes here.
func newPipe(_, _ link) pipe { return nil }
