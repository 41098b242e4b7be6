package proxy

import (
	"time"

	"gopher-equalizer/balancer"
	"gopher-equalizer/limiter"
	"gopher-equalizer/proxy/h2"
	"gopher-equalizer/proxy/identity"
	"gopher-equalizer/proxy/netconn"
	"gopher-equalizer/proxy/outcome"
	"gopher-equalizer/proxy/rewrite"
	"gopher-equalizer/proxy/route"
)

// Snapshot is what requests are served by. It is immutable, and swapped whole by Proxy.Use: a
// request keeps the one that it began with. Defaults and the checks of what an operator wrote are
// config's: a Proxy takes the values as they are.
type Snapshot struct {
	// Routes are the ways of requests.
	Routes *Routes
	// Trusted are the proxies in front whose forwarding headers are believed.
	Trusted identity.Trusted
	// Via is our name in the Via of forwarded requests, as rewrite.ViaName makes it; "": there is
	// none.
	Via string
	// Clients are how many clients there may be, and how long they may keep us waiting.
	Clients netconn.ClientLimits
	// MaxHeader bounds a request's header, in bytes. A longer one is refused with 431, or with 414
	// if the request line alone is longer.
	MaxHeader int
	// HTTP2 bounds the clients that speak HTTP/2.
	HTTP2 h2.Limits
	// Tracing is what becomes of the traces that requests belong to.
	Tracing identity.Tracing
	// Log is which requests are logged, and how.
	Log outcome.Log
	// Challenges answers the authority that certificates are asked from; nil asks nobody for any.
	Challenges Challenges
}

// Route is the way of requests: where they go, and what they must keep to. It is immutable once
// NewRoutes has it.
type Route struct {
	// Name is for the access log and the counters; "" isn't logged.
	Name string
	// Destination is where they go. With a Split, its parts are. Fallback is where they go while
	// nobody there is healthy; nil is nowhere.
	Destination
	Split    *Split
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
	// Priority is how important its requests are where some have to wait for a backend.
	Priority balancer.Priority
	// Rules are what it changes in the messages that pass.
	Rules rewrite.Rules
	// MaxBody bounds a request's body in bytes, 0 doesn't. A longer one is refused with 413.
	MaxBody int64
	// BodyWait is how long a chunked body is waited for, until its first 8 KiB have come, before a
	// connection to a backend is taken for it. Of one that comes at the client's leisure, that is
	// all that a backend would wait for.
	BodyWait time.Duration
	// TunnelTimeout is for how long nothing may come over a connection that was upgraded, from
	// either side; 0 is for ever.
	TunnelTimeout time.Duration

	// traffic counts the requests that go to no pool.
	traffic *outcome.Traffic
}

// Destination is a pool as requests reach it.
type Destination struct {
	// Name is the pool's.
	Name string
	Pool Pool
	// Host is sent to backends as Host; "" passes the client's.
	Host string
	// Hidden returns the authorities, such as "host:port", that a response's Location must not
	// show, beside that of the backend that responded. nil stands for none.
	Hidden func() []string
	// Timeouts are how long a backend may keep us waiting; nil is as long as its pool says.
	Timeouts *netconn.ExchangeLimits
	// HashBy is what identifies clients for a pool whose strategy is hash; nil with others.
	HashBy *identity.Key
	// Cookie is the name of the cookie of a pool whose strategy is sticky; "" with others.
	Cookie string
	// Retry is which requests are retried, and how.
	Retry Retry

	// traffic counts the requests of the route that go here.
	traffic *outcome.Traffic
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

// hidden are the authorities that a response's Location must not show.
func (d *Destination) hidden() []string {
	if d.Hidden == nil {
		return nil
	}
	return d.Hidden()
}

// destination is where a request goes now that should go to d; nil if nobody who is healthy is
// anywhere.
func (r *Route) destination(d *Destination) *Destination {
	if d.Pool.Healthy() {
		return d
	}
	if d = r.Split.healthy(); d != nil {
		return d
	}
	if r.Fallback != nil && r.Fallback.Pool.Healthy() {
		return r.Fallback
	}
	return nil
}

// destinations are all those that the route has.
func (r *Route) destinations() (all []*Destination) {
	if r.Pool != nil {
		all = append(all, &r.Destination)
	}
	if r.Split != nil {
		for i := range r.Split.Parts {
			all = append(all, &r.Split.Parts[i].Destination)
		}
	}
	if r.Fallback != nil {
		all = append(all, r.Fallback)
	}
	return all
}

// Pool is what the proxy needs of balancer.Pool. The backends' probers must come from NewBackends.
type Pool interface {
	// Healthy reports whether any backend may get requests, busy or not.
	Healthy() bool
	// Full reports whether all that may are busy.
	Full() bool
	// Attempts choose the backends of a client's request, and take places there.
	Attempts(c balancer.Client, r balancer.Retry) balancer.Attempts
}

// way is where a request goes.
type way struct {
	// path is the request's, chosen the route that it has; nil if there is none. to is where it
	// goes.
	path   route.Path
	chosen *Route
	to     *Destination
}

// Challenges knows what an authority is to find below challenges, if we have asked for it.
type Challenges interface {
	// Answer returns the response's body for a path, without its query, of a host in lower case,
	// without its port. ok is false if nothing is known of it. It may wait for the store.
	Answer(host, path string) (body string, ok bool)
}
