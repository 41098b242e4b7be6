package config

import "gopher-equalizer/limiter/gcra"

// Limit is a named rule that gives every client a token bucket.
type Limit struct {
	// Key is what identifies a client: "ip", "ip/48", "ip/64,24", "header:NAME", "tls:spki" or
	// "tls:san", as identity.ParseKey reads it.
	Key string `toml:"key" default:"ip"`
	// TrustedHeader states that something in front checks the key's header, so a client can't
	// choose another value with every request. It only silences the warning about that.
	TrustedHeader bool `toml:"trusted_header"`
	// Secret keeps a header's value out of store, API and logs, which get its SHA-256. It doesn't
	// matter for other keys.
	Secret bool `toml:"secret" default:"true"`
	// Capacity is the most tokens that a bucket holds: the burst that a client may send at once.
	Capacity int64 `toml:"capacity" default:"100" min:"1"`
	// Refill is how fast a bucket earns tokens: the rate that a client may keep up.
	Refill gcra.Refill `toml:"refill" default:"10/s"`
	// MaxBuckets bounds the buckets in memory, and so the memory. Past it new clients share a fixed
	// number of others.
	MaxBuckets int `toml:"max_buckets" default:"10000000" min:"1" max:"1000000000"`
	// Exempt are the requests that the limit doesn't count. One entry that matches is enough.
	Exempt []Exemption `toml:"exempt"`
	// ExemptPreflights leaves browsers' CORS preflights uncounted. Limits by address never do.
	ExemptPreflights bool `toml:"exempt_preflights"`
	// Durability is as in Store, for this limit; "" is the store's.
	Durability string `toml:"durability" else:"the store's" enum:"interval,strict"`
	// Tiers are numbers that operators can give to clients, by name.
	Tiers map[string]Tier `toml:"tiers"`
}

// Exemption is which requests a limit doesn't count. Within one, what is given must all match, and
// something must be given.
type Exemption struct {
	// Networks has the client's address: addresses and CIDRs.
	Networks []string `toml:"networks"`
	// Methods has the request's method. GET includes HEAD.
	Methods []string `toml:"methods"`
	// PathPrefixes has a prefix of the path, by whole segments.
	PathPrefixes []string `toml:"path_prefixes"`
}

// Tier is a named set of a limit's numbers, which clients can be given over the admin API.
type Tier struct {
	// Capacity is as in Limit; 0 is the limit's.
	Capacity int64 `toml:"capacity" else:"the limit's" min:"1"`
	// Refill is as in Limit; the zero one is the limit's.
	Refill gcra.Refill `toml:"refill" else:"the limit's"`
}

// Settings are those of clients that nobody gave others.
func (l Limit) Settings() gcra.Settings {
	return gcra.Settings{Capacity: l.Capacity, Refill: l.Refill}
}

// SettingsOf are those of a tier.
func (l Limit) SettingsOf(tier string) gcra.Settings {
	s := l.Settings()
	if t := l.Tiers[tier]; t.Capacity != 0 {
		s.Capacity = t.Capacity
	}
	if t := l.Tiers[tier]; t.Refill != (gcra.Refill{}) {
		s.Refill = t.Refill
	}
	return s
}

// DurabilityOf is a limit's.
func (c *Config) DurabilityOf(limit string) string {
	if d := c.Limits[limit].Durability; d != "" {
		return d
	}
	return c.Store.Durability
}
