//go:build !386

package netconn

import (
	"io"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// kernelPipe is a pipe(7) between two sockets. Like raw, it makes system calls inside callbacks of
// RawConn.
type kernelPipe struct {
	// ends are the descriptors: one to read from, one to write to.
	ends [2]int
	call
	most            int
	full            int
	tryFill, tryOut func(fd uintptr) bool
}

// newPipe returns nil if a link isn't raw, or if no descriptors are left.
func newPipe(from, to link) pipe {
	_, fromRaw := from.(*raw)
	_, toRaw := to.(*raw)
	p := &kernelPipe{}
	if !fromRaw || !toRaw || unix.Pipe2(p.ends[:], unix.O_NONBLOCK|unix.O_CLOEXEC) != nil {
		return nil
	}
	p.tryFill, p.tryOut = p.fillFrom, p.drainTo
	return p
}

func (p *kernelPipe) held() int { return p.full }

func (p *kernelPipe) close() {
	_ = unix.Close(p.ends[0])
	_ = unix.Close(p.ends[1])
}

func (p *kernelPipe) fill(from link, most int) (int, error) {
	p.begin(nil)
	p.most = most
	err := from.(*raw).rc.Read(p.tryFill)
	switch p.errno {
	case syscall.EINVAL, syscall.ENOSYS, syscall.EPERM, syscall.EACCES: // an odd kernel or a sandbox
		return 0, ErrCantSplice
	}
	n, err := p.received(err)
	p.full += n
	return n, err
}

func (p *kernelPipe) fillFrom(fd uintptr) bool {
	p.n, p.errno = sysSplice(int(fd), p.ends[1], p.most)
	return p.errno != syscall.EAGAIN
}

func (p *kernelPipe) drain(to link) (int, error) {
	p.begin(nil)
	err := to.(*raw).rc.Write(p.tryOut)
	p.full -= p.n
	switch {
	case err != nil:
		return p.n, err
	case p.errno != 0:
		return p.n, os.NewSyscallError("splice", p.errno)
	case p.n == 0:
		return 0, io.ErrShortWrite
	}
	return p.n, nil
}

// drainTo waits only before the first byte, so that its caller sees each stall.
func (p *kernelPipe) drainTo(fd uintptr) bool {
	p.n, p.errno = sysSplice(p.ends[0], int(fd), p.full)
	return p.errno != syscall.EAGAIN
}

// sysSplice makes the system call, in which neither side may block, again if a signal interrupts
// it.
func sysSplice(from, to, most int) (int, syscall.Errno) {
	for {
		n, _, errno := syscall.RawSyscall6(syscall.SYS_SPLICE, uintptr(from), 0, uintptr(to), 0, uintptr(most), unix.SPLICE_F_MOVE|unix.SPLICE_F_NONBLOCK)
		switch errno {
		case 0:
			return int(n), 0
		case syscall.EINTR:
			continue
		}
		return 0, errno
	}
}
