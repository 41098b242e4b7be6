package main

import (
	"maps"
	"slices"
	"strconv"
	"time"

	"gopher-equalizer/api"
	"gopher-equalizer/config"
	"gopher-equalizer/limiter/gcra"
	"gopher-equalizer/proxy/route"
)

// viewRoutes are the routes in force as the admin API shows them, of a Config that is valid.
func viewRoutes(c config.Config) []api.Route {
	var all []api.Route
	for _, r := range c.RoutesInForce() {
		all = append(all, viewRoute(r))
	}
	return all
}

func viewRoute(c config.Route) api.Route {
	pattern, _ := c.Pattern() // It is valid.
	r := api.Route{
		Name: pattern.DisplayName(), Host: c.Host, PathPrefix: c.PathPrefix, Methods: orEmpty(c.Methods),
		MatchHeaders: map[string]string{}, AmbiguousPaths: "refuse",
		Pool: orNull(c.Pool), FallbackPool: orNull(c.FallbackPool),
		Limits: orEmpty(c.Limits), Cost: c.Cost, ExposeTo: orEmpty(c.ExposeTo), ErrorPages: pageStatuses(c.ErrorPages),
		SetHost: c.SetHost, StripPrefix: c.StripPrefix, AddPrefix: c.AddPrefix,
		RequestHeaders: viewHeaders(c.RequestHeaders), ResponseHeaders: viewHeaders(c.ResponseHeaders),
		MaxBody: int64(*c.MaxBody), ResponseTimeout: viewTimeout(c.ResponseTimeout), IdleTimeout: viewTimeout(c.IdleTimeout),
		TotalTimeout: viewTimeout(c.TotalTimeout), TunnelTimeout: viewTimeout(c.TunnelTimeout),
	}
	maps.Copy(r.MatchHeaders, c.MatchHeaders)
	if c.AmbiguousPaths == route.Pass {
		r.AmbiguousPaths = "pass"
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

func sortedNames(fields map[string]string) []string {
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
