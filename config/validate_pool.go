package config

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"gopher-equalizer/balancer"
	"gopher-equalizer/limiter/gcra"
	"gopher-equalizer/proxy/identity"
)

func (r *report) pools(pools map[string]Pool) {
	for _, name := range slices.Sorted(maps.Keys(pools)) {
		key := Join("pools", name)
		r.pool(key, pools[name])
		r.name(key, name)
	}
	if len(pools) == 0 {
		r.add("pools", `there is none; want [pools.default] with backends = ["http://HOST:PORT"]`)
	}
}

func (r *report) pool(key string, p Pool) {
	r.strategy(key, p)
	r.backends(key, p)
	r.resolver(key+".resolver", p)
	r.capacity(key, p)
	r.hostHeader(key+".host", p.Host)
	r.tls(key+".tls", p)
	r.health(key+".health", p.Health)
	r.probedPort(key, p)
	r.ejection(key+".ejection", p.Ejection)
	r.retry(key+".retry", p.Retry)
	r.perTry(key, p)
}

// resolver checks the DNS server.
func (r *report) resolver(key string, p Pool) {
	if p.Resolver == "" {
		return
	}
	a, err := parseAddress(p.Resolver, "")
	if err == nil && (a.host == "" || a.port == 0) {
		err = errors.New("no host, or no port")
	}
	switch {
	case err != nil:
		r.add(key, "%s: %v; want HOST:PORT, such as 127.0.0.1:53", show(p.Resolver), err)
	case p.ResolveInterval == 0:
		r.add(key, "means nothing without resolve_interval; want that, or no resolver")
	}
}

// strategy checks the keys that are for one strategy only.
func (r *report) strategy(key string, p Pool) {
	for name, of := range map[string]balancer.Strategy{"hash_by": balancer.Hash, "sticky_cookie": balancer.Sticky} {
		if p.Strategy != of && r.given(Join(key, name)) && !r.failed(Join(key, "strategy")) {
			r.add(Join(key, name), "means nothing with strategy = %s; want strategy = %s, or no %s", show(string(p.Strategy)), show(string(of)), name)
		}
	}
	r.clientKey(Join(key, "hash_by"), p.HashBy)
	if name := p.StickyCookie; name != "" && !identity.IsCookieName(name) {
		r.add(Join(key, "sticky_cookie"), "%s is no cookie name; want one such as %s", show(name), show("equalizer-app"))
	}
}

// capacity refuses bounds that mean nothing beside others.
func (r *report) capacity(key string, p Pool) {
	if queue := Join(key, "queue_timeout"); p.Queue == 0 && r.given(queue) && !r.failed(Join(key, "queue")) {
		r.add(queue, "means nothing with queue = 0; want a queue, or no queue_timeout")
	}
	for i, b := range p.Backends {
		own, all := Join(Element(key+".backends", i), "max_in_flight"), Join(key, "max_connections")
		if b.MaxInFlight > p.MaxConnections && !r.failed(own) && !r.failed(all) {
			r.add(own, "%d is more than the pool's max_connections, %d; want at most that", b.MaxInFlight, p.MaxConnections)
		}
	}
}

// clientKey checks what identifies a client.
func (r *report) clientKey(key, text string) {
	_, err := identity.ParseKey(text, false)
	r.parses(key, err)
}

func (r *report) ejection(key string, e Ejection) {
	r.statuses(Join(key, "statuses"), e.Statuses)
	r.atLeast(Join(key, "max_time"), e.MaxTime, Join(key, "time"), e.Time)
}

func (r *report) retry(key string, retry Retry) {
	r.statuses(Join(key, "statuses"), retry.Statuses)
	r.atLeast(Join(key, "max_backoff"), retry.MaxBackoff, Join(key, "backoff"), retry.Backoff)
}

// perTry refuses a time for one attempt that is longer than what all of them have.
func (r *report) perTry(pool string, p Pool) {
	key, all := pool+".retry.per_try_timeout", pool+".response_timeout"
	if p.Retry.PerTryTimeout > p.ResponseTimeout && !r.failed(key) && !r.failed(all) {
		r.add(key, "%s is longer than the response_timeout, %s; want at most that",
			r.Shown(key, gcra.ShortDuration(p.Retry.PerTryTimeout)), r.Shown(all, gcra.ShortDuration(p.ResponseTimeout)))
	}
}

// statuses checks each range by itself, for its line.
func (r *report) statuses(key string, all []balancer.StatusRange) {
	for i, s := range all {
		_, err := balancer.ParseStatusRange(s.String())
		r.parses(Element(key, i), err)
	}
}

// atLeast refuses a duration that is shorter than another one. The problem is at the key that the
// operator set.
func (r *report) atLeast(key string, d time.Duration, other string, least time.Duration) {
	if d >= least || r.failed(key) || r.failed(other) {
		return
	}
	at := key
	if r.given(other) && !r.given(key) {
		at = other
	}
	r.add(at, "%s, %s, is shorter than %s, %s; want at least that", lastOf(key), r.Shown(key, gcra.ShortDuration(d)),
		lastOf(other), r.Shown(other, gcra.ShortDuration(least)))
}

// lastOf is the name of a key in its table.
func lastOf(key string) string { return key[strings.LastIndexByte(key, '.')+1:] }

// backends checks a pool's backends, each by itself and against those before it.
func (r *report) backends(pool string, p Pool) {
	backends := p.Backends
	if len(backends) == 0 && !r.anyFailed(pool, "backends_file") {
		r.add(pool+".backends", `there is none; want backends = ["http://HOST:PORT"]`)
	}
	first := map[string]string{}
	for i, b := range backends {
		key := Element(pool+".backends", i)
		r.backend(key, b)
		addr := b.Addr()
		if twin, taken := first[addr]; taken && addr != "" {
			r.add(key+".url", "%s is the address of %s too; want each once, with a weight for a larger share", show(b.URL), twin)
		} else {
			first[addr] = key
		}
	}
	if len(backends) > 0 && !slices.ContainsFunc(backends, func(b Backend) bool { return !b.Backup }) {
		r.add(pool+".backends", "all of them are backups; want one that isn't, or none that is")
	}
}

func (r *report) backend(key string, b Backend) {
	if b.URL == "" {
		r.add(key+".url", "there is none; want "+wantBackend)
	} else if _, err := parseBackend(b.URL); err != nil {
		r.add(key+".url", "%s: %v; want "+wantBackend, show(b.URL), err)
	}
}

// hostHeader checks a Host. "" stands for a default.
func (r *report) hostHeader(key, text string) {
	if text == "" {
		return
	}
	a, err := parseAddress(text, "80")
	if err == nil && a.host == "" {
		err = errNoHost
	}
	if err != nil {
		r.add(key, "%s: %v; want HOST or HOST:PORT", show(text), err)
	}
}
