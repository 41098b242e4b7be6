package config

import (
	"cmp"
	"maps"
	"slices"

	"gopher-equalizer/proxy/rewrite"
	"gopher-equalizer/proxy/route"
)

func (r *report) routes(c Config) {
	if len(c.Routes) == 0 {
		const refused = "there are %d, %s, and no routes; want one, or [[routes]] that choose between them"
		if len(c.Pools) > 1 {
			r.add("pools", refused, len(c.Pools), all(slices.Sorted(maps.Keys(c.Pools))))
		}
		if len(c.Limits) > 1 {
			r.add("limits", refused, len(c.Limits), all(slices.Sorted(maps.Keys(c.Limits))))
		}
	}
	patterns := make([]route.Pattern, len(c.Routes))
	for i, one := range c.Routes {
		key := element("routes", i)
		patterns[i] = r.pattern(key, one)
		r.destination(key, one, patterns[i].Host, c.Pools)
		r.limitUses(key, one, c.Limits)
		r.rewriting(key, one, patterns[i].Prefix)
		r.exposeTo(join(key, "expose_to"), one.ExposeTo)
		r.errorPages(join(key, "error_pages"), one.ErrorPages)
		r.bounds(key, one)
		if r.anyFailed(key, "name", "host", "path_prefix", "methods", "match_headers") {
			patterns[i] = apart(key)
		}
	}
	for _, conflict := range route.Conflicts(patterns) {
		r.add(element("routes", conflict.Route), "%s", conflict.Reason)
	}
}

// pattern checks what a route matches, and returns it.
func (r *report) pattern(key string, from Route) route.Pattern {
	p := route.Pattern{Name: from.Name, Ambiguous: from.AmbiguousPaths}
	if from.Name != "" {
		r.name(join(key, "name"), from.Name)
	}
	var err error
	p.Host, err = route.ParseHost(from.Host)
	r.parses(join(key, "host"), err)
	p.Prefix = r.prefix(join(key, "path_prefix"), cmp.Or(from.PathPrefix, "/"))
	p.Methods = r.methods(join(key, "methods"), from.Methods)
	for _, name := range slices.Sorted(maps.Keys(from.MatchHeaders)) {
		header, err := route.ParseHeader(name, from.MatchHeaders[name])
		r.parses(join(join(key, "match_headers"), name), err)
		p.Headers = append(p.Headers, header)
	}
	return p
}

// apart is a pattern that conflicts with no other, for a route that can't be read.
func apart(key string) route.Pattern {
	header, _ := route.ParseHeader("none", key)
	return route.Pattern{Name: key, Headers: []route.Header{header}}
}

// methods checks each method by itself, for its line.
func (r *report) methods(key string, texts []string) route.Methods {
	for i, text := range texts {
		_, err := route.ParseMethods([]string{text})
		r.parses(element(key, i), err)
	}
	methods, _ := route.ParseMethods(texts)
	return methods
}

func (r *report) prefix(key, text string) route.Prefix {
	prefix, err := route.ParsePrefix(text)
	r.parses(key, err)
	return prefix
}

// destination checks where a route's requests go.
func (r *report) destination(key string, one Route, host route.Host, pools map[string]Pool) {
	switch {
	case one.Redirect != nil && one.Respond != nil:
		r.add(join(key, "respond"), "there is a redirect too; want one of the two")
	case one.Redirect != nil:
		r.redirect(join(key, "redirect"), *one.Redirect, host)
		r.onlyWithPool(key, "redirect", one)
	case one.Respond != nil:
		r.respond(join(key, "respond"), *one.Respond)
		r.onlyWithPool(key, "respond", one)
	default:
		r.usedPools(key, one, slices.Sorted(maps.Keys(pools)))
	}
}

func (r *report) usedPools(key string, one Route, pools []string) {
	switch {
	case one.Pool != "":
		r.known(join(key, "pool"), "pool", one.Pool, pools)
	case len(pools) > 1:
		r.add(key, "no pool is named, and there are %d, %s; want pool, redirect or respond", len(pools), all(pools))
	}
	fallback := join(key, "fallback_pool")
	switch {
	case one.FallbackPool == "":
	case one.FallbackPool == one.Pool || one.Pool == "" && len(pools) == 1 && one.FallbackPool == pools[0]:
		r.add(fallback, "%s is the route's pool already; want another one, or none", show(one.FallbackPool))
	default:
		r.known(fallback, "pool", one.FallbackPool, pools)
	}
}

