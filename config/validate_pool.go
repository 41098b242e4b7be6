package config

import (
	"maps"
	"slices"
	"strings"

	"gopher-equalizer/balancer"
	"gopher-equalizer/limiter/gcra"
)

func (r *report) pools(pools map[string]Pool) {
	for _, name := range slices.Sorted(maps.Keys(pools)) {
		key := join("pools", name)
		r.pool(key, pools[name])
		r.name(key, name)
	}
	if len(pools) == 0 {
		r.add("pools", `there is none; want [pools.default] with backends = ["http://HOST:PORT"]`)
	}
}

func (r *report) pool(key string, p Pool) {
	_, err := balancer.ParseStrategy(string(p.Strategy))
	r.parses(key+".strategy", err)
	r.backends(key, p.Backends)
	r.hostHeader(key+".host", p.Host)
	r.duration(key+".connect_timeout", p.ConnectTimeout)
	r.duration(key+".response_timeout", p.ResponseTimeout)
	r.duration(key+".idle_timeout", p.IdleTimeout)
	r.durationOrOff(key+".total_timeout", p.TotalTimeout)
	r.between(key+".max_connections", p.MaxConnections, 1, 1_000_000)
	r.responseHeader(key+".max_response_header", p.MaxResponseHeader)
	r.share(key+".client_share", p.ClientShare)
	r.duration(key+".keep_alive", p.KeepAlive)
	r.durationOrOff(key+".max_connection_age", p.MaxConnectionAge)
	r.tls(key+".tls", p.TLS, p.Backends)
	r.health(key+".health", p.Health)
}

func (r *report) responseHeader(key string, size Size) {
	if size < KiB || size > MiB {
		r.add(key, "%v is out of range; want 1KiB to 1MiB, as a response may take memory of this size", size)
	}
}

// backends checks a pool's backends, each by itself and against those before it.
func (r *report) backends(pool string, backends []Backend) {
	if len(backends) == 0 {
		r.add(pool+".backends", `there is none; want backends = ["http://HOST:PORT"]`)
	}
	first := map[string]string{}
	for i, b := range backends {
		key := element(pool+".backends", i)
		r.backend(key, b)
		addr := b.Addr()
		if twin, taken := first[addr]; taken && addr != "" {
			r.add(key+".url", "%s is the address of %s too; want each once, with a weight for a larger share", show(b.URL), twin)
		} else {
			first[addr] = key
		}
	}
}

func (r *report) backend(key string, b Backend) {
	if b.URL == "" {
		r.add(key+".url", "there is none; want "+wantBackend)
	} else if _, err := parseBackend(b.URL); err != nil {
		r.add(key+".url", "%s: %v; want "+wantBackend, show(b.URL), err)
	}
	r.between(key+".weight", b.Weight, 1, 100)
	_, err := balancer.ParseState(string(b.State))
	r.parses(key+".state", err)
}

func (r *report) health(key string, h Health) {
	_, err := balancer.ParseHealthType(string(h.Type))
	r.parses(key+".type", err)
	r.onlyHTTP(key, h)
	if !isRequestTarget(h.Path) {
		r.add(key+".path", "%s; want a path that starts with a slash and has only visible ASCII characters and no #", show(h.Path))
	}
	r.hostHeader(key+".host", h.Host)
	for i, s := range h.Statuses {
		_, err := balancer.ParseStatusRange(s.String())
		r.parses(element(key+".statuses", i), err)
	}
	r.duration(key+".interval", h.Interval)
	r.duration(key+".timeout", h.Timeout)
	r.oneProbeAtATime(key, h)
	r.between(key+".rise", h.Rise, 1, 100)
	r.between(key+".fall", h.Fall, 1, 100)
}

// onlyHTTP refuses keys that mean nothing for a probe that only connects.
func (r *report) onlyHTTP(key string, h Health) {
	if h.Type != balancer.HealthTCP {
		return
	}
	for _, name := range []string{"path", "host", "statuses"} {
		if r.given(join(key, name)) {
			r.add(join(key, name), `means nothing with type = "tcp", which only connects; want type = "http", or no %s`, name)
		}
	}
}

// oneProbeAtATime refuses a timeout past the interval, since probes would pile up on a slow
// backend. The problem is at the key that the operator set.
func (r *report) oneProbeAtATime(key string, h Health) {
	interval, timeout := key+".interval", key+".timeout"
	if h.Timeout <= h.Interval || r.failed(interval) || r.failed(timeout) {
		return
	}
	if r.given(interval) && !r.given(timeout) {
		timeout = interval
	}
	r.add(timeout, "the timeout, %s, is longer than the interval, %s; want at most that", gcra.ShortDuration(h.Timeout), gcra.ShortDuration(h.Interval))
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

func isRequestTarget(path string) bool {
	return strings.HasPrefix(path, "/") && !strings.ContainsFunc(path, func(c rune) bool { return c <= ' ' || c > '~' || c == '#' })
}
