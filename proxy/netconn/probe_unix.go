//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package netconn

import (
	"net"
	"sync"
	"syscall"
)

// probe looks at what the other side sent while nobody read, without taking it.
type probe struct {
	raw   syscall.RawConn
	look  func(fd uintptr)
	n     int
	found error
	// fault is what befell the connection after the end that was found, or 0.
	fault int
	buf   [1]byte
	// mu orders looks: peer may be asked while another goroutine asks quiet.
	mu sync.Mutex
}

// newProbe makes the probe of a connection once, for all its life: looking must not allocate.
func newProbe(conn net.Conn) *probe {
	p := &probe{}
	if sc, ok := conn.(syscall.Conn); ok {
		p.raw, _ = sc.SyscallConn()
	}
	p.look = p.lookAt
	return p
}

// lookAt looks behind an end, too: a read would find no more than that, and go on finding it after
// a reset.
func (p *probe) lookAt(fd uintptr) {
	p.n, _, p.found = syscall.Recvfrom(int(fd), p.buf[:], syscall.MSG_PEEK)
	p.fault = 0
	if p.n == 0 && p.found == nil {
		p.fault, p.found = syscall.GetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_ERROR)
	}
}

// quiet says that the other side neither sent anything nor closed. It doesn't wait: the
// descriptor is non-blocking.
func (p *probe) quiet() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.findsNothing()
}

func (p *probe) findsNothing() bool {
	if p.raw == nil {
		return true
	}
	if err := p.raw.Control(p.look); err != nil {
		return false
	}
	return p.found == syscall.EAGAIN || p.found == syscall.EINTR
}

// peer goes by what a read would find. What came before the end and wasn't read hides that.
func (p *probe) peer() presence {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.findsNothing(), p.n > 0:
		return present
	case p.found == nil && p.fault == 0:
		return ended
	}
	return broken
}