// known refuses a name of a pool or of a limit that there isn't.
func (r *report) known(key, what, name string, names []string) {
	meant, near := nearest(name, names)
	switch {
	case slices.Contains(names, name):
	case near:
		r.add(key, "%s is no %s; did you mean %s?", show(name), what, meant)
	case len(names) == 0:
		r.add(key, "%s is no %s, as there is none; want [%ss.%s], or none here", show(name), what, what, name)
	default:
		r.add(key, "%s is no %s; want %s", show(name), what, either(names))
	}
}

// onlyWithPool refuses keys that are about backends, for a route that has none.
func (r *report) onlyWithPool(key, instead string, one Route) {
	for name, set := range map[string]bool{
		"pool":             one.Pool != "",
		"fallback_pool":    one.FallbackPool != "",
		"set_host":         one.SetHost != "",
		"strip_prefix":     one.StripPrefix != "",
		"add_prefix":       one.AddPrefix != "",
		"request_headers":  !one.RequestHeaders.isEmpty(),
		"max_body":         one.MaxBody != nil,
		"response_timeout": one.ResponseTimeout != nil,
		"idle_timeout":     one.IdleTimeout != nil,
		"total_timeout":    one.TotalTimeout != nil,
		"tunnel_timeout":   one.TunnelTimeout != nil,
	} {
		if set {
			r.add(join(key, name), "means nothing with %s, which needs no backend; want no %s, or no %s", instead, instead, name)
		}
	}
}

func (r *report) redirect(key string, to Redirect, host route.Host) {
	_, err := rewrite.ParseRedirect("/", to.Status, route.Host{})
	r.parses(join(key, "status"), err)
	_, err = rewrite.ParseRedirect(to.To, DefaultRedirect().Status, host)
	r.parses(join(key, "to"), err)
}

func (r *report) respond(key string, with Respond) {
	const maxBody = 64 * KiB
	status, body, contentType := join(key, "status"), join(key, "body"), join(key, "content_type")
	_, err := rewrite.ParseRespond(with.Status, "", "")
	r.parses(status, err)
	_, err = rewrite.ParseRespond(DefaultRespond().Status, "x", with.ContentType)
	r.parses(contentType, err)
	if size := Size(len(with.Body)); size > maxBody {
		r.add(body, "has %v bytes; want at most %v", int(size), maxBody)
	}
	if r.anyFailed(key, "status", "content_type") {
		return
	}
	_, err = rewrite.ParseRespond(with.Status, with.Body, with.ContentType)
	if with.Body == "" {
		body = contentType
	}
	r.parses(body, err)
}

// limitUses checks the limits that a route's requests are under, and their cost.
func (r *report) limitUses(key string, one Route, limits map[string]Limit) {
	cost := join(key, "cost")
	switch {
	case one.Cost < 0:
		r.add(cost, "%d is below 0; want the tokens that a request takes", one.Cost)
	case len(one.Limits) == 0 && r.given(cost):
		r.add(cost, "means nothing without limits; want limits, or no cost")
	}
	for i, name := range one.Limits {
		use := element(join(key, "limits"), i)
		r.known(use, "limit", name, slices.Sorted(maps.Keys(limits)))
		if slices.Index(one.Limits, name) < i {
			r.add(use, "%s is there twice; want each limit once, and cost for more tokens", show(name))
		} else if limit, known := limits[name]; known {
			r.affordable(cost, one.Cost, name, limit)
		}
	}
}

// affordable refuses a cost that no bucket of a limit, or of one of its tiers, can ever hold.
func (r *report) affordable(key string, cost int64, name string, limit Limit) {
	const above = "%d is above the capacity of %s %s, %d, so every request would be a 429; want at most that"
	if r.failed(join("limits", name) + ".capacity") {
		return
	}
	if cost > limit.Capacity {
		r.add(key, above, cost, "limit", name, limit.Capacity)
	}
	for _, tier := range slices.Sorted(maps.Keys(limit.Tiers)) {
		if capacity := limit.SettingsOf(tier).Capacity; cost > capacity && capacity > 0 {
			r.add(key, above, cost, "tier", name+"."+tier, capacity)
		}
	}
}

// bounds checks a route's own bounds.
func (r *report) bounds(key string, one Route) {
	if size := one.MaxBody; size != nil && *size < 0 {
		r.add(join(key, "max_body"), "%v is below 0; want a size, or 0 for no bound", *size)
	}
	if d := one.ResponseTimeout; d != nil {
		r.duration(join(key, "response_timeout"), *d)
	}
	if d := one.IdleTimeout; d != nil {
		r.duration(join(key, "idle_timeout"), *d)
	}
	if d := one.TotalTimeout; d != nil {
		r.durationOrOff(join(key, "total_timeout"), *d)
	}
	if d := one.TunnelTimeout; d != nil {
		r.durationOrOff(join(key, "tunnel_timeout"), *d)
	}
}
