//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package netconn

import (
	"net"
	"syscall"
)

// probe looks at what a backend sent while nobody read, without taking it.
type probe struct {
	raw   syscall.RawConn
	look  func(fd uintptr)
	found error
	buf   [1]byte
}

// newProbe makes the probe of a connection once, for all its life: looking must not allocate.
func newProbe(conn net.Conn) *probe {
	p := &probe{}
	if sc, ok := conn.(syscall.Conn); ok {
		p.raw, _ = sc.SyscallConn()
	}
	p.look = func(fd uintptr) { _, _, p.found = syscall.Recvfrom(int(fd), p.buf[:], syscall.MSG_PEEK) }
	return p
}

// quiet says that the backend neither sent anything nor closed the connection. It doesn't wait: the
// descriptor is non-blocking.
func (p *probe) quiet() bool {
	if p.raw == nil {
		return true
	}
	if err := p.raw.Control(p.look); err != nil {
		return false
	}
	return p.found == syscall.EAGAIN || p.found == syscall.EINTR
}
