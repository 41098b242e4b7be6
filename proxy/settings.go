package proxy

import (
	"time"

	"github.com/rs/zerolog"

	"gopher-equalizer/balancer"
	"gopher-equalizer/limiter"
	"gopher-equalizer/proxy/identity"
	"gopher-equalizer/proxy/netconn"
)

// Settings are what a Proxy is made of. Defaults and the checks of what an operator wrote are
// config's: a Proxy takes the values as they are. Of the timeouts, 0 stands for none.
type Settings struct {
	// Limit is the limit's name, for 429 answers and the access log.
	Limit string
	// Key is what identifies a client under the limit.
	Key identity.Key
	// Trusted are the proxies in front whose forwarding headers are believed.
	Trusted identity.Trusted
	// Host is sent to backends as Host; "" passes the client's.
	Host string
	// Backends are the authorities, such as "host:port", that a response's Location must not show.
	// With none, it is that of the backend that answered.
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
	// HeaderTimeout is from a request's first byte to the end of its header, and from the connect
	// to the first byte.
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
	// TunnelTimeout is for how long nothing may come over a connection that was upgraded, from
	// either side.
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

// Pool is what the proxy needs of balancer.Pool. The backends' probers must come from NewBackends.
type Pool interface {
	// Healthy reports whether any backend may get requests, busy or not.
	Healthy() bool
	// Attempts choose the backends of a client's request, and take places there. A client holds a
	// share of a backend's places at most; client 0 may hold all.
	Attempts(client uint64, r balancer.Retry) balancer.Attempts
}

// ClientSettings are how a pool's backends are talked to. Of the timeouts, 0 stands for none.
type ClientSettings struct {
	// ConnectTimeout is for a connect, with the lookup of the name and the TLS handshake.
	ConnectTimeout time.Duration
	// ResponseTimeout is from the end of a request to the end of the answer's header.
	ResponseTimeout time.Duration
	// IdleTimeout is between the bytes of a request's body and of an answer's.
	IdleTimeout time.Duration
	// TotalTimeout is for all of an answer, from the request's first byte to the answer's last.
	TotalTimeout time.Duration
	// MaxResponseHeader bounds the header of a probe's response, as that of Settings does others'.
	MaxResponseHeader int
	// KeepAlive is how long an unused connection is kept; 0 stands for 10 seconds. The shorter, the
	// rarer the backend closes it first, and the more connects there are. What a backend says by
	// Keep-Alive: timeout=N, less a second, counts if it is shorter.
	KeepAlive time.Duration
	// MaxConnectionAge is how long a connection is used, less a fifth at most.
	MaxConnectionAge time.Duration
	// Resolver looks the backends' names up; nil stands for the system's.
	Resolver netconn.Resolver
	// Logger is told when lookups fail, and when they succeed again. The zero Logger is silent.
	Logger zerolog.Logger
}
