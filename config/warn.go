package config

import (
	"maps"
	"net/netip"
	"slices"
	"strings"

	"gopher-equalizer/balancer"
	"gopher-equalizer/limiter/gcra"
	"gopher-equalizer/proxy/identity"
)

// Warnings returns what is valid in a Config but probably not meant. [Parse] does this too, and
// knows the lines.
func (c Config) Warnings() []Problem {
	r := &report{}
	c.warn(r)
	return r.sorted()
}

func (c Config) warn(r *report) {
	r.warnTrust(c.Server.TrustedProxies)
	r.warnAdmin(c.Admin)
	for _, name := range slices.Sorted(maps.Keys(c.Pools)) {
		r.warnNoneReady(Join("pools", name), c.Pools[name].Backends)
		r.warnUnverified(Join("pools", name), c.Pools[name])
	}
	for _, name := range slices.Sorted(maps.Keys(c.Limits)) {
		r.warnKey(Join("limits", name), c.Limits[name])
	}
	r.warnShared(c)
	r.warnUncertified(c)
	r.warnRoutes(c)
	issuesIntoStore := len(c.TLS.ACME.Domains) > 0 && c.TLS.ACME.Folder == ""
	if len(c.Limits) == 0 && !c.TLS.KeepSessions && !issuesIntoStore {
		r.warnUnused()
	}
	r.warnClear(c.Store)
	r.warnSuccessor(c)
	r.warnHanging(c.Store)
}

func (r *report) warnTrust(proxies []string) {
	for i, text := range proxies {
		if prefix, err := netip.ParsePrefix(text); err == nil && prefix.Bits() == 0 {
			r.add(Element("server.trusted_proxies", i), "%s trusts everyone: every client can claim to be any other", text)
		}
	}
}

func (r *report) warnAdmin(a Admin) {
	if listen, err := parseAddress(a.Listen, ""); err == nil && !listen.ip.IsLoopback() && a.Cert == "" {
		r.add("admin.insecure", "true: the token crosses the network to %s in the clear, unless something else encrypts the way", show(a.Listen))
	}
}

func (r *report) warnNoneReady(pool string, backends []Backend) {
	ready := func(b Backend) bool { return b.State == balancer.Ready }
	if !slices.ContainsFunc(backends, ready) {
		r.add(pool+".backends", "none is in the state ready: every request will get a 503")
	}
}

func (r *report) warnUnverified(pool string, p Pool) {
	if !p.TLS.Verify && slices.ContainsFunc(p.Backends, mayBeSecure) {
		r.add(pool+".tls.verify", "false accepts every certificate: an attacker between here and the backends can read and change everything")
	}
}

// warnKey warns of keys that one client can have any number of.
func (r *report) warnKey(limit string, l Limit) {
	key, err := identity.ParseKey(l.Key, l.Secret)
	const subscriber = 64
	switch {
	case err != nil:
	case key.Header() != "" && !l.TrustedHeader:
		r.add(limit+".key", "%s: if nothing in front validates the header, a client escapes the limit by changing it, and fills max_buckets; "+
			"set trusted_header = true if something does", show(l.Key))
	case key.IsAddress() && key.IPv6Bits() > subscriber:
		r.add(limit+".key", "%s: one subscriber has a /%d of IPv6 addresses, so a client escapes the limit by changing its address, and fills max_buckets",
			show(l.Key), subscriber)
	}
}

// warnShared warns of limits by address if all clients may have that of something in front.
func (r *report) warnShared(c Config) {
	if len(c.Server.TrustedProxies) > 0 {
		return
	}
	for i, l := range c.ListenersInForce() {
		at, err := parseAddress(l.Listen, "")
		if err != nil || !at.ip.IsPrivate() && !at.ip.IsLoopback() || len(l.ProxyProtocol) > 0 {
			continue
		}
		for _, name := range slices.Sorted(maps.Keys(c.Limits)) {
			key, err := identity.ParseKey(c.Limits[name].Key, true)
			if err == nil && key.IsAddress() {
				r.add(c.ListenKey(i), "%s is a private address, and trusted_proxies is empty: if a proxy is in front, all clients have its address, and share one bucket of limit %s",
					show(l.Listen), name)
			}
		}
	}
}

// warnUncertified warns of limits by certificates that no client is asked for.
func (r *report) warnUncertified(c Config) {
	if c.asksForCertificates() {
		return
	}
	for _, name := range slices.Sorted(maps.Keys(c.Limits)) {
		if key, err := identity.ParseKey(c.Limits[name].Key, true); err == nil && key.IsCertificate() {
			r.add(Join("limits", name)+".key", "%s: no listener and no host asks clients for certificates, so all are counted by their addresses; want client_auth = \"request\" or \"require\"",
				show(c.Limits[name].Key))
		}
	}
}

// warnUnused warns of a store that would hold nothing.
func (r *report) warnUnused() {
	const text = "nothing is limited, so nothing is stored: there is no [limits.default], --key, --capacity or --refill"
	switch {
	case r.set["store.driver"] != "":
		r.add("store.driver", text)
	case r.given("store"):
		r.add("store", text)
	}
}

// warnClear warns of passwords and buckets that cross a network in the clear.
func (r *report) warnClear(s Store) {
	inClear := s.Postgres.SSLMode == "disable" || s.Postgres.SSLMode == "allow" || s.Postgres.SSLMode == "prefer"
	if s.Driver == StorePostgres && inClear && !isLocal(s.Postgres.Host) {
		r.add("store.postgres.sslmode", "%s: the password and the buckets may cross the network to %s in the clear; verify-full is safe",
			s.Postgres.SSLMode, r.Shown("store.postgres.host", s.Postgres.Host))
	}
}

// warnSuccessor warns of a start that may give up while the process before it is still stopping,
// and so holds the store.
func (r *report) warnSuccessor(c Config) {
	held := c.Server.DrainDelay + c.Server.ShutdownTimeout + c.Store.Timeout
	if len(c.Limits) > 0 && c.Store.Driver != StoreMemory && !c.Store.Standby && !c.Store.Shared && c.Store.ConnectTimeout <= held {
		r.add("store.connect_timeout", "%s may not outlast a predecessor's stop, which holds the store for up to drain_delay + shutdown_timeout + store.timeout, %s",
			gcra.ShortDuration(c.Store.ConnectTimeout), r.shownSum(held, "server.drain_delay", "server.shutdown_timeout", "store.timeout"))
	}
}

// warnHanging warns of leases that may end while one call to the store hangs.
func (r *report) warnHanging(s Store) {
	if longest := s.Timeout + s.LeaseInterval; s.Shared && s.LeaseTTL <= longest {
		r.add("store.lease_ttl", "%s may be over when one call to the store hangs, which takes up to timeout + lease_interval, %s: this replica would be cut off by that alone",
			gcra.ShortDuration(s.LeaseTTL), r.shownSum(longest, "store.timeout", "store.lease_interval"))
	}
}

// warnFormer warns of keys that have a former name in the document.
func (r *report) warnFormer() {
	for key, now := range r.former {
		r.add(key, "the former name of %s; want %s", now, now)
	}
}

// isLocal reports whether a PostgreSQL host is certainly this machine: a socket or loopback.
func isLocal(host string) bool {
	ip, err := netip.ParseAddr(host)
	return strings.HasPrefix(host, "/") || strings.EqualFold(host, "localhost") || err == nil && ip.IsLoopback()
}
