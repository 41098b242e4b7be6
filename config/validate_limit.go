package config

import (
	"maps"
	"slices"
	"strings"

	"gopher-equalizer/limiter/gcra"
	"gopher-equalizer/proxy/identity"
	"gopher-equalizer/proxy/route"
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
	if to := c.Store.MigrateTo; to != "" {
		r.known("store.migrate_to", "limit", to, names)
	}
}

func (r *report) limit(key string, l Limit) {
	r.limitKey(key, l)
	for i, e := range l.Exempt {
		r.exemption(element(key+".exempt", i), e)
	}
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
	if l.ExemptPreflights {
		r.add(limit+".exempt_preflights", "means nothing with key = %s, as anyone can send preflights; want a header's key, or no exempt_preflights", show(l.Key))
	}
	if l.TrustedHeader {
		r.add(limit+".trusted_header", "means nothing with key = %s, which reads no header of its own; want a header's key, or no trusted_header", show(l.Key))
	}
}

// exemption checks which requests a limit doesn't count.
func (r *report) exemption(key string, e Exemption) {
	if len(e.Networks)+len(e.Methods)+len(e.PathPrefixes) == 0 {
		_, err := route.ParseExemption(nil, nil, nil)
		r.parses(key, err)
	}
	for i, network := range e.Networks {
		_, err := identity.ParseNetworks("unexpected network", []string{network})
		r.parses(element(key+".networks", i), err)
	}
	r.methods(key+".methods", e.Methods)
	for i, prefix := range e.PathPrefixes {
		r.prefix(element(key+".path_prefixes", i), prefix)
	}
}
