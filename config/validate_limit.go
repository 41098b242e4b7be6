package config

import (
	"maps"
	"slices"
	"strings"

	"gopher-equalizer/limiter/gcra"
	"gopher-equalizer/proxy/identity"
)

func (r *report) limits(c Config) {
	names := slices.Sorted(maps.Keys(c.Limits))
	for _, name := range names {
		key := join("limits", name)
		r.limit(key, c.Limits[name])
		r.name(key, name)
		if d := c.Limits[name].Durability; d != "" {
			r.durability(key+".durability", d, c.Store)
		}
	}
	if to := c.Store.MigrateTo; to != "" && !slices.Contains(names, to) {
		r.add("store.migrate_to", "there is no limit %s; want one of those in [limits]", show(to))
	}
	if len(names) > 1 {
		r.add("limits", "there are %d, %s; want one at most: routes, which choose between limits, are not supported yet",
			len(names), strings.Join(names, " and "))
	}
}

func (r *report) limit(key string, l Limit) {
	r.limitKey(key, l)
	const fewest, most = 1, 1_000_000_000
	r.between(key+".max_buckets", l.MaxBuckets, fewest, most)
	if r.bucketSettings(key, l.Settings()) {
		r.tiers(join(key, "tiers"), l)
	}
}

// tiers checks what the limit's numbers become with those of each tier.
func (r *report) tiers(key string, l Limit) {
	for _, name := range slices.Sorted(maps.Keys(l.Tiers)) {
		tier := join(key, name)
		r.name(tier, name)
		if l.Tiers[name] == (Tier{}) {
			r.add(tier, "it says nothing; want a capacity, a refill, or both")
			continue
		}
		r.bucketSettings(tier, l.SettingsOf(name))
	}
}

// bucketSettings reports whether a bucket can have these settings, which are of the key.
func (r *report) bucketSettings(key string, s gcra.Settings) bool {
	if s.Capacity < 1 {
		r.add(key+".capacity", "%d is out of range; want at least 1", s.Capacity)
	}
	if err := s.Refill.Validate(); err != nil {
		r.add(key+".refill", "%v: %v; want AMOUNT/DURATION, such as 1/1m", s.Refill, err)
	}
	if r.failed(key+".capacity") || r.failed(key+".refill") {
		return false
	}
	if err := s.Validate(); err != nil {
		r.add(key+".capacity", "%s", strings.TrimPrefix(err.Error(), gcra.ErrSettings.Error()+": "))
		return false
	}
	return true
}

// limitKey checks what identifies a limit's clients, and refuses keys about a header if there is
// none.
func (r *report) limitKey(limit string, l Limit) {
	key, err := identity.ParseKey(l.Key, l.Secret)
	r.parses(limit+".key", err)
	if err != nil || !key.IsAddress() {
		return
	}
	if l.Secret && r.given(limit+".secret") {
		r.add(limit+".secret", "means nothing with key = %s, as addresses are stored and logged as they are; want a header's key, or no secret", show(l.Key))
	}
	if l.TrustedHeader {
		r.add(limit+".trusted_header", "means nothing with key = %s, which reads no header of its own; want a header's key, or no trusted_header", show(l.Key))
	}
}
