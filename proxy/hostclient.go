package proxy

import (
	"context"
	"crypto/tls"
	"errors"
	"math"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"

	"gopher-equalizer/balancer"
	"gopher-equalizer/proxy/netconn"
	"gopher-equalizer/proxy/outcome"
)

// hostClient has the connections to one backend. They are kept in a fasthttp HostClient, which
// nothing outside of this file knows: it gives connections and takes them back. What goes over them
// is written and read by an exchange, and how many there may be is up to the balancer, whose places
// bound the exchanges.
type hostClient struct {
	dialer    *netconn.Dialer
	target    netconn.Target
	authority string
	// siblings are those of the same pool.
	siblings *hostClients
	// maxHeader bounds a response's header.
	maxHeader atomic.Int64
	// kept has the connections. mu is held while another one takes its place.
	kept atomic.Pointer[keptConns]
	mu   sync.Mutex
	// retired reports whether no connection is to be kept any more.
	retired atomic.Bool
	// faults are those that were logged of its responses.
	faults outcome.KnownFaults
}

// keptConns are connections in a HostClient, whose settings can't be changed.
type keptConns struct {
	fasthttp.HostClient
	// over reports whether another one has taken its place, or is about to.
	over atomic.Bool
	// moved are connections that it gets from another one. They come instead of new ones.
	moved []*keptConn
}

// keptConn is a connection as a HostClient has it.
type keptConn struct {
	*netconn.Backend
	// moves reports whether it is taken from a HostClient, which only lets go of what it closes.
	moves bool
}

// Close closes the connection, unless it only moves.
func (c *keptConn) Close() error {
	if c.moves {
		return nil
	}
	return c.Backend.Close()
}

// heldConn is what gives a connection back.
type heldConn struct {
	// conn is fasthttp's, whose type it doesn't export.
	conn any
	by   *keptConns
}

func newHostClient(of balancer.BackendSettings, siblings *hostClients, d *netconn.Dialer) *hostClient {
	return &hostClient{
		dialer:    d,
		target:    netconn.Target{Network: of.Network(), Addr: of.Addr, TLS: resuming(of.TLS)},
		authority: of.Authorities()[0],
		siblings:  siblings,
	}
}

// hostClientOf is the one of a backend, which Backends has made.
func hostClientOf(b *balancer.Backend) *hostClient { return b.Prober().(*hostClient) }

// use puts settings in force for what begins from now on, except for the timeouts.
func (c *hostClient) use(s ConnectionSettings) {
	c.maxHeader.Store(int64(s.MaxResponseHeader))
	c.keepFor(s.KeepAlive)
}

// keepFor changes how long unused connections are kept. Those that nobody uses now stay, as if they
// had just been used.
func (c *hostClient) keepFor(limit time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	before := c.kept.Load()
	if c.retired.Load() || before != nil && before.MaxIdleConnDuration == limit {
		return
	}
	now := c.newKept(limit)
	if before != nil {
		before.over.Store(true)
		now.moveFrom(before)
	}
	c.kept.Store(now)
}

func (c *hostClient) newKept(limit time.Duration) *keptConns {
	k := &keptConns{}
	k.Addr = c.authority
	k.DialTimeout = func(_ string, limit time.Duration) (net.Conn, error) { return c.dial(k, limit) }
	k.MaxConns = math.MaxInt
	k.MaxIdleConnDuration = limit
	k.ConnPoolStrategy = fasthttp.LIFO
	return k
}

// errOver is the error of an acquire from keptConns that make no connection any more.
var errOver = errors.New("another one has taken its place")

// moveFrom takes the unused connections of one that is over. Nobody else knows k yet.
func (k *keptConns) moveFrom(before *keptConns) {
	for {
		got, err := before.AcquireConn(0, false)
		if err != nil { // errOver: there are no more.
			break
		}
		conn := got.Conn().(*keptConn)
		conn.moves = true
		before.CloseConn(got)
		conn.moves = false
		k.moved = append(k.moved, conn)
	}
	var held []func()
	for range len(k.moved) {
		if got, err := k.AcquireConn(0, false); err == nil { // It always is: see dial.
			held = append(held, func() { k.ReleaseConn(got) })
		}
	}
	for _, release := range held {
		release()
	}
}

