package config

import (
	"maps"
	"slices"
	"strings"

	"gopher-equalizer/limiter/gcra"
)

// shared checks what is about replicas: with a shared store that leases can cover it, and without
// one that nothing of it is said.
func (r *report) shared(c Config) {
	if c.Store.Shared {
		r.replica(c)
		r.leases(c)
		return
	}
	const text = "means nothing without shared = true; want that, or no %s"
	s, by := c.Store, defaults[Store]()
	r.refusedIf(s.ReplicaName != "", "store", "replica_name", text)
	r.refusedIf(s.LeaseInterval != by.LeaseInterval, "store", "lease_interval", text)
	r.refusedIf(s.LeaseTTL != by.LeaseTTL, "store", "lease_ttl", text)
	for _, name := range slices.Sorted(maps.Keys(c.Limits)) {
		limit := Join("limits", name)
		r.refusedIf(c.Limits[name].Scope == ScopeReplica, limit, "scope", "\"replica\" means nothing without store.shared = true; want that, or no %s")
		r.unleased(limit, c.Limits[name], "means nothing without store.shared = true; want that, or no %s")
	}
}

// MaxReplicaName is how many characters a replica's name may have.
const MaxReplicaName = 64

// replica checks what this process is called, and that others can reach its store.
func (r *report) replica(c Config) {
	if c.Store.Driver != StorePostgres {
		r.add("store.shared", `true with driver = %q, which one process has to itself; want driver = "postgres", or false`, c.Store.Driver)
	}
	const key, visible = "store.replica_name", "want 1 to 64 visible ASCII characters"
	name := c.Store.ReplicaName
	if len(name) > MaxReplicaName || strings.ContainsFunc(name, func(c rune) bool { return c <= ' ' || c > '~' }) {
		r.add(key, "%s; "+visible, show(name))
	}
	for _, limit := range slices.Sorted(maps.Keys(c.Limits)) {
		if c.Limits[limit].Scope == ScopeReplica && name == "" {
			r.add(key, `there is none, and the buckets of limit %s are kept by it, as scope = "replica"; `+visible+" that stay the same over restarts", limit)
		}
	}
}

// leases checks how tokens are leased.
func (r *report) leases(c Config) {
	const least = 3 // intervals, so that a round may fail before a lease ends
	s := c.Store
	if !r.anyFailed("store", "lease_interval", "lease_ttl") && s.LeaseTTL < least*s.LeaseInterval {
		r.add("store.lease_ttl", "%s is less than %d times lease_interval, %s; want at least %s, so that a round may fail",
			gcra.ShortDuration(s.LeaseTTL), least, r.Shown("store.lease_interval", gcra.ShortDuration(s.LeaseInterval)), r.shownSum(least*s.LeaseInterval, "store.lease_interval"))
	}
	for _, name := range slices.Sorted(maps.Keys(c.Limits)) {
		if c.Limits[name].Scope == ScopeReplica {
			r.unleased(Join("limits", name), c.Limits[name], `means nothing with scope = "replica", where nothing is leased; want scope = "global", or no %s`)
		}
	}
}

// unleased refuses what is said of leases where there are none.
func (r *report) unleased(limit string, l Limit, text string) {
	by := DefaultLimit()
	r.refusedIf(l.Leasing != by.Leasing, limit, "leasing", text)
	r.refusedIf(l.LeaseWait != by.LeaseWait, limit, "lease_wait", text)
	r.refusedIf(l.OnStoreLoss != by.OnStoreLoss, limit, "on_store_loss", text)
}

// refusedIf adds a problem with a key of a table, whose text names the key.
func (r *report) refusedIf(is bool, table, key, text string) {
	if is {
		r.add(Join(table, key), text, key)
	}
}
