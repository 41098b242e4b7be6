package rewrite

import (
	"strings"

	"gopher-equalizer/proxy/http1"
)

// Guarded are the headers that decide what becomes of a request: its route, or its limits. Backends
// that make CGI variables of names can't tell X_Api_Key from X-Api-Key. A client that sent both
// would be counted by one value and served by the other. So fields that resemble a guarded one
// don't go on. It is immutable; the zero value guards nothing.
type Guarded struct{ names []guardedName }

type guardedName struct{ lower, folded string }

// Guard guards headers by their names. Empty ones are left out.
func Guard(names ...string) Guarded {
	var g Guarded
	for _, name := range names {
		if name != "" {
			g.names = append(g.names, guardedName{strings.ToLower(name), foldName(name)})
		}
	}
	return g
}

// resembles reports whether a field's name folds to that of a guarded header without being it.
func (g *Guarded) resembles(name []byte) bool {
	for i := range g.names {
		if n := &g.names[i]; http1.FoldsTo(name, n.folded) && !http1.Is(name, n.lower) {
			return true
		}
	}
	return false
}

// covers reports whether a field's name folds to that of a guarded header.
func (g *Guarded) covers(name []byte) bool {
	for i := range g.names {
		if http1.FoldsTo(name, g.names[i].folded) {
			return true
		}
	}
	return false
}