// dial makes a connection for k, within a limit; 0 is none but the pool's.
func (c *hostClient) dial(k *keptConns, limit time.Duration) (net.Conn, error) {
	if last := len(k.moved) - 1; last >= 0 {
		conn := k.moved[last] // The oldest one, so that the newest is the next to be used.
		k.moved = k.moved[:last]
		return conn, nil
	}
	if k.over.Load() {
		return nil, errOver
	}
	ctx, cancel := within(limit)
	defer cancel()
	conn, err := dialWith(c.siblings, func() (*netconn.Backend, error) { return c.dialer.Dial(ctx, c.target) })
	if err != nil {
		return nil, err // and no *netconn.Backend that is nil
	}
	return &keptConn{Backend: conn}, nil
}

// within is a context that ends after a limit; 0 is never.
func within(limit time.Duration) (context.Context, context.CancelFunc) {
	if limit == 0 {
		return context.Background(), func() {}
	}
	return context.WithTimeout(context.Background(), limit)
}

// acquire takes a connection: any, or if fresh one that was never used. A connect is within a limit
// of its own; 0 is none but the pool's. held is what release wants.
func (c *hostClient) acquire(fresh bool, limit time.Duration) (conn *netconn.Backend, held heldConn, err error) {
	for {
		kept := c.kept.Load()
		got, err := kept.AcquireConn(limit, false)
		switch {
		case err == errOver:
			c.awaitKept()
			continue
		case err != nil:
			return nil, heldConn{}, err
		}
		conn := got.Conn().(*keptConn).Backend
		if !conn.Take() {
			kept.CloseConn(got)
			continue
		}
		if !fresh {
			return conn, heldConn{got, kept}, nil
		}
		if err := renew(conn, limit); err != nil {
			kept.CloseConn(got)
			return nil, heldConn{}, err
		}
		return conn, heldConn{got, kept}, nil
	}
}

// renew replaces a connection that was used by a new one, which is made within a limit.
func renew(conn *netconn.Backend, limit time.Duration) error {
	ctx, cancel := within(limit)
	defer cancel()
	return conn.Renew(ctx)
}

// awaitKept waits until another one has taken the place of what is over.
func (c *hostClient) awaitKept() {
	c.mu.Lock()
	defer c.mu.Unlock()
}

// release gives a connection back, to be kept if that is wanted and possible, otherwise closed.
func (c *hostClient) release(conn *netconn.Backend, held heldConn, keep bool) {
	if !keep || c.keepsNone(held.by) || !conn.Keep() {
		give(held.by.CloseConn, held.conn)
		return
	}
	give(held.by.ReleaseConn, held.conn)
	if c.keepsNone(held.by) { // Meanwhile the others may have been closed, or moved.
		held.by.CloseIdleConnections()
	}
}

// keepsNone reports whether no connection is to be given back to k.
func (c *hostClient) keepsNone(k *keptConns) bool { return c.retired.Load() || k.over.Load() }

// give calls to, a HostClient's ReleaseConn or CloseConn, with a connection whose type fasthttp
// doesn't export.
func give[Conn any](to func(Conn), held any) { to(held.(Conn)) }

// closeKept closes the connections that nobody uses.
func (c *hostClient) closeKept() { c.kept.Load().CloseIdleConnections() }

// Retire is balancer.Prober's. It closes the connections that nobody uses. Those that are in use
// are closed when they are given back. fasthttp's goroutine that looks for unused ones ends when it
// looks the next time, within KeepAlive.
func (c *hostClient) Retire() {
	c.siblings.remove(c)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.retired.Store(true)
	c.closeKept()
}

// resuming has all of a backend's connections resume one TLS session: the later ones' handshakes
// need no certificates.
func resuming(config *tls.Config) *tls.Config {
	if config == nil {
		return nil
	}
	config = config.Clone()
	config.ClientSessionCache = tls.NewLRUClientSessionCache(1)
	return config
}
