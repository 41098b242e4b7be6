//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package netconn

import (
	"net"
	"syscall"
)

// probe looks at what the other side sent while nobody read, without taking it.
type probe struct {
	raw   syscall.RawConn
	look  func(fd uintptr)
	n     int
	found error
	buf   [1]byte
}

// newProbe makes the probe of a connection once, for all its life: looking must not allocate.
func newProbe(conn net.Conn) *probe {
	p := &probe{}
	if sc, ok := conn.(syscall.Conn); ok {
		p.raw, _ = sc.SyscallConn()
	}
	p.look = func(fd uintptr) { p.n, _, p.found = syscall.Recvfrom(int(fd), p.buf[:], syscall.MSG_PEEK) }
	return p
}

// quiet says that the other side neither sent anything nor closed. It doesn't wait: the
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

// left says that nothing will come any more. What came before the end and wasn't read hides it.
func (p *probe) left() bool {
	return !p.quiet() && (p.raw == nil || p.found != nil || p.n == 0)
}
