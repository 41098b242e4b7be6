package proxy

import (
	"context"
	"crypto/tls"
	"math"
	"net"
	"time"

	"github.com/rs/zerolog"
	"github.com/valyala/fasthttp"

	"gopher-equalizer/balancer"
	"gopher-equalizer/proxy/netconn"
)

// ConnectionSettings are how a pool's backends are talked to.
type ConnectionSettings struct {
	// Timeouts are how long a backend may keep us waiting.
	Timeouts netconn.BackendLimits
	// MaxResponseHeader bounds a response's header, and its trailers, in bytes. A longer one is
	// refused with 502.
	MaxResponseHeader int
	// KeepAlive is how long an unused connection is kept; 0 stands for 10 seconds. The shorter, the
	// rarer the backend closes it first, and the more connects there are. What a backend says by
	// Keep-Alive: timeout=N, less a second, counts if it is shorter.
	KeepAlive time.Duration
	// Resolver looks the backends' names up; nil stands for the system's.
	Resolver netconn.Resolver
	// Logger is told when lookups fail, and when they succeed again. The zero Logger is silent.
	Logger zerolog.Logger
}

// hostClient has the connections to one backend. They are kept in a fasthttp HostClient, which
// nothing outside of this file knows: it gives connections and takes them back. What goes over them
// is written and read by an exchange, and how many there may be is up to the balancer, whose places
// bound the exchanges.
type hostClient struct {
	kept   *fasthttp.HostClient
	dialer *netconn.Dialer
	target netconn.Target
	// spare are all those of the maker.
	spare *spare
	// maxHeader bounds a response's header.
	maxHeader int
}

// NewBackends returns the maker of what reaches a backend, for balancer.Settings.NewProber. The
// backends share a dialer, with one goroutine that looks after the timeouts of all connections.
func NewBackends(s ConnectionSettings) func(balancer.BackendSettings) balancer.Prober {
	dialer := netconn.NewDialer(s.Timeouts, s.Resolver, s.logLookups)
	spare := &spare{}
	return func(b balancer.BackendSettings) balancer.Prober {
		c := &hostClient{
			dialer:    dialer,
			spare:     spare,
			maxHeader: s.MaxResponseHeader,
			target:    netconn.Target{Network: b.Network(), Addr: b.Addr, TLS: resuming(b.TLS)},
		}
		c.kept = &fasthttp.HostClient{
			Addr:                b.Authorities()[0],
			Dial:                func(string) (net.Conn, error) { return c.dial() },
			MaxConns:            math.MaxInt,
			MaxIdleConnDuration: s.KeepAlive,
			ConnPoolStrategy:    fasthttp.LIFO,
		}
		spare.register(c.closeKept)
		return c
	}
}

// logLookups logs when a name's lookups begin to fail, and when they succeed again.
func (s ConnectionSettings) logLookups(host string, err error) {
	if err != nil {
		s.Logger.Warn().Str("host", host).Err(err).
			Msg("a backend's name can't be looked up: its last addresses serve, if there are any")
		return
	}
	s.Logger.Info().Str("host", host).Msg("a backend's name can be looked up again")
}

// hostClientOf is the one of a backend, which NewBackends has made.
func hostClientOf(b *balancer.Backend) *hostClient { return b.Prober().(*hostClient) }

func (c *hostClient) dial() (net.Conn, error) {
	conn, err := dialWith(c.spare, func() (*netconn.Backend, error) {
		return c.dialer.Dial(context.Background(), c.target)
	})
	if err != nil {
		return nil, err // and no *netconn.Backend that is nil
	}
	return conn, nil
}

// acquire takes a connection: any, or if fresh one that was never used. held is what release wants.
func (c *hostClient) acquire(fresh bool) (conn *netconn.Backend, held any, err error) {
	for {
		got, err := c.kept.AcquireConn(0, false)
		if err != nil {
			return nil, nil, err
		}
		conn := got.Conn().(*netconn.Backend)
		if !conn.Take() {
			c.kept.CloseConn(got)
			continue
		}
		if !fresh {
			return conn, got, nil
		}
		if err := conn.Renew(); err != nil {
			c.kept.CloseConn(got)
			return nil, nil, err
		}
		return conn, got, nil
	}
}

// closeKept closes the connections that nobody uses.
func (c *hostClient) closeKept() { c.kept.CloseIdleConnections() }

// release gives a connection back, to be kept if that is wanted and possible, otherwise closed.
func (c *hostClient) release(conn *netconn.Backend, held any, keep bool) {
	if keep && conn.Keep() {
		give(c.kept.ReleaseConn, held)
	} else {
		give(c.kept.CloseConn, held)
	}
}

// give calls to, a HostClient's ReleaseConn or CloseConn, with a connection whose type fasthttp
// doesn't export.
func give[Conn any](to func(Conn), held any) { to(held.(Conn)) }

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
