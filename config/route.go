package config

import (
	"time"

	"gopher-equalizer/balancer"
	"gopher-equalizer/proxy/rewrite"
	"gopher-equalizer/proxy/route"
)

// Route is which requests it matches, where they go, and what they must keep to. nil and "" leave a
// key to the pool or to the server, or stand for none.
type Route struct {
	// Name is the route's in logs and the admin API, unique. "" stands for the host and the prefix.
	Name string `toml:"name"`
	// Host is the host of its requests, "*.NAME" for all below one, or "" for any.
	Host string `toml:"host"`
	// PathPrefix is what their path begins with, by whole segments. The longest one wins.
	PathPrefix string `toml:"path_prefix" default:"/"`
	// Methods are their methods, or all with none. GET includes HEAD.
	Methods []string `toml:"methods"`
	// MatchHeaders are header fields that they must have: name to exact value, or "*" for any.
	MatchHeaders map[string]string `toml:"match_headers"`
	// AmbiguousPaths is what becomes of a request by this route whose path backends may read as
	// another route's, or another exemption's: it is refused with 400, or passed.
	AmbiguousPaths route.Ambiguity `toml:"ambiguous_paths" enum:"refuse,pass"`

	// Pool is where they go. "" stands for the only pool.
	Pool string `toml:"pool" else:"the only pool"`
	// Pools are where they go instead, each client to one of them. SplitBy is what identifies a
	// client for that, as a limit's key does.
	Pools   []RoutePool `toml:"pools"`
	SplitBy string      `toml:"split_by" default:"ip"`
	// FallbackPool is where they go while nobody in Pool is healthy. "" is nowhere: 503.
	FallbackPool string `toml:"fallback_pool"`
	// Redirect and Respond answer them without a backend.
	Redirect *Redirect `toml:"redirect"`
	Respond  *Respond  `toml:"respond"`

	// Limits are those that they are under, all or none. None is no limit.
	Limits []string `toml:"limits"`
	// Cost is how many tokens a request takes of each limit.
	Cost int64 `toml:"cost" default:"1" min:"0"`
	// Priority is how important they are where some have to wait for a backend.
	Priority balancer.Priority `toml:"priority" default:"normal" enum:"high,normal,low"`
	// ExposeTo are the origins whose pages may read our own 429s and errors; "*" is all of them.
	ExposeTo []string `toml:"expose_to"`
	// ErrorPages are files that stand in for our own errors, by their status.
	ErrorPages map[string]string `toml:"error_pages" file:"page"`

	// SetHost is what backends get as Host. "" stands for the pool's, otherwise the client's.
	SetHost string `toml:"set_host"`
	// StripPrefix is cut off the path, if it begins with that. AddPrefix is put before the rest.
	StripPrefix string `toml:"strip_prefix"`
	AddPrefix   string `toml:"add_prefix"`
	// RequestHeaders and ResponseHeaders change the header fields that go on.
	RequestHeaders  HeaderChanges `toml:"request_headers"`
	ResponseHeaders HeaderChanges `toml:"response_headers"`

	// Retry is which of its requests are retried, in place of all that the pool says.
	Retry *Retry `toml:"retry"`
	// MaxBody is the server's max_body for this route.
	MaxBody *Size `toml:"max_body" else:"the server's" min:"0"`
	// ResponseTimeout, IdleTimeout and TotalTimeout are the pool's for this route, and
	// TunnelTimeout the server's. They depend on what is asked for. All other timeouts depend on
	// the client's network or on the backend, or run before the route is known.
	ResponseTimeout *time.Duration `toml:"response_timeout" else:"the pool's"`
	IdleTimeout     *time.Duration `toml:"idle_timeout" else:"the pool's"`
	TotalTimeout    *time.Duration `toml:"total_timeout" else:"the pool's" or:"0s for none"`
	TunnelTimeout   *time.Duration `toml:"tunnel_timeout" else:"the server's" or:"0s for none"`
}

// RoutePool is a pool's part of a route's clients.
type RoutePool struct {
	Pool string `toml:"pool" required:"true"`
	// Weight is its share relative to the others', 0 to 1,000.
	Weight int `toml:"weight" required:"true" min:"0" max:"1000"`
}

// Redirect answers with another URL.
type Redirect struct {
	// To is the URL, with $host, $path and $query, as rewrite.ParseRedirect reads it.
	To string `toml:"to" required:"true"`
	// Status is 301, 302, 303, 307 or 308.
	Status int `toml:"status" default:"307" enum:"301,302,303,307,308"`
}

// Respond is a response that is always the same.
type Respond struct {
	// Status is 200 to 599.
	Status int `toml:"status" default:"200" min:"200" max:"599"`
	// Body is the response's, at most 64 KiB.
	Body string `toml:"body"`
	// ContentType is the body's media type. "" stands for plain text in UTF-8.
	ContentType string `toml:"content_type"`
}

// HeaderChanges are changes of a message's header fields. None of them can be hop-by-hop or frame
// the body, and no value can begin another line.
type HeaderChanges struct {
	// Set are fields that replace all of their name. Add are fields that come beside those. Their
	// values may be credentials.
	Set map[string]Secret `toml:"set"`
	Add map[string]Secret `toml:"add"`
	// Remove are names of fields that are dropped.
	Remove []string `toml:"remove"`
}

// Fields are the changes as the proxy takes them, with the secrets in the clear.
func (c HeaderChanges) Fields() rewrite.FieldChanges {
	return rewrite.FieldChanges{Set: inClear(c.Set), Add: inClear(c.Add), Remove: c.Remove}
}

func inClear(secrets map[string]Secret) map[string]string {
	texts := make(map[string]string, len(secrets))
	for name, secret := range secrets {
		texts[name] = string(secret)
	}
	return texts
}

// RoutesInForce returns the routes that requests take, of a Config that is valid. What a route
// leaves to the server is filled in, and so is the only pool. What it leaves to its pool isn't,
// since its fallback may have other values. Without routes it is one for everything, to the only
// pool, under the only limit.
func (c Config) RoutesInForce() []Route {
	if len(c.Routes) == 0 {
		r := DefaultRoute()
		for name := range c.Limits {
			r.Limits = append(r.Limits, name)
		}
		return []Route{c.inForce(r)}
	}
	routes := make([]Route, len(c.Routes))
	for i, r := range c.Routes {
		routes[i] = c.inForce(r)
	}
	return routes
}

// inForce fills in what a route leaves to others.
func (c Config) inForce(r Route) Route {
	fill(&r.MaxBody, c.Server.MaxBody)
	fill(&r.TunnelTimeout, c.Server.TunnelTimeout)
	if r.HasPool() && r.Pool == "" && len(r.Pools) == 0 {
		for name := range c.Pools {
			r.Pool = name
		}
	}
	return r
}

func fill[T any](field **T, value T) {
	if *field == nil {
		*field = &value
	}
}

// HasPool reports whether the route's requests go to a pool, and don't get a response of its own.
func (r Route) HasPool() bool { return r.Redirect == nil && r.Respond == nil }

// PoolNames are those of all pools that its requests may go to.
func (r Route) PoolNames() (all []string) {
	for _, part := range r.Pools {
		all = append(all, part.Pool)
	}
	for _, name := range []string{r.Pool, r.FallbackPool} {
		if name != "" {
			all = append(all, name)
		}
	}
	return all
}

// Pattern is what the route matches. The error names every key that is wrong.
func (r Route) Pattern() (route.Pattern, error) {
	found := &report{}
	p := found.pattern("", r)
	if len(found.problems) > 0 {
		return route.Pattern{}, found.problems
	}
	return p, nil
}
