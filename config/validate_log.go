package config

import (
	"maps"
	"slices"
	"strings"

	"gopher-equalizer/proxy/identity"
)

// log checks where lines go, and that no header is logged whose value is a secret.
func (r *report) log(c Config) {
	switch {
	case c.Log.Output == "":
		r.add("log.output", "%s; want stderr, syslog or the path of a file", show(c.Log.Output))
	case c.Log.Output == LogSyslog && c.Log.Format == LogConsole:
		r.add("log.format", "console is for people's eyes; want json or combined where log.output is syslog")
	}
	for i, name := range c.Log.Headers {
		key := Element("log.headers", i)
		if !isFieldName(name) {
			r.add(key, "%s; want the name of a header", show(name))
		} else if why := secretHeader(c, name); why != "" {
			r.add(key, "%s %s, which no log may have", show(name), why)
		}
	}
	for i, name := range c.Log.Mask {
		if name == "" {
			r.add(Element("log.mask", i), "it is empty; want the name of a query parameter")
		}
	}
}

// isFieldName reports whether a header can have that name (RFC 9110, 5.1).
func isFieldName(name string) bool { return name != "" && consistsOf(name, wordBytes+"-!#$%&'*+.^`|~") }

// secretHeader is why the values of a header are secrets; "" if they aren't.
func secretHeader(c Config, name string) string {
	known := []string{"authorization", "cookie", "proxy-authorization"}
	if slices.Contains(known, strings.ToLower(name)) {
		return "carries credentials"
	}
	for _, limit := range slices.Sorted(maps.Keys(c.Limits)) {
		key, err := identity.ParseKey(c.Limits[limit].Key, c.Limits[limit].Secret)
		if err == nil && c.Limits[limit].Secret && strings.EqualFold(key.Header(), name) {
			return "is the secret key of limits." + limit
		}
	}
	return ""
}
