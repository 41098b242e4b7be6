package config

import (
	"net/netip"
	"slices"
)

// tls checks a pool's TLS settings, which only backends by https use. One may come to a file.
func (r *report) tls(key string, p Pool) {
	t := p.TLS
	given := r.given(key) || t != DefaultPool().TLS
	if given && len(p.Backends) > 0 && p.BackendsFile == "" && !slices.ContainsFunc(p.Backends, mayBeSecure) {
		r.add(key, "means nothing without a backend by https; want one, or no %s", key)
		return
	}
	if name := t.ServerName; name != "" && !isHostName(name) {
		if _, err := netip.ParseAddr(name); err != nil {
			r.add(key+".server_name", "%s is neither a host's name nor an IP address; want a name that the backends' certificates are for", show(name))
		}
	}
	switch {
	case t.Cert != "" && t.Key == "":
		r.add(key+".cert", "%s is of no use without its key; want %s.key too", show(t.Cert), key)
	case t.Key != "" && t.Cert == "":
		r.add(key+".key", "%s is of no use without its certificate; want %s.cert too", show(t.Key), key)
	}
	if t.CA != "" && !t.Verify {
		r.add(key+".ca", "means nothing with verify = false, which takes every certificate; want verify = true, or no ca")
	}
}

// mayBeSecure reports whether a backend has TLS, or a URL that can't be read.
func mayBeSecure(b Backend) bool {
	p, err := parseBackend(b.URL)
	return err != nil || p.secure
}
