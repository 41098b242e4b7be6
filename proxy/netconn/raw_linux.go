//go:build !386

package netconn

import (
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// raw is a link that makes its own system calls. Package net only does the waiting.
//
// A net.Conn costs a proxy more than it has to, for two reasons. It tells the scheduler of each
// read and write, since they might block. On a non-blocking socket they can't, so raw makes raw
// system calls. And a net.Conn tries to read before it waits, in vain: when a request has just
// left, its response can't be there yet. So ask sends the request from within the call that waits
// for the response, and reads only when something is there. A request that came whole is served
// from within the call that waits for the next one, for the same reason.
//
// The package comment names the hazards. Three rules follow:
//
//  1. System calls are made only inside callbacks of syscall.RawConn, which keep the descriptor
//     open.
//  2. Callbacks don't block, because Close waits for them. That of readEach is the exception, so
//     only its caller may Close.
//  3. Before a Read waits, a callback has seen the socket empty.
type raw struct {
	net.Conn
	rc syscall.RawConn

	in struct {
		call
		lender  Lender
		size    int // how much it lent
		arrived func(n int) (wait bool)
		try     func(fd uintptr) bool
		lent    func(fd uintptr) bool
		each    func(fd uintptr) bool
	}
	// now is readNow's. It has a call of its own, since TLS may look for more from within readEach.
	now struct {
		call
		try func(fd uintptr)
	}
	out struct {
		call
		try func(fd uintptr) bool
	}
	asking struct {
		out, in []byte
		reused  bool
		// sent is how much of out was sent. began reports whether sending was tried.
		sent         int
		began, stale bool
		try          func(fd uintptr) bool
	}
	looking struct {
		// mu orders calls of peer.
		mu    sync.Mutex
		poll  [1]unix.PollFd
		empty bool
		peer  func(fd uintptr)
		peek  func(fd uintptr)
	}
}

// call is a system call under way and its result.
type call struct {
	buf   []byte
	n     int
	errno syscall.Errno
}

func (c *call) begin(buf []byte) { c.buf, c.n, c.errno = buf, 0, 0 }

func (c *call) end() { c.buf = nil }

func newLink(conn net.Conn) link {
	var rc syscall.RawConn
	var err error
	switch conn := conn.(type) {
	case *net.TCPConn:
		rc, err = conn.SyscallConn()
	case *net.UnixConn:
		rc, err = conn.SyscallConn()
	default:
		return newPlain(conn)
	}
	if err != nil {
		return newPlain(conn) // It is closed, and will say so.
	}
	r := &raw{Conn: conn, rc: rc}
	// Made once: a closure for each call would be an allocation.
	r.in.try, r.in.lent, r.in.each, r.out.try, r.asking.try = r.tryRead, r.tryLent, r.tryEach, r.tryWrite, r.tryAsk
	r.now.try = func(fd uintptr) { r.now.n, r.now.errno = sysRead(fd, r.now.buf) }
	r.looking.peer, r.looking.peek = r.lookForPeer, r.lookForBytes
	return r
}

func (r *raw) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	r.in.begin(p)
	err := r.rc.Read(r.in.try)
	r.in.end()
	return r.in.received(err)
}

// received is what a Read returns after RawConn.Read returned err.
func (c *call) received(err error) (int, error) {
	switch {
	case err != nil:
		return 0, err
	case c.errno != 0:
		return 0, os.NewSyscallError("read", c.errno)
	case c.n == 0:
		return 0, io.EOF
	}
	return c.n, nil
}

func (r *raw) tryRead(fd uintptr) bool {
	r.in.n, r.in.errno = sysRead(fd, r.in.buf)
	return r.in.errno != syscall.EAGAIN
}

func (r *raw) readNow(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, errNothing
	}
	r.now.begin(p)
	err := r.rc.Control(r.now.try)
	r.now.end()
	if err == nil && r.now.errno == syscall.EAGAIN {
		return 0, errNothing
	}
	return r.now.received(err)
}

func (r *raw) readLent(l Lender) (int, error) {
	r.in.begin(nil)
	r.in.lender = l
	err := r.rc.Read(r.in.lent)
	r.in.end()
	r.in.lender = nil
	return r.in.received(err)
}

func (r *raw) tryLent(fd uintptr) bool {
	buf := r.in.lender.Lend()
	r.in.size = len(buf)
	r.in.n, r.in.errno = sysRead(fd, buf)
	if r.in.errno == syscall.EAGAIN {
		r.in.lender.GiveBack()
		return false
	}
	return true
}

func (r *raw) readEach(l Lender, arrived func(n int) (wait bool)) (int, error) {
	r.in.begin(nil)
	r.in.lender, r.in.arrived = l, arrived
	err := r.rc.Read(r.in.each)
	r.in.lender, r.in.arrived = nil, nil
	return r.in.received(err)
}

