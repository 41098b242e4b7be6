package config

// Viewed is a key of a configuration that is shown: its value, and where that is from.
type Viewed struct {
	// Value is the key's as in TOML. Secrets are "***", and a value that came from ${...} is its
	// reference. It is null if the key is left to something else, which From then has.
	Value any `json:"value"`
	// From is the file and the line ("equalizer.toml:12"), the flag ("--listen") or the environment
	// variable that set the key. It is "default" if nothing did.
	From string `json:"from"`
}

// View is the configuration in force for JSON: objects and arrays as the file has tables and lists,
// and in place of each value a [Viewed].
func (l Loaded) View() map[string]any {
	return viewTable(l.tree())
}

func viewTable(n node) map[string]any {
	view := make(map[string]any, len(n.nodes))
	for _, inner := range n.nodes {
		view[inner.name] = viewNode(inner)
	}
	return view
}

func viewNode(n node) any {
	switch n.kind {
	case tableNode:
		return viewTable(n)
	case listNode:
		view := make([]any, len(n.nodes))
		for i, inner := range n.nodes {
			view[i] = viewTable(inner)
		}
		return view
	}
	return Viewed{n.shown, n.origin()}
}

// origin is where a value is from.
func (n node) origin() string {
	switch {
	case n.value == nil:
		return n.otherwise
	case n.from == (Source{}):
		return "default"
	}
	return n.from.String()
}
