package config

import (
	"maps"
	"slices"

	"gopher-equalizer/proxy/route"
)

// warnRoutes warns of what routes leave out, or never do.
func (r *report) warnRoutes(c Config) {
	if len(c.Routes) == 0 {
		return
	}
	limits, pools := map[string]bool{}, map[string]bool{}
	patterns := make([]route.Pattern, len(c.Routes))
	for i, one := range c.RoutesInForce() {
		patterns[i], _ = one.Pattern() // A valid Config has no bad one.
		for _, name := range one.PoolNames() {
			pools[name] = true
		}
		for _, name := range one.Limits {
			limits[name] = true
		}
	}
	for _, unreachable := range route.Unreachable(patterns) {
		r.conflict(c.Routes, patterns, unreachable)
	}
	for _, name := range slices.Sorted(maps.Keys(c.Limits)) {
		if !limits[name] {
			r.add(Join("limits", name), "no route uses it, so it limits nothing")
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.Pools)) {
		if !pools[name] {
			r.add(Join("pools", name), "no route uses it, but its backends are probed")
		}
	}
}
