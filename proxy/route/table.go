package route

import (
	"errors"
	"slices"

	"gopher-equalizer/proxy/http1"
)

// Route is a pattern and whatever is done with the requests that it matches.
type Route[T any] struct {
	Pattern
	Value T
}

// Table finds the route of a request. It is immutable and safe for concurrent use.
type Table[T any] struct {
	routes []Route[T]
	hosts  hosts
}

// Verdict is what matching a request comes to.
type Verdict byte

const (
	// Found: there is a route.
	Found Verdict = iota
	// NotFound: no route has the request's host, path and headers (404).
	NotFound
	// MethodNotAllowed: only the method is another one (405).
	MethodNotAllowed
	// Ambiguous: readers of the path would choose different routes (400).
	Ambiguous
)

// New makes a table. The error joins a *Conflict for each route that can't be in it.
func New[T any](routes []Route[T]) (*Table[T], error) {
	t := &Table[T]{routes: slices.Clone(routes), hosts: hosts{exact: map[string]*tree{}}}
	patterns := make([]Pattern, len(routes))
	for i := range t.routes {
		patterns[i] = t.routes[i].Pattern
		t.routes[i].Name = patterns[i].DisplayName()
	}
	var problems []error
	for _, c := range Conflicts(patterns) {
		problems = append(problems, c)
	}
	if err := errors.Join(problems...); err != nil {
		return nil, err
	}
	t.insert()
	return t, nil
}

// insert puts the routes in their trees.
func (t *Table[T]) insert() {
	at := map[*node][]*candidate{}
	for i := range t.routes {
		p := &t.routes[i].Pattern
		n := t.hosts.tree(p.Host).at(p.Prefix)
		at[n] = append(at[n], &candidate{index: i, pattern: p})
	}
	for n, list := range at {
		n.candidates = newCandidates(list)
	}
}

// Routes returns the routes in their order, with their names filled in. They must not be changed.
func (t *Table[T]) Routes() []Route[T] { return t.routes }

// Match finds the route of a request, nil unless the verdict is Found. host is http1.Request.Host.
func (t *Table[T]) Match(host, method []byte, path *Path, fields []http1.Field) (*Route[T], Verdict) {
	tree := t.hosts.find(host)
	if tree == nil {
		return nil, NotFound
	}
	at := tree.find(path)
	found := at.choose(method, fields)
	if found != nil && found.pattern.Ambiguous == Pass {
		path.mode = Pass
	}
	path.ambiguous = !path.agree(tree, func(n *node) bool { return n == at || n.choose(method, fields) == found })
	if path.ambiguous && path.mode == Refuse {
		return nil, Ambiguous
	}
	switch {
	case found != nil:
		return &t.routes[found.index], Found
	case at.answers(fields):
		return nil, MethodNotAllowed
	}
	return nil, NotFound
}

// choose returns the route that a request gets whose longest prefix is n's; nil if none matches.
func (n *node) choose(method []byte, fields []http1.Field) *candidate {
	for ; n != nil; n = n.parent {
		if found := n.candidates.choose(method, fields); found != nil {
			return found
		}
	}
	return nil
}

// answers reports whether a route matches all of a request except its method.
func (n *node) answers(fields []http1.Field) bool {
	for ; n != nil; n = n.parent {
		for _, one := range n.candidates.all {
			if one.pattern.hasHeaders(fields) {
				return true
			}
		}
	}
	return false
}

// Headers are the names of the headers that routes match, in small letters, each once.
func (t *Table[T]) Headers() []string {
	var names []string
	for i := range t.routes {
		for _, h := range t.routes[i].Headers {
			names = append(names, h.lower)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// AppendAllow writes the value of Allow for a request that MethodNotAllowed is said of: the methods
// that would find a route.
func (t *Table[T]) AppendAllow(dst, host []byte, path *Path, fields []http1.Field) []byte {
	start := len(dst)
	tree := t.hosts.find(host)
	if tree == nil {
		return dst
	}
	for n := tree.find(path); n != nil; n = n.parent {
		for _, one := range n.candidates.all {
			if !one.pattern.hasHeaders(fields) {
				continue
			}
			for _, name := range one.pattern.Methods.names {
				dst = appendOnce(dst, start, name)
			}
		}
	}
	return dst
}

// appendOnce adds a method to the list that begins at start, unless it is there.
func appendOnce(dst []byte, start int, name string) []byte {
	for list := dst[start:]; len(list) > 0; {
		var method []byte
		if method, list = http1.NextElement(list); string(method) == name {
			return dst
		}
	}
	if len(dst) > start {
		dst = append(dst, ", "...)
	}
	return append(dst, name...)
}