// tryEach reads what is there. A read that doesn't fill its buffer has taken all of it (epoll(7),
// urgent data excepted, which HTTP doesn't use), and what arrives later ends the wait. An end that
// came together with the bytes does not: Client.missedEnd wakes the Read for that.
func (r *raw) tryEach(fd uintptr) bool {
	for r.tryLent(fd) {
		if r.in.n <= 0 || !r.in.arrived(r.in.n) {
			return true
		}
		if r.in.n < r.in.size {
			return false
		}
	}
	return false
}

func (r *raw) Write(p []byte) (int, error) {
	r.out.begin(p)
	err := r.rc.Write(r.out.try)
	r.out.end()
	n := r.out.n
	switch {
	case err != nil:
		return 0, err
	case r.out.errno != 0:
		return 0, os.NewSyscallError("write", r.out.errno)
	case n < len(p):
		m, err := r.Conn.Write(p[n:])
		return n + m, err
	}
	return n, nil
}

// tryWrite tries once. What the system doesn't take is left to package net.
func (r *raw) tryWrite(fd uintptr) bool {
	r.out.n, r.out.errno = sysWrite(fd, r.out.buf)
	if r.out.errno == syscall.EAGAIN {
		r.out.n, r.out.errno = 0, 0
	}
	return true
}

func (r *raw) ask(out, in []byte, reused bool) (sent, n int, err error) {
	a := &r.asking
	a.out, a.in, a.reused, a.sent, a.began, a.stale = out, in, reused, 0, false, false
	r.in.begin(in)
	err = r.rc.Read(a.try)
	r.in.end()
	a.out, a.in = nil, nil
	switch {
	case a.stale:
		return 0, 0, ErrStale
	case err == nil && r.in.errno == 0 && a.sent < len(out):
		return a.sent, 0, nil
	}
	n, err = r.in.received(err)
	return a.sent, n, err
}

// tryAsk sends when it is called first. After that it reads, each time that something may be there.
func (r *raw) tryAsk(fd uintptr) bool {
	a := &r.asking
	if a.began {
		return r.tryRead(fd)
	}
	a.began = true
	empty := isEmpty(fd)
	if !empty && a.reused {
		a.stale = true
		return true
	}
	a.sent, r.in.errno = sysWrite(fd, a.out)
	if r.in.errno == syscall.EAGAIN {
		a.sent, r.in.errno = 0, 0
	}
	if r.in.errno != 0 || a.sent < len(a.out) {
		return true
	}
	return !empty && r.tryRead(fd)
}

func (r *raw) inner() net.Conn { return r.Conn }

func (r *raw) quiet() bool {
	err := r.rc.Control(r.looking.peek)
	return err == nil && r.looking.empty
}

func (r *raw) lookForBytes(fd uintptr) { r.looking.empty = isEmpty(fd) }

func (r *raw) peer() presence {
	r.looking.mu.Lock()
	defer r.looking.mu.Unlock()
	if r.rc.Control(r.looking.peer) != nil {
		return present // It is closed on our side.
	}
	switch seen := r.looking.poll[0].Revents; {
	case seen&(unix.POLLHUP|unix.POLLERR) != 0:
		return broken
	case seen&unix.POLLRDHUP != 0:
		return ended
	}
	return present
}

func (r *raw) lookForPeer(fd uintptr) {
	r.looking.poll[0] = unix.PollFd{Fd: int32(fd), Events: unix.POLLRDHUP}
	if _, err := unix.Poll(r.looking.poll[:], 0); err != nil {
		r.looking.poll[0].Revents = 0
	}
}

func (r *raw) cut() { _ = r.rc.Control(shutDown) }

func shutDown(fd uintptr) { _ = unix.Shutdown(int(fd), unix.SHUT_RDWR) }

// isEmpty reports whether there is nothing to be read, not even an end.
func isEmpty(fd uintptr) bool {
	var b [1]byte
	_, errno := sysReceive(fd, b[:], syscall.MSG_PEEK)
	return errno == syscall.EAGAIN
}

// sysRead, sysReceive and sysWrite are system calls on descriptors that don't block. They don't
// tell the scheduler.

func sysRead(fd uintptr, b []byte) (int, syscall.Errno) { return sysReceive(fd, b, 0) }

func sysReceive(fd uintptr, b []byte, flags uintptr) (int, syscall.Errno) {
	return sysTransfer(syscall.SYS_RECVFROM, fd, b, flags)
}

func sysWrite(fd uintptr, b []byte) (int, syscall.Errno) {
	return sysTransfer(syscall.SYS_SENDTO, fd, b, syscall.MSG_NOSIGNAL)
}

// sysTransfer makes a system call, again if a signal interrupts it.
func sysTransfer(call, fd uintptr, b []byte, flags uintptr) (int, syscall.Errno) {
	for {
		n, _, errno := syscall.RawSyscall6(call, fd, uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)), flags, 0, 0)
		switch errno {
		case 0:
			return int(n), 0
		case syscall.EINTR:
			continue
		}
		return 0, errno
	}
}
