//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package netconn

import (
	"io"
	"net"
	"sync"
	"syscall"
)

// probe finds out what the other side sent, without waiting. The descriptor is non-blocking.
type probe struct {
	raw syscall.RawConn
	// take reads into a buffer, which look only looks at.
	take, look func(fd uintptr)
	into       []byte
	took       int
	failed     error

	// mu orders looks: peer may be asked while another goroutine asks quiet.
	mu    sync.Mutex
	n     int
	found error
	// fault is what befell the connection after the end that was found, or 0.
	fault int
	buf   [1]byte
}

// newProbe makes the probe of a connection once, for all its life: looking must not allocate.
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

// nothing reports whether a system call failed because there is nothing to be read.
func nothing(err error) bool { return err == syscall.EAGAIN || err == syscall.EINTR }

// lookAt looks behind an end, too: a read would find no more than that, and go on finding it after
// a reset.
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
