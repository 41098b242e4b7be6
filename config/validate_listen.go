package config

import (
	"maps"
	"slices"
	"strings"
)

// listen checks the address of a listener.
func (r *report) listen(key, text string) {
	if _, err := parseAddress(text, ""); err != nil {
		r.add(key, "%s: %v; want HOST:PORT or :PORT, such as \"127.0.0.1:8080\" or \":8000\"", show(text), err)
	}
}

func (r *report) admin(a Admin) {
	r.listen("admin.listen", a.Listen)
	r.token("admin.token", string(a.Token))
	listen, err := parseAddress(a.Listen, "")
	if err == nil && a.Token == "" && !r.failed("admin.token") && !listen.ip.IsLoopback() {
		r.add("admin.listen", "%s is not a loopback address, and there is no token; want a token in %s or admin.token, or 127.0.0.1:%d",
			show(a.Listen), EnvAdminToken, listen.port)
	}
}

// token checks a bearer token without ever showing it. It allows only bytes that headers, shells
// and URL libraries pass on unchanged.
func (r *report) token(key, token string) {
	const shortest, longest = 16, 256
	switch {
	case token == "":
	case strings.ContainsFunc(token, func(c rune) bool { return c <= ' ' || c > '~' }):
		r.add(key, "has a space, a control or a non-ASCII character; want %d to %d visible ASCII characters", shortest, longest)
	case len(token) < shortest || len(token) > longest:
		r.add(key, "has %d characters; want %d to %d, such as what `openssl rand -hex 32` prints", len(token), shortest, longest)
	}
}

// listeners checks the two listeners against each other, and the backends against both. A proxy
// that is its own backend would send a request round in circles.
func (r *report) listeners(c Config) {
	server, serverErr := parseAddress(c.Server.Listen, "")
	admin, adminErr := parseAddress(c.Admin.Listen, "")
	if serverErr == nil && adminErr == nil && server.clashes(admin) {
		r.add("admin.listen", "%s is taken by server.listen, %s; want another port", show(c.Admin.Listen), show(c.Server.Listen))
	}
	if serverErr == nil {
		r.circles("server.listen", server, c.Pools)
	}
	if adminErr == nil {
		r.circles("admin.listen", admin, c.Pools)
	}
}

// circles refuses backends that are one of our own listeners.
func (r *report) circles(listener string, own address, pools map[string]Pool) {
	for _, name := range slices.Sorted(maps.Keys(pools)) {
		for i, b := range pools[name].Backends {
			if backend, err := parseBackend(b.URL); err == nil && own.reaches(backend.address) {
				r.add(element(join("pools", name)+".backends", i)+".url", "%s is this proxy's own %s; want another address", show(b.URL), listener)
			}
		}
	}
}
