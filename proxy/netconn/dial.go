package netconn

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"
)

// Target is what a Dialer connects to.
type Target struct {
	// Network is "tcp", over IPv6 or IPv4, or "unix".
	Network string
	// Addr is "host:port" for tcp, and the socket's path for unix.
	Addr string
	// TLS is what TLS over the connection is made with, the name to verify included; nil for none.
	TLS *tls.Config
}

// Dialer connects to backends. It remembers the addresses of their names: a name is looked up at
// its first dial, and later by a dial that finds the addresses older than 10 seconds, which
// doesn't wait for the lookup.
type Dialer struct {
	registry *Registry
	limits   BackendLimits
	resolver Resolver
	told     func(host string, err error)

	mu    sync.Mutex
	names map[string]*name
}

// NewDialer makes a dialer with a registry of its own for its connections. A nil resolver stands
// for the system's. Unless told is nil, it is called when lookups of a host begin to fail, with the
// reason, and with nil when they succeed again.
func NewDialer(limits BackendLimits, resolver Resolver, told func(host string, err error)) *Dialer {
	if resolver == nil {
		resolver = net.DefaultResolver
	}
	return &Dialer{
		registry: newRegistry(limits.Answer, limits.Idle, limits.Total), limits: limits,
		resolver: resolver, told: told, names: make(map[string]*name),
	}
}

// Dial connects to a target within the limit for connects, and before ctx ends.
func (d *Dialer) Dial(ctx context.Context, t Target) (*Backend, error) {
	b := &Backend{limits: &d.limits, target: t}
	if t.Network != "unix" {
		n, err := d.name(t.Addr)
		if err != nil {
			return nil, err
		}
		b.name = n
	}
	conn, secure, err := b.connect(ctx)
	if err != nil {
		return nil, err
	}
	b.timed.link = newLink(conn)
	b.goOver(conn, secure)
	d.registry.add(&b.timed)
	b.startAge()
	return b, nil
}

// name is the one that is kept for an address.
func (d *Dialer) name(addr string) (*name, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if n := d.names[addr]; n != nil {
		return n, nil
	}
	n, err := newName(addr, d.resolver)
	if err == nil {
		n.told = d.told
		d.names[addr] = n
	}
	return n, err
}

// connect makes a connection for b. The connection carries the bytes; secure is the TLS over it,
// nil without.
func (b *Backend) connect(ctx context.Context) (net.Conn, *secure, error) {
	began := time.Now()
	defer func() { b.connecting = time.Since(began) }()
	if limit := b.limits.Connect; limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, limit)
		defer cancel()
	}
	conn, err := b.reach(ctx)
	if err != nil || b.target.TLS == nil {
		return conn, nil, err
	}
	s, err := handshake(ctx, conn, b.target.TLS)
	if err != nil {
		_ = conn.Close() // what the handshake failed with says more
		if b.name != nil {
			b.name.letGo(b)
			b.name.doubt()
		}
		return nil, nil, fmt.Errorf("TLS handshake: %w", inTime(err))
	}
	return conn, s, nil
}

// reach connects to the socket, or to an address of the name.
func (b *Backend) reach(ctx context.Context) (net.Conn, error) {
	if b.name == nil {
		return dialOne(ctx, b.target.Network, b.target.Addr)
	}
	addrs, err := b.name.addresses(ctx)
	if err != nil {
		return nil, err
	}
	conn, addr, err := b.name.race(ctx, addrs)
	if err != nil {
		b.name.doubt()
		return nil, err
	}
	b.name.hold(b, addr.Addr())
	return conn, nil
}

// dialOne connects to one address. The error has no address: who calls knows it.
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

// inTime makes whatever says that time ran out ErrTimeout.
func inTime(err error) error {
	var late net.Error
	if errors.As(err, &late) && late.Timeout() {
		return ErrTimeout
	}
	return err
}

// handshake makes TLS over a connection that nothing else has used.
func handshake(ctx context.Context, conn net.Conn, config *tls.Config) (*secure, error) {
	c := &carrier{Conn: conn}
	s := &secure{Conn: tls.Client(c, config), carrier: c}
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(past) })
	err := s.Handshake()
	if !stop() && err == nil {
		err = ErrTimeout
	}
	return s, err
}

// headStart is how long an address has for itself until the next one is tried beside it, if there
// is time for that. A connect takes one round trip.
const headStart = 250 * time.Millisecond

// race connects to the first of the addresses that accepts. Each has a head start on the one after
// it, which begins at once when an address fails. Those that fail are skipped for a while, and so
// are those that lost their head start.
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

// share is an address's head start, in which no address has more than its part of the time left.
func share(ctx context.Context, addresses int) time.Duration {
	if deadline, ok := ctx.Deadline(); ok {
		return min(headStart, time.Until(deadline)/time.Duration(addresses))
	}
	return headStart
}

// racing are the connects that run.
type racing struct {
	ctx context.Context
	// came has room for all that begin.
	came   chan arrival
	begun  []netip.AddrPort
	ended  int
	failed unreached
}

// arrival is how a connect ended.
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

// end cancels the connects that still run, and closes what they got nevertheless.
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

// leaveBehind skips the addresses that were begun before the winner's, and have not answered.
func (r *racing) leaveBehind(n *name, winner netip.AddrPort) {
	for _, addr := range r.begun {
		if addr == winner {
			return
		}
		n.skip(addr)
	}
}

// unreached are why none of a name's addresses could be connected to.
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

// Unwrap has errors.Is and errors.As look into each.
func (u unreached) Unwrap() []error { return u }
