//go:build !linux

package netconn

import "net"

// hasUnsent reports whether the other side's system has yet to acknowledge some of what was
// written. It returns false where this system can't tell.
func hasUnsent(net.Conn) bool { return false }
