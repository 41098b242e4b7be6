package main

import (
	"maps"
	"slices"
	"strconv"
	"time"

	"gopher-equalizer/api"
	"gopher-equalizer/config"
	"gopher-equalizer/limiter/gcra"
)

// viewRoutes are the routes in force as the admin API shows them. What came from references is
// shown as those.
func viewRoutes(l config.Loaded) []api.Route {
	var all []api.Route
	for i, c := range l.Config.RoutesInForce() {
		key := config.Element("routes", i)
		r := viewRoute(c)
		r.Name = l.Sources.RouteName(key, c)
		show := func(name string, text *string) { *text = l.Sources.Shown(config.Join(key, name), *text) }
		show("host", &r.Host)
		show("path_prefix", &r.PathPrefix)
		show("split_by", &r.SplitBy)
		show("set_host", &r.SetHost)
		show("strip_prefix", &r.StripPrefix)
		show("add_prefix", &r.AddPrefix)
		r.ExposeTo = shownList(l, key+".expose_to", r.ExposeTo)
		r.Methods = shownList(l, key+".methods", r.Methods)
		for name, value := range r.MatchHeaders {
			r.MatchHeaders[name] = l.Sources.Shown(config.Join(key, "match_headers", name), value)
		}
		if r.Redirect != nil {
			r.Redirect.To = l.Sources.Shown(key+".redirect.to", r.Redirect.To)
		}
		all = append(all, r)
	}
	return all
}

// shownList are the values of a list with a key, each as it may be shown.
func shownList(l config.Loaded, key string, values []string) []string {
	shown := slices.Clone(values)
	for i := range shown {
		shown[i] = l.Sources.Shown(config.Element(key, i), shown[i])
	}
	return shown
}

func viewRoute(c config.Route) api.Route {
	r := api.Route{
		Host: c.Host, PathPrefix: c.PathPrefix, Methods: orEmpty(c.Methods),
		MatchHeaders: map[string]string{}, AmbiguousPaths: c.AmbiguousPaths.String(),
		Pool: orNull(c.Pool), Pools: []api.RoutePool{}, FallbackPool: orNull(c.FallbackPool),
		Limits: orEmpty(c.Limits), Cost: c.Cost, Priority: string(c.Priority), ExposeTo: orEmpty(c.ExposeTo), ErrorPages: pageStatuses(c.ErrorPages),
		SetHost: c.SetHost, StripPrefix: c.StripPrefix, AddPrefix: c.AddPrefix,
		RequestHeaders: viewHeaders(c.RequestHeaders), ResponseHeaders: viewHeaders(c.ResponseHeaders),
		MaxBody: int64(*c.MaxBody), ResponseTimeout: viewTimeout(c.ResponseTimeout), IdleTimeout: viewTimeout(c.IdleTimeout),
		TotalTimeout: viewTimeout(c.TotalTimeout), TunnelTimeout: viewTimeout(c.TunnelTimeout),
	}
	maps.Copy(r.MatchHeaders, c.MatchHeaders)
	for _, part := range c.Pools {
		r.Pools, r.SplitBy = append(r.Pools, api.RoutePool(part)), c.SplitBy
	}
	if to := c.Redirect; to != nil {
		r.Redirect = &api.RouteRedirect{To: to.To, Status: to.Status}
	}
	if own := c.Respond; own != nil {
		r.Respond = &api.RouteRespond{Status: own.Status, ContentType: own.ContentType}
	}
	return r
}

func viewHeaders(c config.HeaderChanges) api.RouteHeaders {
	return api.RouteHeaders{Set: sortedNames(c.Set), Add: sortedNames(c.Add), Remove: orEmpty(c.Remove)}
}

func sortedNames(fields map[string]config.Secret) []string {
	return orEmpty(slices.Sorted(maps.Keys(fields)))
}

func viewTimeout(d *time.Duration) string {
	if d == nil {
		return ""
	}
	return gcra.ShortDuration(*d)
}

func pageStatuses(files map[string]string) []int {
	all := []int{}
	for _, text := range slices.Sorted(maps.Keys(files)) {
		status, _ := strconv.Atoi(text) // It is one of ours.
		all = append(all, status)
	}
	return all
}

// orEmpty makes no list an empty one: [] in JSON, and not null.
func orEmpty(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}

// orNull makes an empty text null.
func orNull(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}
