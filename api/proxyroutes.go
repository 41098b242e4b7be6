package api

import "github.com/valyala/fasthttp"

// Route is a route of the proxy that is in force, in JSON. It holds no value of a header that the
// route sets, since that may be secret.
type Route struct {
	Name string `json:"name"`
	// Host to MatchHeaders are what it matches; empty is any.
	Host         string            `json:"host"`
	PathPrefix   string            `json:"path_prefix"`
	Methods      []string          `json:"methods"`
	MatchHeaders map[string]string `json:"match_headers"`
	// AmbiguousPaths is "refuse" or "pass".
	AmbiguousPaths string `json:"ambiguous_paths"`
	// Pool and FallbackPool are where its requests go; null if nowhere. Pools are where they go if
	// its clients are shared out, and SplitBy is what identifies a client for that.
	Pool         *string     `json:"pool"`
	Pools        []RoutePool `json:"pools"`
	SplitBy      string      `json:"split_by"`
	FallbackPool *string     `json:"fallback_pool"`
	// Redirect and Respond are the responses that it gives itself; null if it doesn't.
	Redirect *RouteRedirect `json:"redirect"`
	Respond  *RouteRespond  `json:"respond"`
	// Limits are those that its requests are under, and Cost how many tokens each takes.
	Limits []string `json:"limits"`
	Cost   int64    `json:"cost"`
	// Priority is how important its requests are where some have to wait: "high", "normal", "low".
	Priority string `json:"priority"`
	// ExposeTo are the origins that can read our own errors, ErrorPages the statuses that have a
	// page.
	ExposeTo   []string `json:"expose_to"`
	ErrorPages []int    `json:"error_pages"`
	// SetHost to AddPrefix change what backends get; "" doesn't.
	SetHost     string `json:"set_host"`
	StripPrefix string `json:"strip_prefix"`
	AddPrefix   string `json:"add_prefix"`
	// RequestHeaders and ResponseHeaders are the names of the fields that it changes.
	RequestHeaders  RouteHeaders `json:"request_headers"`
	ResponseHeaders RouteHeaders `json:"response_headers"`
	// MaxBody is in bytes; 0 is no bound.
	MaxBody int64 `json:"max_body"`
	// ResponseTimeout to TotalTimeout are as in the configuration; "" is what the pool has.
	ResponseTimeout string `json:"response_timeout"`
	IdleTimeout     string `json:"idle_timeout"`
	TotalTimeout    string `json:"total_timeout"`
	TunnelTimeout   string `json:"tunnel_timeout"`
}

// RoutePool is a pool's part of a route's clients.
type RoutePool struct {
	Pool string `json:"pool"`
	// Weight is its share, relative to the others'.
	Weight int `json:"weight"`
}

// RouteRedirect is where a route redirects to.
type RouteRedirect struct {
	To     string `json:"to"`
	Status int    `json:"status"`
}

// RouteRespond is what a route responds, without the body.
type RouteRespond struct {
	Status      int    `json:"status"`
	ContentType string `json:"content_type"`
}

// RouteHeaders are the names of fields that a route changes.
type RouteHeaders struct {
	Set    []string `json:"set"`
	Add    []string `json:"add"`
	Remove []string `json:"remove"`
}

func (s *snapshot) listRoutes(ctx *fasthttp.RequestCtx) error {
	return writeJSON(ctx, fasthttp.StatusOK, s.proxyRoutes())
}

// proxyRoutes are those of the proxy; [] in JSON if there are none.
func (s *snapshot) proxyRoutes() []Route {
	all := []Route{}
	if s.sources.Routes != nil {
		all = append(all, s.sources.Routes()...)
	}
	return all
}
