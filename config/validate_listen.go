package config

import (
	"maps"
	"slices"
)

// listen checks the address of a listener.
func (r *report) listen(key, text string) {
	if _, err := parseAddress(text, ""); err != nil {
		r.add(key, "%s: %v; want HOST:PORT or :PORT, such as \"127.0.0.1:8080\" or \":8000\"", show(text), err)
	}
}

// listeners checks the listeners against each other, and the backends against all of them. A proxy
// that is its own backend would send a request round in circles.
func (r *report) listeners(c Config) {
	admin, adminErr := parseAddress(c.Admin.Listen, "")
	type taken struct {
		address
		key, text string
	}
	var before []taken
	for i, l := range c.ListenersInForce() {
		at, err := parseAddress(l.Listen, "")
		if err != nil {
			continue
		}
		key := c.ListenKey(i)
		shown := r.Shown(key, string(show(l.Listen)))
		if adminErr == nil && at.clashes(admin) {
			r.add("admin.listen", "%s is taken by %s, %s; want another port", show(c.Admin.Listen), key, shown)
		}
		for _, other := range before {
			if at.clashes(other.address) {
				r.add(key, "%s is taken by %s, %s; want another port", show(l.Listen), other.key, other.text)
			}
		}
		before = append(before, taken{at, key, shown})
		r.circles(key, c.Pools, func(b place) bool { return at.reaches(b.address) })
	}
	_, socket := Network(c.Admin.Listen)
	r.circles("admin.listen", c.Pools, func(b place) bool {
		return b.socket != "" && b.socket == socket || b.socket == "" && adminErr == nil && admin.reaches(b.address)
	})
}

// circles refuses backends that are one of our own listeners.
func (r *report) circles(listener string, pools map[string]Pool, is func(place) bool) {
	for _, name := range slices.Sorted(maps.Keys(pools)) {
		for i, b := range pools[name].Backends {
			if backend, err := parseBackend(b.URL); err == nil && is(backend) {
				r.add(Element(Join("pools", name)+".backends", i)+".url", "%s is this proxy's own %s; want another address", show(b.URL), listener)
			}
		}
	}
}
