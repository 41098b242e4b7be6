package netconn

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"
)

// headStart is how long an address is tried alone before the next one is tried beside it, if there
// is time for that. A connect takes one round trip.
const headStart = 250 * time.Millisecond

// race connects to the first of the addresses that accepts. Each has a head start on the next one,
// which begins at once when an address fails. Addresses that fail are skipped for a while, and so
// are those that lose despite their head start.
func (n *name) race(ctx context.Context, addrs []netip.AddrPort) (net.Conn, netip.AddrPort, error) {
	if len(addrs) == 1 {
		conn, err := dialOne(ctx, "tcp", addrs[0].String())
		return conn, addrs[0], err
	}
	ctx, cancel := context.WithCancel(ctx)
	r := racing{ctx: ctx, came: make(chan arrival, len(addrs))}
	defer r.end(cancel)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
			if len(r.begun) < len(addrs) {
				r.begin(addrs[len(r.begun)])
				timer.Reset(share(ctx, len(addrs)))
			}
		case a := <-r.came:
			r.ended++
			if a.err == nil {
				r.leaveBehind(n, a.addr)
				return a.conn, a.addr, nil
			}
			n.skip(a.addr)
			if r.failed = append(r.failed, fmt.Errorf("%v: %w", a.addr, a.err)); len(r.failed) == len(addrs) {
				return nil, a.addr, r.failed
			}
			timer.Reset(0)
		}
	}
}

// share is an address's head start: no more than its part of the time that is left.
func share(ctx context.Context, addresses int) time.Duration {
	if deadline, ok := ctx.Deadline(); ok {
		return min(headStart, time.Until(deadline)/time.Duration(addresses))
	}
	return headStart
}

// racing is a race.
type racing struct {
	ctx context.Context
	// came has room for the results of all connects.
	came   chan arrival
	begun  []netip.AddrPort
	ended  int
	failed unreached
}

// arrival is the result of a connect.
type arrival struct {
	addr netip.AddrPort
	conn net.Conn
	err  error
}

// begin starts a connect.
func (r *racing) begin(addr netip.AddrPort) {
	r.begun = append(r.begun, addr)
	go func() {
		conn, err := dialOne(r.ctx, "tcp", addr.String())
		r.came <- arrival{addr, conn, err}
	}()
}

// end cancels the connects that still run, and closes the connections that they make all the same.
func (r *racing) end(cancel context.CancelFunc) {
	cancel()
	for range len(r.begun) - r.ended {
		go func() {
			if a := <-r.came; a.conn != nil {
				_ = a.conn.Close()
			}
		}()
	}
}

// leaveBehind skips the addresses whose connects began before the winner's and haven't ended.
func (r *racing) leaveBehind(n *name, winner netip.AddrPort) {
	for _, addr := range r.begun {
		if addr == winner {
			return
		}
		n.skip(addr)
	}
}

// unreached are the errors of the connects to all of a name's addresses.
type unreached []error

func (u unreached) Error() string {
	text := ""
	for i, err := range u {
		if i > 0 {
			text += "; "
		}
		text += err.Error()
	}
	return text
}

// Unwrap lets errors.Is and errors.As look into each.
func (u unreached) Unwrap() []error { return u }

// dialOne connects to one address. The error leaves the address out, since the caller has it.
func dialOne(ctx context.Context, network, addr string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, network, addr)
	if err == nil {
		return conn, nil
	}
	var op *net.OpError
	if errors.As(err, &op) {
		err = op.Err
	}
	if inTime(err) == ErrTimeout {
		return nil, fmt.Errorf("connect: %w", ErrTimeout)
	}
	return nil, err
}

// inTime turns any error that is a timeout into ErrTimeout.
func inTime(err error) error {
	var late net.Error
	if errors.As(err, &late) && late.Timeout() {
		return ErrTimeout
	}
	return err
}
