package proxy

import (
	"crypto/tls"
	"net"
	"time"

	"github.com/valyala/fasthttp"

	"gopher-equalizer/balancer"
	"gopher-equalizer/limiter"
	"gopher-equalizer/proxy/netconn"
)

// Settings are what a Proxy is made of. Defaults and the checks of what an operator wrote are
// config's: a Proxy takes the values as they are. Of the timeouts, 0 stands for none.
type Settings struct {
	// Limit is the limit's name, for 429 answers and the access log.
	Limit string
	// Key is what identifies a client under the limit.
	Key Key
	// Trusted are the proxies in front whose forwarding headers are believed.
	Trusted TrustedProxies
	// Host is sent to backends as Host; "" passes the client's.
	Host string
	// Backends are the authorities, such as "host:port", that an answer's Location must not show. With none, it is
	// that of the backend that answered.
	Backends []string
	// Via is our name in the Via of forwarded requests, with a suffix of the process's behind it;
	// "": there is none.
	Via string
	// MaxHeaderBytes bounds a request's header. A longer one is answered 431, or 414 if the request
	// line alone is longer.
	MaxHeaderBytes int64
	// MaxResponseHeader bounds a response's header, and its trailers. A longer one is 502.
	MaxResponseHeader int
	// MaxBodyBytes bounds a request's body, 0 doesn't. A longer one is answered 413.
	MaxBodyBytes int64
	// MaxConnections bounds the connections of clients, 0 doesn't. Past it none is accepted until
	// one closes.
	MaxConnections int
	// MaxPipes bounds the large responses that pass within the kernel at once, at two descriptors
	// each, 0 doesn't. The others are copied.
	MaxPipes int
	// HeaderTimeout is from a request's first byte to the end of its header, and from the connect to the first byte.
	HeaderTimeout time.Duration
	// IdleTimeout is from one request to the next on the same connection.
	IdleTimeout time.Duration
	// ReadTimeout and WriteTimeout are between bytes, of a request's body and of an answer.
	ReadTimeout, WriteTimeout time.Duration
	// MinRate is the least rate of a body, in bytes a second; 0 is none. A client may fall behind
	// it by RateGrace: with its request's body while the backend waits for it, and with the
	// response while its socket is full.
	MinRate   int64
	RateGrace time.Duration
	// BodyWait is how long a chunked body is waited for, until its first 8 KiB have come, before a
	// connection to a backend is taken for it. Of one that comes at the client's leisure, that is
	// all that a backend would wait for.
	BodyWait time.Duration
	// TunnelTimeout is for how long nothing may come over a connection that was upgraded, from either side.
	TunnelTimeout time.Duration
	// AccessLog has each request logged, and costs two readings of the clock. Without it, only
	// those are logged that we failed to serve.
	AccessLog bool
}

// Limiter is what the proxy needs of limiter.Service.
type Limiter interface {
	// Take spends a token of the client's bucket, if there is one. It must not keep clientID.
	Take(clientID string) limiter.Decision
}

// Pool is what the proxy needs of balancer.Pool. The backends' clients must come from NewClient.
type Pool interface {
	// Pick is the backend for the next request; nil if none is fit.
	Pick() *balancer.Backend
	// PickOther is a fit backend besides the one that broke the request; nil if there is none.
	PickOther(than *balancer.Backend) *balancer.Backend
}

// ClientSettings are how a pool's backends are talked to. Of the timeouts, 0 stands for none.
type ClientSettings struct {
	// MaxConnections bounds the connections to each backend. A request that finds all of them
	// taken is answered 503.
	MaxConnections int
	// ConnectTimeout is for a connect, with the lookup of the name and the TLS handshake.
	ConnectTimeout time.Duration
	// AnswerTimeout is from the end of a request to the end of the answer's header.
	AnswerTimeout time.Duration
	// IdleTimeout is between the bytes of a request's body and of an answer's.
	IdleTimeout time.Duration
	// TotalTimeout is for all of an answer, from the request's first byte to the answer's last.
	TotalTimeout time.Duration
	// KeepAlive is how long an unused connection is kept; 0 stands for 10 seconds. The shorter, the rarer the
	// backend closes it first, and the more connects there are.
	KeepAlive time.Duration
}

// NewClient returns the maker of what requests to a backend go through, for balancer.Settings.NewClient.
//
// fasthttp's own re-sends don't come into play, since only the HostClient's connections are used: what may be sent
// again is ours to decide. One goroutine looks after the timeouts of all connections that the maker's clients hold.
func NewClient(s ClientSettings) func(balancer.BackendSettings) *fasthttp.HostClient {
	dialer := netconn.NewDialer(netconn.BackendLimits{
		Connect: s.ConnectTimeout,
		Answer:  s.AnswerTimeout,
		Idle:    s.IdleTimeout,
		Total:   s.TotalTimeout,
	})
	return func(b balancer.BackendSettings) *fasthttp.HostClient {
		target := netconn.Target{Network: b.Network(), Addr: b.Addr, TLS: resuming(b.TLS)}
		return &fasthttp.HostClient{
			Addr:                          b.Authorities()[0],
			Dial:                          func(string) (net.Conn, error) { return dialer.Dial(target) },
			MaxConns:                      s.MaxConnections,
			MaxIdleConnDuration:           s.KeepAlive,
			ConnPoolStrategy:              fasthttp.LIFO,
			NoDefaultUserAgentHeader:      true,
			DisableHeaderNamesNormalizing: true,
			DisablePathNormalizing:        true,
			MaxIdemponentCallAttempts:     1,
		}
	}
}

// resuming has all of a backend's connections resume one TLS session: the later ones' handshakes need no certificates.
func resuming(config *tls.Config) *tls.Config {
	if config == nil {
		return nil
	}
	config = config.Clone()
	config.ClientSessionCache = tls.NewLRUClientSessionCache(1)
	return config
}
