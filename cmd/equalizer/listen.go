package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"
	"time"

	"gopher-equalizer/config"
)

const (
	// takenFor is how long a start waits for an address that is taken. A predecessor that is
	// stopping releases it within that time.
	takenFor = 2 * time.Second
	// takenPoll is the time between two attempts.
	takenPoll = 20 * time.Millisecond
)

// listenOn listens on a configured address, and waits a moment for a predecessor to release it.
func listenOn(ctx context.Context, listen string) (net.Listener, error) {
	ctx, cancel := context.WithTimeout(ctx, takenFor)
	defer cancel()
	poll := time.NewTicker(takenPoll)
	defer poll.Stop()
	for {
		ln, err := listenNow(listen)
		if err == nil {
			return ln, nil
		}
		if errors.Is(err, syscall.EADDRINUSE) {
			select {
			case <-poll.C:
				continue
			case <-ctx.Done():
			}
		}
		return nil, fmt.Errorf("listen on %s: %w", listen, err)
	}
}

func listenNow(listen string) (net.Listener, error) {
	network, address := config.Network(listen)
	if network == "unix" {
		return listenUnix(address)
	}
	ln, err := net.Listen(network, address)
	if errors.Is(err, syscall.EACCES) {
		err = fmt.Errorf("%w: ports below 1024 are root's; want the capability CAP_NET_BIND_SERVICE, a socket that systemd passes, or another port", err)
	}
	return ln, err
}

// openNew opens a listener on an address that must be free. open are those that this process has.
func openNew(w wantedListener, open []*listener) (net.Listener, error) {
	ln, err := listenNow(w.address)
	switch {
	case err == nil:
		return ln, nil
	case !errors.Is(err, syscall.EADDRINUSE):
		return nil, problem(w.key, "%s: %v", w.address, err)
	}
	for _, other := range open {
		if overlaps(other.Addr(), w.address) {
			return nil, problem(w.key, "%s overlaps %s of %s, on which this process listens until the reload is over; "+
				"restart, or take two reloads by way of another port", w.address, other.Addr(), other.key)
		}
	}
	return nil, problem(w.key, "%s is in use by another process; want an address that is free", w.address)
}

// overlaps reports whether a listener on addr keeps another one from an address.
func overlaps(addr net.Addr, address string) bool {
	open, ok := addr.(*net.TCPAddr)
	want, err := net.ResolveTCPAddr("tcp", address)
	return ok && err == nil && open.Port == want.Port &&
		(open.IP.IsUnspecified() || len(want.IP) == 0 || want.IP.IsUnspecified() || open.IP.Equal(want.IP))
}
