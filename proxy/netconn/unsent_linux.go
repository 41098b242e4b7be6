package netconn

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// hasUnsent reports whether the other side's system has yet to acknowledge some of what was
// written. It returns false where this system can't tell.
func hasUnsent(conn net.Conn) bool {
	sc, ok := conn.(syscall.Conn)
	if !ok {
		return false
	}
	rc, err := sc.SyscallConn()
	if err != nil {
		return false
	}
	unsent := 0
	err = rc.Control(func(fd uintptr) { unsent, _ = unix.IoctlGetInt(int(fd), unix.SIOCOUTQ) })
	return err == nil && unsent > 0
}
