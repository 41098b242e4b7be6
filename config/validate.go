package config

import (
	"slices"
	"time"

	"gopher-equalizer/limiter/gcra"
	"gopher-equalizer/proxy/identity"
)

// Validate returns everything that is wrong with a Config, however it was made, except what
// [Options.Check] finds. [Parse] does this too, and knows the lines.
func (c Config) Validate() []Problem {
	r := &report{}
	c.validate(r)
	return r.sorted()
}

func (c Config) validate(r *report) {
	r.server(c.Server)
	r.admin(c.Admin)
	r.listeners(c)
	r.pools(c.Pools)
	r.limits(c)
	r.routes(c)
	r.store(c.Store)
	r.log(c.Log)
}

func (r *report) server(s Server) {
	const maxHeader, mostConnections = 1 * MiB, 10_000_000
	r.listen("server.listen", s.Listen)
	for i, proxy := range s.TrustedProxies {
		_, err := identity.ParseTrusted([]string{proxy})
		r.parses(element("server.trusted_proxies", i), err)
	}
	if s.MaxHeader < KiB || s.MaxHeader > maxHeader {
		r.add("server.max_header", "%v is out of range; want 1KiB to %v, as every connection holds a buffer of this size", s.MaxHeader, maxHeader)
	}
	if s.Via != "" && (len(s.Via) > 64 || !consistsOf(s.Via, wordBytes+"-.")) {
		r.add("server.via", "%s; want 1 to 64 letters, digits, dashes, dots and underscores, or none for no Via", show(s.Via))
	}
	if s.MaxBody < 0 {
		r.add("server.max_body", "%v is below 0; want a size, or 0 for no bound", s.MaxBody)
	}
	r.duration("server.header_timeout", s.HeaderTimeout)
	r.duration("server.idle_timeout", s.IdleTimeout)
	r.duration("server.read_timeout", s.ReadTimeout)
	r.duration("server.write_timeout", s.WriteTimeout)
	if s.MinRate < 0 || s.MinRate > Rate(GiB) {
		r.add("server.min_rate", "%v is out of range; want 1/s to %v, or 0 for none", s.MinRate, Rate(GiB))
	}
	r.duration("server.rate_grace", s.RateGrace)
	r.durationOrOff("server.tunnel_timeout", s.TunnelTimeout)
	r.durationOrOff("server.drain_delay", s.DrainDelay)
	r.duration("server.shutdown_timeout", s.ShutdownTimeout)
	r.durationOrOff("server.tunnel_grace", s.TunnelGrace)
	if s.MaxConnections < 0 || s.MaxConnections > mostConnections {
		r.add("server.max_connections", "%d is out of range; want 1 to %d, or 0 for what the limit of open files allows", s.MaxConnections, mostConnections)
	}
}

func (r *report) log(l Log) {
	r.oneOf("log.level", l.Level, "debug", "info", "warn", "error")
	r.oneOf("log.format", l.Format, "json", "console")
}

// The bounds of a duration. Anything shorter is a forgotten unit, and anything longer a mistake.
const (
	shortest = time.Millisecond
	longest  = 24 * time.Hour
)

func (r *report) duration(key string, d time.Duration) {
	if d < shortest || d > longest {
		r.add(key, "%s is out of range; want %s to %s", gcra.ShortDuration(d), gcra.ShortDuration(shortest), gcra.ShortDuration(longest))
	}
}

func (r *report) durationOrOff(key string, d time.Duration) {
	if d != 0 && (d < shortest || d > longest) {
		r.add(key, "%s is out of range; want %s to %s, or 0s for none", gcra.ShortDuration(d), gcra.ShortDuration(shortest), gcra.ShortDuration(longest))
	}
}

func (r *report) between(key string, n, lowest, highest int) {
	if n < lowest || n > highest {
		r.add(key, "%d is out of range; want %d to %d", n, lowest, highest)
	}
}

// share checks a part of a whole. It also refuses NaN.
func (r *report) share(key string, part float64) {
	if !(part > 0 && part <= 1) {
		r.add(key, "%v is out of range; want more than 0, and at most 1", part)
	}
}

func (r *report) oneOf(key, text string, names ...string) {
	if !slices.Contains(names, text) {
		r.add(key, "unexpected %s; want %s", show(text), either(names))
	}
}

// parses adds the error of another package's parser.
func (r *report) parses(key string, err error) {
	if err != nil {
		r.add(key, "%v", err)
	}
}

// name checks the name of a pool or a limit, which goes into logs, URLs and stores. It comes after
// the checks of the pool or limit itself, since a problem hides those below its key.
func (r *report) name(key, name string) {
	if len(name) < 1 || len(name) > 64 || !consistsOf(name, wordBytes+"-") {
		r.add(key, "bad name %s; want 1 to 64 letters, digits, dashes and underscores", show(name))
	}
}
