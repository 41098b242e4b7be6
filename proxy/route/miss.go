package route

import (
	"cmp"
	"slices"

	"gopher-equalizer/proxy/http1"
)

// Miss is a route that a request doesn't get, and why. If it misses nothing, another one that
// matches is tried before it.
type Miss struct {
	// Index is the route's, Name its name.
	Index int
	Name  string
	// Host, Path and Method report whether the request's don't match. Headers are the names of
	// those that don't.
	Host, Path, Method bool
	Headers            []string

	// parts is how many of the above are missed, segments how many of the path's are those that it
	// wants.
	parts, segments int
}

// Misses are the routes that a request doesn't get. found is the one that Match has found; nil is
// none. Those that come nearest are first, and there are most at most; others is how many more
// there are.
func (t *Table[T]) Misses(host, method []byte, path *Path, fields []http1.Field, found *Route[T], most int) (near []Miss, others int) {
	for i := range t.routes {
		if r := &t.routes[i]; r != found {
			near = append(near, r.miss(i, host, method, path, fields))
		}
	}
	slices.SortStableFunc(near, func(a, b Miss) int {
		return cmp.Or(cmp.Compare(a.parts, b.parts), cmp.Compare(b.segments, a.segments))
	})
	shown := min(most, len(near))
	return near[:shown], len(near) - shown
}

// miss is what a request lacks for a pattern. It asks a table of that pattern alone, so that its
// parts are matched as all are.
func (p *Pattern) miss(index int, host, method []byte, path *Path, fields []http1.Field) Miss {
	m := Miss{Index: index, Name: p.DisplayName()}
	alone := hosts{exact: map[string]*tree{}}
	at := alone.tree(p.Host).at(p.Prefix)
	tree := alone.find(host)
	if tree == nil {
		m.Host, tree = true, alone.tree(p.Host)
		m.parts++
	}
	m.segments = p.Prefix.shared(path)
	if tree.find(path) != at {
		m.Path = true
		m.parts++
	}
	if !p.Methods.Contain(method) {
		m.Method = true
		m.parts++
	}
	for i := range p.Headers {
		if !p.Headers[i].matches(fields) {
			m.Headers = append(m.Headers, p.Headers[i].name)
		}
	}
	if len(m.Headers) > 0 {
		m.parts++
	}
	return m
}

// shared is how many of the prefix's segments a path begins with.
func (p Prefix) shared(path *Path) int {
	normal := path.Normal()
	for n := len(p.segments); n > 0; n-- {
		if _, ok := (Prefix{segments: p.segments[:n]}).Cut(normal); ok {
			return n
		}
	}
	return 0
}
