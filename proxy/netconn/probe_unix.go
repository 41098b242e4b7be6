//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package netconn

import (
	"io"
	"net"
	"sync"
	"syscall"
)

// probe reads, or only looks, without waiting. The descriptor is non-blocking.
type probe struct {
	raw syscall.RawConn
	// take reads into a buffer.
	take   func(fd uintptr)
	into   []byte
	took   int
	failed error
	// look looks at the first byte. mu orders looks, since peer and quiet may run at the same time.
	look  func(fd uintptr)
	mu    sync.Mutex
	n     int
	found error
	// fault is the socket's error if an end was found, or 0.
	fault int
	buf   [1]byte
}

// newProbe makes a connection's probe. It is made once for each, since a closure for each look
// would be an allocation.
func newProbe(conn net.Conn) *probe {
	p := &probe{}
	if sc, ok := conn.(syscall.Conn); ok {
		p.raw, _ = sc.SyscallConn()
	}
	p.take, p.look = p.takeFrom, p.lookAt
	return p
}

func (p *probe) takeFrom(fd uintptr) { p.took, p.failed = syscall.Read(int(fd), p.into) }

// read reads what is there, or fails with errNothing.
func (p *probe) read(into []byte) (int, error) {
	if p.raw == nil || len(into) == 0 {
		return 0, errNothing
	}
	p.into = into
	err := p.raw.Control(p.take)
	p.into = nil
	switch {
	case err != nil:
		return 0, err
	case nothing(p.failed):
		return 0, errNothing
	case p.failed != nil:
		return 0, p.failed
	case p.took == 0:
		return 0, io.EOF
	}
	return p.took, nil
}

// nothing reports whether a system call found nothing to read.
func nothing(err error) bool { return err == syscall.EAGAIN || err == syscall.EINTR }

// lookAt also asks for the socket's error if it finds an end. A read would find the same end before
// and after a reset.
func (p *probe) lookAt(fd uintptr) {
	p.n, _, p.found = syscall.Recvfrom(int(fd), p.buf[:], syscall.MSG_PEEK)
	p.fault = 0
	if p.n == 0 && p.found == nil {
		p.fault, p.found = syscall.GetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_ERROR)
	}
}

// quiet reports whether the other side has neither sent anything nor closed.
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
	return nothing(p.found)
}

// peer goes by what a read would find. So bytes that weren't read hide an end behind them.
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
