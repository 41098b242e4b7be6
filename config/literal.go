package config

import (
	"bytes"
	"maps"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"
)

// literal writes a plain value as TOML has it behind an equals sign, on one line.
func literal(value any) string {
	switch v := value.(type) {
	case []any:
		parts := make([]string, len(v))
		for i, one := range v {
			parts[i] = literal(one)
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case map[string]any:
		var parts []string
		for _, name := range slices.Sorted(maps.Keys(v)) {
			parts = append(parts, toml.Key{name}.String()+" = "+literal(v[name]))
		}
		return braces(parts)
	}
	var line bytes.Buffer
	_ = toml.NewEncoder(&line).Encode(map[string]any{"a": value}) // A scalar can always be written.
	return strings.TrimSuffix(strings.TrimPrefix(line.String(), "a = "), "\n")
}

// inline writes a node on one line. Of tables it has what is set.
func inline(n node) string {
	var parts []string
	for _, inner := range n.nodes {
		switch {
		case n.kind == listNode:
			parts = append(parts, inline(inner))
		case inner.set:
			parts = append(parts, toml.Key{inner.name}.String()+" = "+inline(inner))
		}
	}
	switch n.kind {
	case valueNode:
		return literal(n.shown)
	case listNode:
		return "[" + strings.Join(parts, ", ") + "]"
	}
	return braces(parts)
}

func braces(parts []string) string {
	if len(parts) == 0 {
		return "{}"
	}
	return "{ " + strings.Join(parts, ", ") + " }"
}
