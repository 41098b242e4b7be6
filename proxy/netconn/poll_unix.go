//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package netconn

import (
	"io"
	"net"
	"syscall"
)

// poller reads from a connection without waiting.
type poller struct {
	raw  syscall.RawConn
	take func(fd uintptr)
	into []byte
	n    int
	err  error
}

// watch makes ready to read from a connection.
func (p *poller) watch(conn net.Conn) {
	if sc, ok := conn.(syscall.Conn); ok {
		p.raw, _ = sc.SyscallConn()
	}
	p.take = func(fd uintptr) { p.n, p.err = syscall.Read(int(fd), p.into) }
}

// Read reads what is there, or fails with errNothing. The descriptor is non-blocking.
func (p *poller) Read(into []byte) (int, error) {
	if p.raw == nil || len(into) == 0 {
		return 0, errNothing
	}
	p.into = into
	err := p.raw.Control(p.take)
	p.into = nil
	switch {
	case err != nil:
		return 0, err
	case p.err == syscall.EAGAIN || p.err == syscall.EINTR:
		return 0, errNothing
	case p.err != nil:
		return 0, p.err
	case p.n == 0:
		return 0, io.EOF
	}
	return p.n, nil
}
