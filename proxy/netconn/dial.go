package netconn

import (
	"context"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// Dialer connects to backends. It remembers the addresses of their names: see name.
type Dialer struct {
	registry *Registry
	limits   atomic.Pointer[BackendLimits]
	resolver Resolver
	onLookup func(host string, err error)

	mu    sync.Mutex
	names map[string]*name
}

// NewDialer makes a dialer with a registry of its own for its connections. A nil resolver is the
// system's. onLookup may be nil; it is called when lookups of a host begin to fail, with the
// reason, and when they succeed again, with nil.
func NewDialer(limits BackendLimits, resolver Resolver, onLookup func(host string, err error)) *Dialer {
	if resolver == nil {
		resolver = net.DefaultResolver
	}
	return newDialer(newRegistry(limits.timeouts()...), limits, resolver, onLookup)
}

func newDialer(r *Registry, limits BackendLimits, resolver Resolver, onLookup func(host string, err error)) *Dialer {
	d := &Dialer{registry: r, resolver: resolver, onLookup: onLookup, names: make(map[string]*name)}
	d.limits.Store(&limits)
	return d
}

// Beside makes a dialer with limits and names of its own. Its connections are in the registry of d.
func (d *Dialer) Beside(limits BackendLimits) *Dialer {
	return newDialer(d.registry, limits, d.resolver, d.onLookup)
}

// Limit changes the limits for the connects and the exchanges that begin from now on, and the age
// of all connections. Those that share the registry should get the same limits.
func (d *Dialer) Limit(limits BackendLimits) {
	d.limits.Store(&limits)
	d.registry.retime(limits.timeouts())
}

// Dial connects to a target within the limit for connects, and before ctx ends.
func (d *Dialer) Dial(ctx context.Context, t Target) (*Backend, error) {
	b := &Backend{dialer: d, target: t}
	b.owner, b.reader = b, b
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

// Renew replaces the connection by a new one, which can't turn out to be closing, unless no
// exchange has gone over it, before ctx ends. The Backend stays the same, so a pool of them keeps
// its number.
func (b *Backend) Renew(ctx context.Context) error {
	if !b.used {
		return nil
	}
	conn, secure, err := b.connect(ctx)
	if err != nil {
		return err
	}
	b.replace(conn, secure)
	b.used = false
	b.startAge()
	return nil
}

// name returns the name of an address. It makes each only once.
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

// connect makes a network connection for b, and TLS over it if the target has any.
func (b *Backend) connect(ctx context.Context) (net.Conn, *secure, error) {
	began := time.Now()
	defer func() { b.connecting = time.Since(began) }()
	if limit := b.limits().Connect; limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, limit)
		defer cancel()
	}
	conn, err := b.reach(ctx)
	if err != nil || b.target.TLS == nil {
		return conn, nil, err
	}
	s := secureBackend(conn, b.target.TLS)
	if err := s.openBefore(ctx); err != nil {
		_ = conn.Close() // The handshake's error says more.
		if b.name != nil {
			b.name.letGo(b)
			b.name.doubt()
		}
		return nil, nil, fmt.Errorf("TLS handshake: %w", inTime(err))
	}
	return conn, s, nil
}

// reach connects to the unix socket, or to one of the name's addresses.
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
