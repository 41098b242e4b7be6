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
		key := Join("limits", name)
		r.limit(key, c.Limits[name])
		r.name(key, name)
		r.durability(key+".durability", c.Limits[name].Durability, c.Store)
	}
	if to := c.Store.MigrateTo; to != "" {
		known(r, "store.migrate_to", "limit", to, c.Limits)
	}
}

func (r *report) limit(key string, l Limit) {
	r.limitKey(key, l)
	for i, e := range l.Exempt {
		r.exemption(Element(key+".exempt", i), e)
	}
	if r.bucketSettings(key, key, l.Settings()) {
		r.tiers(key, l)
	}
}

// tiers checks what the limit's numbers become with those of each tier.
func (r *report) tiers(limit string, l Limit) {
	for _, name := range slices.Sorted(maps.Keys(l.Tiers)) {
		tier := Join(limit, "tiers", name)
		r.name(tier, name)
		if l.Tiers[name] == (Tier{}) {
			r.add(tier, "it says nothing; want a capacity, a refill, or both")
			continue
		}
		refill := tier
		if l.Tiers[name].Refill == (gcra.Refill{}) {
			refill = limit
		}
		r.bucketSettings(tier, refill, l.SettingsOf(name))
	}
}

// bucketSettings reports whether a bucket can have these settings of a limit or a tier. from is the
// one that the refill is from.
func (r *report) bucketSettings(key, from string, s gcra.Settings) bool {
	if err := s.Refill.Validate(); err != nil {
		r.add(key+".refill", "%v: %v; want AMOUNT/DURATION, such as 1/1m", s.Refill, err)
	}
	if r.failed(key+".capacity") || r.failed(key+".refill") {
		return false
	}
	if err := s.Validate(); err != nil {
		text := strings.TrimPrefix(err.Error(), gcra.ErrSettings.Error()+": ")
		r.add(key+".capacity", "%s", strings.ReplaceAll(text, s.Refill.String(), r.Shown(from+".refill", s.Refill.String())))
		return false
	}
	return true
}

// limitKey checks what identifies a limit's clients, and refuses what means nothing with that.
func (r *report) limitKey(limit string, l Limit) {
	key, err := identity.ParseKey(l.Key, l.Secret)
	r.parses(limit+".key", err)
	if err != nil || key.Header() != "" {
		return
	}
	named := r.Shown(limit+".key", string(show(l.Key)))
	if l.Secret && r.given(limit+".secret") {
		what := "addresses"
		if key.IsCertificate() {
			what = "certificates' names and hashes"
		}
		r.add(limit+".secret", "means nothing with key = %s, as %s are stored and logged as they are; want a header's key, or no secret", named, what)
	}
	if l.ExemptPreflights && key.IsAddress() {
		r.add(limit+".exempt_preflights", "means nothing with key = %s, as anyone can send preflights; want a header's key, or no exempt_preflights", named)
	}
	if l.TrustedHeader {
		r.add(limit+".trusted_header", "means nothing with key = %s, which reads no header of its own; want a header's key, or no trusted_header", named)
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
		r.parses(Element(key+".networks", i), err)
	}
	r.methods(key+".methods", e.Methods)
	for i, prefix := range e.PathPrefixes {
		r.prefix(Element(key+".path_prefixes", i), prefix)
	}
}
