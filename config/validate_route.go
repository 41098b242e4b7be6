package config

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

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
		key := Element("routes", i)
		patterns[i] = r.pattern(key, one)
		r.destination(key, one, patterns[i].Host, c.Pools)
		r.split(key, one, c.Pools)
		if one.Retry != nil {
			r.retry(Join(key, "retry"), *one.Retry)
		}
		r.limitUses(key, one, c.Limits)
		r.rewriting(key, one, patterns[i].Prefix)
		r.exposeTo(Join(key, "expose_to"), one.ExposeTo)
		r.errorPages(Join(key, "error_pages"), one.ErrorPages)
		if r.anyFailed(key, "name", "host", "path_prefix", "methods", "match_headers") {
			patterns[i] = apart(key)
		}
	}
	for _, conflict := range route.Conflicts(patterns) {
		r.conflict(c.Routes, patterns, conflict)
	}
}

// conflict adds what is wrong with a route because of an earlier one, which may be in another file.
func (r *report) conflict(routes []Route, patterns []route.Pattern, c *route.Conflict) {
	text := c.Reason
	for _, i := range []int{c.Route, c.Earlier} {
		text = strings.ReplaceAll(text, patterns[i].DisplayName(), r.routeName(Element("routes", i), routes[i], patterns[i]))
	}
	key, earlier := Element("routes", c.Route), Element("routes", c.Earlier)
	if at := r.Of(earlier); at.Name != r.Of(key).Name {
		text = strings.Replace(text, earlier, fmt.Sprintf("%s in %s", earlier, at), 1)
	}
	r.add(key, "%s", text)
}

// pattern checks what a route matches, and returns it.
func (r *report) pattern(key string, from Route) route.Pattern {
	p := route.Pattern{Name: from.Name, Ambiguous: from.AmbiguousPaths}
	if from.Name != "" {
		r.name(Join(key, "name"), from.Name)
	}
	var err error
	p.Host, err = route.ParseHost(from.Host)
	r.parses(Join(key, "host"), err)
	p.Prefix = r.prefix(Join(key, "path_prefix"), cmp.Or(from.PathPrefix, "/"))
	p.Methods = r.methods(Join(key, "methods"), from.Methods)
	for _, name := range slices.Sorted(maps.Keys(from.MatchHeaders)) {
		header, err := route.ParseHeader(name, from.MatchHeaders[name])
		r.parses(Join(key, "match_headers", name), err)
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
		r.parses(Element(key, i), err)
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
		r.add(Join(key, "respond"), "there is a redirect too; want one of the two")
	case one.Redirect != nil:
		r.redirect(Join(key, "redirect"), *one.Redirect, host)
		r.onlyWithPool(key, "redirect", one)
	case one.Respond != nil:
		r.respond(Join(key, "respond"), *one.Respond)
		r.onlyWithPool(key, "respond", one)
	default:
		r.usedPools(key, one, pools)
	}
}

func (r *report) usedPools(key string, one Route, pools map[string]Pool) {
	pool := one.Pool
	switch {
	case len(one.Pools) > 0:
	case one.Pool != "":
		known(r, Join(key, "pool"), "pool", one.Pool, pools)
	case len(pools) > 1:
		r.add(key, "no pool is named, and there are %d, %s; want pool, pools, redirect or respond", len(pools), all(slices.Sorted(maps.Keys(pools))))
	case len(pools) == 1:
		pool = slices.Collect(maps.Keys(pools))[0]
	}
	fallback := Join(key, "fallback_pool")
	switch {
	case one.FallbackPool == "":
	case one.FallbackPool == pool:
		r.add(fallback, "%s is the route's pool already; want another one, or none", show(one.FallbackPool))
	case slices.ContainsFunc(one.Pools, func(p RoutePool) bool { return p.Pool == one.FallbackPool }):
		r.add(fallback, "%s is among the route's pools already; want another one, or none", show(one.FallbackPool))
	default:
		known(r, fallback, "pool", one.FallbackPool, pools)
	}
}

// split checks how a route's clients are shared out to pools.
func (r *report) split(key string, one Route, pools map[string]Pool) {
	by, list := Join(key, "split_by"), Join(key, "pools")
	r.clientKey(by, one.SplitBy)
	if len(one.Pools) == 0 {
		if r.given(by) {
			r.add(by, "means nothing without pools; want pools, or no split_by")
		}
		return
	}
	if one.Pool != "" {
		r.add(Join(key, "pool"), "there are pools too; want one of the two")
	}
	total, before := 0, map[string]string{}
	for i, part := range one.Pools {
		at := Element(list, i)
		total += part.Weight
		if part.Weight == 0 && !r.given(Join(at, "weight")) {
			r.add(Join(at, "weight"), "there is none; want its share, as a number")
		}
		if part.Pool == "" {
			r.add(Join(at, "pool"), "there is none; want the name of a pool")
			continue
		}
		known(r, Join(at, "pool"), "pool", part.Pool, pools)
		if twin := before[part.Pool]; twin != "" {
			r.add(Join(at, "pool"), "%s is in %s too; want each once", show(part.Pool), twin)
		}
		before[part.Pool] = at
	}
	if total == 0 {
		r.add(list, "all weights are 0; want one above that")
	}
}

// known refuses a name of a pool or of a limit that isn't among those that there are.
func known[V any](r *report, key, what, name string, there map[string]V) {
	if _, ok := there[name]; ok {
		return
	}
	names := slices.Sorted(maps.Keys(there))
	meant, near := nearest(name, names)
	switch {
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
		"pools":            len(one.Pools) > 0,
		"fallback_pool":    one.FallbackPool != "",
		"set_host":         one.SetHost != "",
		"strip_prefix":     one.StripPrefix != "",
		"add_prefix":       one.AddPrefix != "",
		"request_headers":  !one.RequestHeaders.isEmpty(),
		"max_body":         one.MaxBody != nil,
		"retry":            one.Retry != nil,
		"response_timeout": one.ResponseTimeout != nil,
		"idle_timeout":     one.IdleTimeout != nil,
		"total_timeout":    one.TotalTimeout != nil,
		"tunnel_timeout":   one.TunnelTimeout != nil,
	} {
		if set {
			r.add(Join(key, name), "means nothing with %s, which needs no backend; want no %s, or no %s", instead, instead, name)
		}
	}
}

func (r *report) redirect(key string, to Redirect, host route.Host) {
	_, err := rewrite.ParseRedirect(to.To, DefaultRedirect().Status, host)
	r.parses(Join(key, "to"), err)
}

func (r *report) respond(key string, with Respond) {
	const maxBody = 64 * KiB
	body, contentType := Join(key, "body"), Join(key, "content_type")
	_, err := rewrite.ParseRespond(DefaultRespond().Status, "x", with.ContentType)
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
	cost := Join(key, "cost")
	if len(one.Limits) == 0 && r.given(cost) {
		r.add(cost, "means nothing without limits; want limits, or no cost")
	}
	for i, name := range one.Limits {
		use := Element(Join(key, "limits"), i)
		known(r, use, "limit", name, limits)
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
	if r.failed(Join("limits", name) + ".capacity") {
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
