package config

import (
	"cmp"
	"maps"
	"slices"

	"gopher-equalizer/proxy/route"
)

func (r *report) routes(c Config) {
	if len(c.Routes) == 0 && len(c.Pools) > 1 {
		r.add("pools", "there are %d, %s, and no routes; want one, or [[routes]] that choose between them",
			len(c.Pools), all(slices.Sorted(maps.Keys(c.Pools))))
	}
	for i, one := range c.Routes {
		r.pattern(element("routes", i), one)
	}
}

// pattern checks what a route matches, and returns it.
func (r *report) pattern(key string, from Route) route.Pattern {
	p := route.Pattern{Name: from.Name, Ambiguous: from.AmbiguousPaths}
	if from.Name != "" {
		r.name(join(key, "name"), from.Name)
	}
	var err error
	p.Host, err = route.ParseHost(from.Host)
	r.parses(join(key, "host"), err)
	p.Prefix, err = route.ParsePrefix(cmp.Or(from.PathPrefix, "/"))
	r.parses(join(key, "path_prefix"), err)
	p.Methods = r.methods(join(key, "methods"), from.Methods)
	for _, name := range slices.Sorted(maps.Keys(from.MatchHeaders)) {
		header, err := route.ParseHeader(name, from.MatchHeaders[name])
		r.parses(join(join(key, "match_headers"), name), err)
		p.Headers = append(p.Headers, header)
	}
	return p
}

// methods checks each method by itself, for its line.
func (r *report) methods(key string, texts []string) route.Methods {
	for i, text := range texts {
		_, err := route.ParseMethods([]string{text})
		r.parses(element(key, i), err)
	}
	methods, _ := route.ParseMethods(texts)
	return methods
}
