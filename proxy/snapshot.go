package proxy

import (
	"time"

	"gopher-equalizer/balancer"
	"gopher-equalizer/proxy/identity"
)

// Snapshot is what requests are served by. It is immutable, and swapped whole by Proxy.Use: a
// request keeps the one that it began with.
type Snapshot struct {
	// Route is the way of all requests.
	Route Route
	// Trusted are the proxies in front whose forwarding headers are believed.
	Trusted identity.Trusted
	// Via is our name in the Via of forwarded requests, as rewrite.ViaName made it; "": there is
	// none.
	Via string
	// AccessLog has each request logged, and costs two readings of the clock. Without it, only
	// those are logged that we failed to serve.
	AccessLog bool
}

// Route is the way of requests: where they go, and what they must keep to.
type Route struct {
	Pool Pool
	// Limits are those that its requests are under.
	Limits []LimitUse
	// Retry bounds the retries of a request.
	Retry balancer.Retry
	// Host is sent to backends as Host; "" passes the client's.
	Host string
	// Hidden are the authorities, such as "host:port", that a response's Location must not show.
	// With none, it is that of the backend that responded.
	Hidden []string
	// MaxBody bounds a request's body in bytes, 0 doesn't. A longer one is refused with 413.
	MaxBody int64
	// BodyWait is how long a chunked body is waited for, until its first 8 KiB have come, before a
	// connection to a backend is taken for it. Of one that comes at the client's leisure, that is
	// all that a backend would wait for.
	BodyWait time.Duration
	// TunnelTimeout is for how long nothing may come over a connection that was upgraded, from
	// either side; 0 is for ever.
	TunnelTimeout time.Duration
}

// Pool is what the proxy needs of balancer.Pool. The backends' probers must come from NewBackends.
type Pool interface {
	// Healthy reports whether any backend may get requests, busy or not.
	Healthy() bool
	// Attempts choose the backends of a client's request, and take places there. A client holds a
	// share of a backend's places at most; client 0 may hold all.
	Attempts(client uint64, r balancer.Retry) balancer.Attempts
}

// key is the one that clients are limited by; the zero Key if nothing is limited.
func (r *Route) key() identity.Key {
	if len(r.Limits) == 0 {
		return identity.Key{}
	}
	return r.Limits[0].Key
}
