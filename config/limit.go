package config

import (
	"time"

	"gopher-equalizer/limiter/gcra"
)

// Who shares a limit's buckets, if the store is shared.
const (
	ScopeGlobal  = "global"  // all replicas
	ScopeReplica = "replica" // nobody: each replica has its own
)

// How replicas get the tokens of a limit.
const (
	LeasingAhead   = "ahead"   // each holds some that were earned
	LeasingTrickle = "trickle" // each may also hold what is earned in the next lease_interval
	LeasingEach    = "each"    // each request asks the store
)

// What a replica does once it may not spend what it holds, as the store is away.
const (
	OnLossLocal  = "local"  // it counts by itself, at its share of the refill
	OnLossRefuse = "refuse" // it refuses
	OnLossAllow  = "allow"  // it doesn't limit
)

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
	// Scope is ScopeGlobal or ScopeReplica: who shares the buckets, if the store is shared.
	Scope string `toml:"scope" default:"global" enum:"global,replica"`
	// Leasing is how replicas get tokens. LeasingAhead never admits more than one bucket would.
	// LeasingTrickle uses more of the budget, and admits up to refill * lease_interval more.
	// LeasingEach is for budgets that are too small to be split, and costs each request a round
	// trip.
	Leasing string `toml:"leasing" default:"ahead" enum:"ahead,trickle,each"`
	// LeaseWait is how long a request may wait for the store: one of a client that is new to the
	// replica, or each one with LeasingEach.
	LeaseWait time.Duration `toml:"lease_wait" default:"250ms" min:"1ms" max:"5s"`
	// OnStoreLoss is what becomes of requests that find nothing in what a replica holds, or of all
	// once that has expired, while the store doesn't reply. OnLossLocal admits the refill, divided
	// by the replicas that there were last.
	OnStoreLoss string `toml:"on_store_loss" default:"local" enum:"local,refuse,allow"`
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
