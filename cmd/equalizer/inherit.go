package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"

	"gopher-equalizer/config"
)

// The names that a supervisor can give to the sockets that it passes.
const (
	proxySocket = "proxy"
	adminSocket = "admin"
)

// firstInherited is the first descriptor that is passed. maxInherited is how many may be passed,
// though more than two have no use here.
const firstInherited, maxInherited = 3, 64

// listening is where listeners come from.
type listening struct {
	// on opens the listener of that name on an address.
	on func(ctx context.Context, name, address string) (net.Listener, error)
	// passed are the names of those that a supervisor passed. It keeps them open, and starts the
	// next process when this one has ended.
	passed []string
}

// inherited reports whether any listener comes from a supervisor.
func (l listening) inherited() bool { return len(l.passed) > 0 }

// socket is a listening socket that a supervisor passed, with its name there, if it has one.
type socket struct {
	net.Listener
	name string
}

func (s socket) String() string {
	if s.name == "" {
		return s.Addr().String()
	}
	return fmt.Sprintf("%s (%s)", s.Addr(), s.name)
}

// sockets are those that were passed.
type sockets []socket

// inheritListeners takes the listeners of a configuration from a supervisor, as far as it passed
// them to this process.
func inheritListeners(c config.Config, getenv func(string) string) (listening, error) {
	passed, err := inheritSockets(getenv, os.Getpid())
	if err != nil {
		return listening{}, err
	}
	return passed.assign(c)
}

// inheritSockets takes the listening sockets that are passed to the process pid as sd_listen_fds(3)
// describes: LISTEN_FDS of them from descriptor 3 on, with the names in LISTEN_FDNAMES.
func inheritSockets(getenv func(string) string, pid int) (passed sockets, err error) {
	if getenv("LISTEN_PID") != strconv.Itoa(pid) {
		return nil, nil // They are for another process, or there are none.
	}
	n, err := strconv.Atoi(getenv("LISTEN_FDS"))
	if err != nil || n < 0 || n > maxInherited {
		return nil, fmt.Errorf("LISTEN_FDS is %q; want the number of inherited sockets, 0 to %d", getenv("LISTEN_FDS"), maxInherited)
	}
	names := strings.Split(getenv("LISTEN_FDNAMES"), ":")
	for i := range n {
		s, err := inheritSocket(firstInherited + i)
		if err != nil {
			return nil, err
		}
		if i < len(names) {
			s.name = names[i]
		}
		passed = append(passed, s)
	}
	return passed, nil
}

// inheritSocket takes over one descriptor.
func inheritSocket(fd int) (socket, error) {
	file := os.NewFile(uintptr(fd), fmt.Sprintf("descriptor %d", fd))
	if file == nil {
		return socket{}, fmt.Errorf("inherited socket: there is no descriptor %d", fd)
	}
	ln, err := net.FileListener(file)
	err = errors.Join(err, file.Close()) // The listener has a descriptor of its own.
	if err != nil {
		return socket{}, fmt.Errorf("inherited socket: %s is not a listening socket: %w", file.Name(), err)
	}
	if _, ok := ln.Addr().(*net.TCPAddr); !ok {
		return socket{}, errors.Join(fmt.Errorf("inherited socket: %s listens on %s %s; want TCP", file.Name(), ln.Addr().Network(), ln.Addr()), ln.Close())
	}
	if !listens(ln.(*net.TCPListener)) {
		err := fmt.Errorf("inherited socket: %s is not a listening socket: it is a connection, "+
			"as a socket unit with Accept=yes passes it, or nobody called listen(2)", file.Name())
		return socket{}, errors.Join(err, ln.Close())
	}
	return socket{Listener: ln}, nil
}

// assign finds out which listener each socket is for, by its name, "proxy" or "admin", or else by
// its address. A socket for no listener is a mistake, and so are two for the same. Listeners for
// which no socket was passed are opened.
func (passed sockets) assign(c config.Config) (listening, error) {
	assigned := map[string]socket{}
	for _, s := range passed {
		name := s.isFor(c)
		if name == "" {
			return listening{}, fmt.Errorf("inherited socket %v is neither named %s or %s nor on %s or admin.listen, %s",
				s, proxySocket, adminSocket, listenersOf(c), c.Admin.Listen)
		}
		if other, taken := assigned[name]; taken {
			return listening{}, fmt.Errorf("inherited sockets %v and %v are both for the listener %s; want one", other, s, name)
		}
		assigned[name] = s
	}
	on := func(ctx context.Context, name, address string) (net.Listener, error) {
		if s, ok := assigned[name]; ok {
			return s.Listener, nil
		}
		return listenOn(ctx, address)
	}
	return listening{on: on, passed: slices.Collect(maps.Keys(assigned))}, nil
}

// isFor is the name of the listener that the socket is for; "" if it is for none.
func (s socket) isFor(c config.Config) string {
	all := c.ListenersInForce()
	if s.name == adminSocket || s.name == proxySocket && len(all) == 1 {
		return s.name
	}
	for i, l := range all {
		if s.isOn(l.Listen) {
			return listenerName(c, i)
		}
	}
	if s.isOn(c.Admin.Listen) {
		return adminSocket
	}
	return ""
}

// listenersOf are the proxy's listeners, with their keys.
func listenersOf(c config.Config) string {
	var all []string
	for i, l := range c.ListenersInForce() {
		all = append(all, c.ListenKey(i)+", "+l.Listen)
	}
	return strings.Join(all, ", or ") + ","
}

// isOn reports whether the socket listens on a configured address.
func (s socket) isOn(address string) bool {
	want, err := net.ResolveTCPAddr("tcp", address)
	if err != nil {
		return false
	}
	is, ok := s.Addr().(*net.TCPAddr)
	if !ok {
		return false
	}
	a, b := is.AddrPort(), want.AddrPort()
	return a.Port() == b.Port() && plainAddr(a.Addr()) == plainAddr(b.Addr())
}

// plainAddr makes equal addresses comparable: unmapped, and 0.0.0.0 and :: as the zero Addr.
func plainAddr(a netip.Addr) netip.Addr {
	if a = a.Unmap(); a.IsUnspecified() {
		return netip.Addr{}
	}
	return a
}
