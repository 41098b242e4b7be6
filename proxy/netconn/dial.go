package netconn

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
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
	onLookup func(host string, err error)

	mu    sync.Mutex
	names map[string]*name
}

// NewDialer makes a dialer with a registry of its own for its connections. A nil resolver stands
// for the system's. Unless onLookup is nil, it is called when lookups of a host begin to fail, with
// the reason, and with nil when they succeed again.
func NewDialer(limits BackendLimits, resolver Resolver, onLookup func(host string, err error)) *Dialer {
	if resolver == nil {
		resolver = net.DefaultResolver
	}
	return &Dialer{
		registry: newRegistry(limits.Response, limits.Idle, limits.Total), limits: limits,
		resolver: resolver, onLookup: onLookup, names: make(map[string]*name),
	}
}

// Dial connects to a target within the limit for connects, and before ctx ends.
func (d *Dialer) Dial(ctx context.Context, t Target) (*Backend, error) {
	b := &Backend{limits: &d.limits, target: t}
	b.owner, b.reader = b, b
	b.writing.limit = d.limits.Idle
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
	b.goOver(conn, secure)
	d.registry.add(&b.Conn)
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
		n.onLookup = d.onLookup
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
	s := newSecure(conn, tls.Client, b.target.TLS)
	if err := s.openBefore(ctx); err != nil {
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
