package proxy

import (
	"gopher-equalizer/balancer"
	"gopher-equalizer/proxy/identity"
)

// Snapshot is what requests are served by. It is immutable, and swapped whole by Proxy.Use: a
// request keeps the one that it began with.
type Snapshot struct {
	// Routes are the ways of requests.
	Routes *Routes
	// Trusted are the proxies in front whose forwarding headers are believed.
	Trusted identity.Trusted
	// Via is our name in the Via of forwarded requests, as rewrite.ViaName made it; "": there is
	// none.
	Via string
	// AccessLog has each request logged, and costs two readings of the clock. Without it, only
	// those are logged that we failed to serve.
	AccessLog bool
}

// Pool is what the proxy needs of balancer.Pool. The backends' probers must come from NewBackends.
type Pool interface {
	// Healthy reports whether any backend may get requests, busy or not.
	Healthy() bool
	// Attempts choose the backends of a client's request, and take places there. A client holds a
	// share of a backend's places at most; client 0 may hold all.
	Attempts(client uint64, r balancer.Retry) balancer.Attempts
}
