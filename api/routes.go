package api

import (
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/fasthttp/router"
	"github.com/valyala/fasthttp"

	"gopher-equalizer/api/page"
)

// call handles one method and path. The response to its error is in faults.
type call func(ctx *fasthttp.RequestCtx) error

// routes are all calls, by path and method. HEAD comes with GET.
func (s *snapshot) routes() map[string]map[string]call {
	if s.sources.Standby {
		return map[string]map[string]call{
			"/healthz": {fasthttp.MethodGet: s.healthz},
			"/readyz":  {fasthttp.MethodGet: s.readyz},
		}
	}
	return map[string]map[string]call{
		"/buckets": {
			fasthttp.MethodGet:  s.limited(s.listBuckets),
			fasthttp.MethodPost: s.limited(noQuery(unconditional(s.createBucket))),
		},
		"/buckets/{client_id}": {
			fasthttp.MethodGet:    s.limited(s.getBucket),
			fasthttp.MethodPut:    s.limited(s.putBucket),
			fasthttp.MethodPatch:  s.limited(s.patchBucket),
			fasthttp.MethodDelete: s.limited(s.deleteBucket),
		},
		"/limits/{name}/buckets": {
			fasthttp.MethodDelete: s.limited(noQuery(unconditional(s.clearLimit))),
		},
		"/limits":   {fasthttp.MethodGet: noQuery(s.listLimits)},
		"/routes":   {fasthttp.MethodGet: noQuery(s.listRoutes)},
		"/backends": {fasthttp.MethodGet: noQuery(s.listBackends)},
		"/backends/{id:*}": {
			fasthttp.MethodGet:    noQuery(s.getBackend),
			fasthttp.MethodPatch:  noQuery(unconditional(s.patchBackend)),
			fasthttp.MethodDelete: noQuery(unconditional(s.clearOverride)),
		},
		"/replicas":              {fasthttp.MethodGet: noQuery(s.listReplicas)},
		"/listeners":             {fasthttp.MethodGet: noQuery(s.listListeners)},
		"/certificates":          {fasthttp.MethodGet: noQuery(s.listCertificates)},
		"/config":                {fasthttp.MethodGet: noQuery(s.showConfig)},
		"/config/changes":        {fasthttp.MethodGet: noQuery(s.showPending)},
		"/reload":                {fasthttp.MethodPost: noQuery(unconditional(s.reload))},
		explainPath:              {fasthttp.MethodPost: noQuery(unconditional(s.explain))},
		"/refusals":              {fasthttp.MethodGet: s.listRefusals},
		"/refusals/{request_id}": {fasthttp.MethodGet: noQuery(s.getRefusal)},
		"/errors":                {fasthttp.MethodGet: noQuery(s.listErrors)},
		"/status":                {fasthttp.MethodGet: noQuery(s.status)},
		"/metrics":               {fasthttp.MethodGet: noQuery(s.metrics)},
		page.Root:                {fasthttp.MethodGet: noQuery(s.livePage)},
		page.Folder + "{file}":   {fasthttp.MethodGet: noQuery(s.livePage)},
		"/tail":                  {fasthttp.MethodGet: s.tail},
		"/events":                {fasthttp.MethodGet: noQuery(s.events)},
		"/healthz":               {fasthttp.MethodGet: s.healthz}, // probes may add what they like
		"/readyz":                {fasthttp.MethodGet: s.readyz},
	}
}

// newRouter matches paths as they came, undecoded, so a%2Fb is one segment. The router's own
// responses are off: redirects that clean paths (a client_id may end in a dot), OPTIONS, and a 405
// that names OPTIONS and takes /* for a path.
func (s *snapshot) newRouter() *router.Router {
	r := router.New()
	r.RedirectTrailingSlash, r.RedirectFixedPath = false, false
	r.HandleOPTIONS, r.HandleMethodNotAllowed = false, false
	r.NotFound = s.handler(s.noCall)
	routes := s.routes()
	for _, path := range slices.Sorted(maps.Keys(routes)) { // The router wants /backends before what is below it.
		calls := routes[path]
		if get, ok := calls[fasthttp.MethodGet]; ok {
			calls[fasthttp.MethodHead] = get
		}
		for method, c := range calls {
			r.Handle(method, path, s.handler(c))
		}
		r.ANY(path, s.handler(wrongMethod(slices.Sorted(maps.Keys(calls)))))
	}
	return r
}

// handler makes a handler of a call.
func (s *snapshot) handler(c call) fasthttp.RequestHandler {
	return func(ctx *fasthttp.RequestCtx) {
		if err := c(ctx); err != nil {
			s.fail(ctx, err)
		}
	}
}

// limited refuses calls about buckets if there are none.
func (s *snapshot) limited(c call) call {
	if s.sources.Reader != nil && s.sources.Writer != nil {
		return c
	}
	return func(*fasthttp.RequestCtx) error {
		return refuse(errUnlimited, "no limit is configured, so there are no buckets; want [limits.NAME] in the configuration, or --key, --capacity or --refill")
	}
}

// noQuery refuses any query, an empty one too. The "?" may belong to a client_id, and then DELETE
// /buckets/a?b would delete a.
func noQuery(c call) call {
	return func(ctx *fasthttp.RequestCtx) error {
		if strings.Contains(string(ctx.RequestURI()), "?") {
			return badRequest("this call takes no query parameters; want %%3F for a question mark in an id")
		}
		return c(ctx)
	}
}

// parseIn reads the limit from a call's target: a query of in=NAME and nothing else, or none. A "?"
// may belong to a client_id, and then DELETE /buckets/a?b would delete a.
func parseIn(target string) (name string, err error) {
	_, query, found := strings.Cut(target, "?")
	if !found {
		return "", nil
	}
	escaped, found := strings.CutPrefix(query, "in=")
	if found {
		name, err = url.QueryUnescape(escaped)
	}
	if !found || err != nil || name == "" || strings.Contains(escaped, "&") {
		return "", badRequest("this call takes no query parameters, except in=LIMIT; want %%3F for a question mark in an id")
	}
	return name, nil
}

func (s *snapshot) noCall(ctx *fasthttp.RequestCtx) error {
	if s.sources.Standby {
		return errStandby
	}
	if strings.HasPrefix(string(ctx.URI().PathOriginal()), "/buckets/") {
		return refuse(errNoCall, "want /buckets/CLIENT_ID; in the client_id %%2F stands for a slash")
	}
	return refuse(errNoCall, "want /buckets, /limits, /routes, /backends, /replicas, /listeners, /certificates, /config, /reload, /explain, /refusals, /errors, /tail, /status, /metrics, /healthz or /readyz")
}

func wrongMethod(allowed []string) call {
	allow := strings.Join(allowed, ", ")
	return func(ctx *fasthttp.RequestCtx) error {
		refused := refuse(errMethod, "%s is not possible here; want %s", excerpt(string(ctx.Method())), allow)
		refused.allow = allow
		return refused
	}
}
