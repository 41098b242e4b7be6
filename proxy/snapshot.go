package proxy

import (
	"time"

	"gopher-equalizer/balancer"
	"gopher-equalizer/limiter"
	"gopher-equalizer/proxy/identity"
	"gopher-equalizer/proxy/netconn"
	"gopher-equalizer/proxy/rewrite"
	"gopher-equalizer/proxy/route"
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

// Route is the way of requests: where they go, and what they must keep to. It is immutable once
// NewRoutes has it.
type Route struct {
	// Name is for the access log; "" isn't logged.
	Name string
	// Destination is where they go, and Fallback where they go while nobody there is healthy; nil
	// is nowhere.
	Destination
	Fallback *Destination
	// Redirect and Respond are responses that the route gives itself. With one of them, there is no
	// Destination.
	Redirect *rewrite.Redirect
	Respond  *rewrite.Respond
	// Limits are those that its requests are under. Take takes from all of them or from none; nil
	// stands for limiter.Take. ShowLimits has every response carry what is left.
	Limits     []LimitUse
	Take       func(uses []limiter.Use) (allowed bool)
	ShowLimits bool
	// ExposeTo are the origins whose pages may read our own errors. ErrorPages are the bodies of
	// those, by their status, instead of a problem's JSON.
	ExposeTo   rewrite.Origins
	ErrorPages map[int]Page
	// Rules are what it changes in the messages that pass.
	Rules rewrite.Rules
	// Retry bounds the retries of a request.
	Retry balancer.Retry
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

// Destination is a pool as requests reach it.
type Destination struct {
	Pool Pool
	// Host is sent to backends as Host; "" passes the client's.
	Host string
	// Hidden are the authorities, such as "host:port", that a response's Location must not show.
	// With none, it is that of the backend that responded.
	Hidden []string
	// Timeouts are how long a backend may keep us waiting; nil is as long as its pool says.
	Timeouts *netconn.ExchangeLimits
}

// Page is the body of an error.
type Page struct {
	MediaType string
	Content   []byte
}

// Routes find the route of a request.
type Routes = route.Table[*Route]

// NewRoutes makes Routes, and completes each route: its Take, and the headers that it guards, which
// are those that routes match and that its limits count by. The error joins a *route.Conflict for
// each route that can't be among them.
func NewRoutes(routes []route.Route[*Route]) (*Routes, error) {
	table, err := route.New(routes)
	if err != nil {
		return nil, err
	}
	for _, r := range table.Routes() {
		guarded := table.Headers()
		for i := range r.Value.Limits {
			guarded = append(guarded, r.Value.Limits[i].Key.Header())
		}
		r.Value.Rules.Guarded = rewrite.Guard(guarded...)
		if r.Value.Take == nil {
			r.Value.Take = limiter.Take
		}
	}
	return table, nil
}

// OneRoute makes Routes of a route for all requests.
func OneRoute(r *Route) *Routes {
	routes, _ := NewRoutes([]route.Route[*Route]{{Value: r}}) // A single one has no conflict.
	return routes
}

// respondsItself reports whether requests go no further.
func (r *Route) respondsItself() bool { return r.Redirect != nil || r.Respond != nil }

// destination is where requests go now; nil if nobody who is healthy is anywhere.
func (r *Route) destination() *Destination {
	switch {
	case r.Pool.Healthy():
		return &r.Destination
	case r.Fallback != nil && r.Fallback.Pool.Healthy():
		return r.Fallback
	}
	return nil
}

// Pool is what the proxy needs of balancer.Pool. The backends' probers must come from NewBackends.
type Pool interface {
	// Healthy reports whether any backend may get requests, busy or not.
	Healthy() bool
	// Attempts choose the backends of a client's request, and take places there. A client holds a
	// share of a backend's places at most; client 0 may hold all.
	Attempts(client uint64, r balancer.Retry) balancer.Attempts
}
