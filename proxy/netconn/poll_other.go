//go:build !(linux || darwin || freebsd || netbsd || openbsd || dragonfly)

package netconn

import "net"

// poller can't read from a connection here without waiting.
type poller struct{}

func (*poller) watch(net.Conn) {}

// Read takes it that nothing is there. What TLS has read before is looked at all the same.
func (*poller) Read([]byte) (int, error) { return 0, errNothing }
