package config

import (
	"errors"
	"maps"
	"regexp"
	"slices"
	"strings"

	"gopher-equalizer/balancer"
	"gopher-equalizer/limiter/gcra"
	"gopher-equalizer/proxy/rewrite"
)

func (r *report) health(key string, h Health) {
	r.onlyHTTP(key, h)
	if !isRequestTarget(h.Path) {
		r.add(key+".path", "%s; want a path that starts with a slash and has only visible ASCII characters and no #", show(h.Path))
	}
	r.hostHeader(key+".host", h.Host)
	r.statuses(key+".statuses", h.Statuses)
	r.probeFields(key+".headers", h.Headers)
	r.probedBody(key, h)
	if name := h.AdviceHeader; name != "" && !isFieldName(name) {
		r.add(key+".advice_header", "%s; want the name of a header, such as X-Equalizer-Weight", show(name))
	}
	r.oneProbeAtATime(key, h)
}

// onlyHTTP refuses keys that mean nothing for a probe that only connects.
func (r *report) onlyHTTP(key string, h Health) {
	if h.Type != balancer.HealthTCP {
		return
	}
	for _, name := range []string{"method", "path", "host", "headers", "statuses", "match_body", "advice_header"} {
		if r.given(Join(key, name)) {
			r.add(Join(key, name), `means nothing with type = "tcp", which only connects; want type = "http", or no %s`, name)
		}
	}
}

// probeFields checks the fields that an HTTP probe sends, each at its own line.
func (r *report) probeFields(key string, fields map[string]Secret) {
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		at := Join(key, name)
		if strings.EqualFold(name, "host") {
			r.add(at, "the probe's Host is a key of its own; want host = \"NAME\"")
			continue
		}
		_, err := rewrite.ParseRequestFields(rewrite.FieldChanges{Set: map[string]string{name: string(fields[name])}})
		if field := (*rewrite.FieldError)(nil); errors.As(err, &field) {
			err = field.Err
		}
		r.parses(at, err)
	}
}

// probedPort refuses a port where there are none. The problem is at the port, or at the backend if
// that is in a file.
func (r *report) probedPort(pool string, p Pool) {
	for i, b := range p.Backends {
		at, err := parseBackend(b.URL)
		switch {
		case err != nil || at.socket == "" || p.Health.Port == 0:
		case r.isInFile(pool+".backends", i):
			r.add(Element(pool+".backends", i)+".url", "%s is a unix socket, which has no port for health.port; want such backends in a pool of their own", show(b.URL))
		default:
			r.add(pool+".health.port", "%d: %s is a unix socket, which has no ports; want such backends in a pool of their own", p.Health.Port, show(b.URL))
			return
		}
	}
}

// probedBody checks what is to be found in a response's body.
func (r *report) probedBody(key string, h Health) {
	if _, err := regexp.Compile(h.MatchBody); err != nil {
		r.add(key+".match_body", "%v; want a regular expression of RE2, such as %s", err, show("^ok"))
	}
	if h.MatchBody != "" && h.Method == "HEAD" && !r.failed(key+".method") {
		r.add(key+".match_body", "a response to HEAD has no body; want method = \"GET\", or no match_body")
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
	r.add(timeout, "the timeout, %s, is longer than the interval, %s; want at most that",
		r.Shown(key+".timeout", gcra.ShortDuration(h.Timeout)), r.Shown(interval, gcra.ShortDuration(h.Interval)))
}

func isRequestTarget(path string) bool {
	return strings.HasPrefix(path, "/") && !strings.ContainsFunc(path, func(c rune) bool { return c <= ' ' || c > '~' || c == '#' })
}
