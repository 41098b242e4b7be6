package config

import (
	"reflect"

	"gopher-equalizer/proxy/identity"
)

// Validate returns everything that is wrong with a Config, however it was made, except what
// [Options.Check] finds. [Parse] does this too, and knows the lines.
func (c Config) Validate() []Problem {
	r := &report{}
	c.validate(r)
	return r.sorted()
}

// validate checks each value by itself first, since the checks of several leave out what is wrong
// already.
func (c Config) validate(r *report) {
	r.constraints("", reflect.ValueOf(c))
	r.server(c.Server)
	r.admin(c.Admin)
	r.edge(c)
	r.listeners(c)
	r.pools(c.Pools)
	r.limits(c)
	r.routes(c)
	r.store(c.Store)
	r.standby(c)
	r.shared(c)
	r.log(c)
}

func (r *report) server(s Server) {
	r.listen("server.listen", s.Listen)
	for i, proxy := range s.TrustedProxies {
		_, err := identity.ParseTrusted([]string{proxy})
		r.parses(Element("server.trusted_proxies", i), err)
	}
	if s.Via != "" && (len(s.Via) > 64 || !consistsOf(s.Via, wordBytes+"-.")) {
		r.add("server.via", "%s; want 1 to 64 letters, digits, dashes, dots and underscores, or none for no Via", show(s.Via))
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
