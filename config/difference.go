package config

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// Difference is one key that two configurations don't have in common.
type Difference struct {
	// Key is the full key path, with names instead of positions: `limits.default.capacity`,
	// `pools.web.backends["http://10.0.0.1:8080"].weight`, `routes["api"].methods`. The key of a
	// pool, a backend, a limit or a route stands for all that is in it. The key of a list whose
	// elements only have another order is the list's.
	Key  string         `json:"key"`
	Kind DifferenceKind `json:"kind"`
	// Old and New are the values as TOML. A secret is "***", also if it changed, and a value that
	// came from ${...} is its reference. What was added has no Old, and what was removed no New.
	// Of what is a table, they have the keys that aren't at their defaults. Of a Content both name
	// the file.
	Old string `json:"old,omitempty"`
	New string `json:"new,omitempty"`
}

// DifferenceKind is how a key differs.
type DifferenceKind string

// The kinds of differences.
const (
	Added   DifferenceKind = "added"
	Removed DifferenceKind = "removed"
	Changed DifferenceKind = "changed"
	// Content is that the key names the same file as before, or has the same reference to one, and
	// something else is in the file.
	Content DifferenceKind = "content"
)

// String is the difference on one line, such as "limits.default.capacity: 100 -> 200".
func (d Difference) String() string {
	switch d.Kind {
	case Added:
		return fmt.Sprintf("%s: added: %s", d.Key, d.New)
	case Removed:
		return fmt.Sprintf("%s: removed: %s", d.Key, d.Old)
	case Content:
		return fmt.Sprintf("%s: the content of %s has changed", d.Key, d.New)
	}
	return fmt.Sprintf("%s: %s -> %s", d.Key, d.Old, d.New)
}

// Diff is what changes from one configuration to another, in the order of the file's tables. Values
// that are the same by another way, such as by a reference or by default, are no difference.
func Diff(old, new Loaded) []Difference {
	return difference(old.tree(), new.tree())
}

func difference(old, new node) []Difference {
	if old.kind == valueNode && new.kind == valueNode {
		if reflect.DeepEqual(old.value, new.value) && old.content == new.content {
			return nil
		}
		return []Difference{between(old, new)}
	}
	var found []Difference
	for _, o := range old.nodes {
		if n := new.find(o.label); n == nil {
			found = append(found, Difference{Key: o.label, Kind: Removed, Old: inline(o)})
		} else {
			found = append(found, difference(o, *n)...)
		}
	}
	for _, n := range new.nodes {
		if old.find(n.label) == nil {
			found = append(found, Difference{Key: n.label, Kind: Added, New: inline(n)})
		}
	}
	if before, after := common(old, new), common(new, old); !slices.Equal(before, after) && new.kind == listNode {
		found = append(found, Difference{new.label, Changed, literal(before), literal(after)})
	}
	return found
}

// between is the difference of two values. A key that is left to something else has none.
func between(old, new node) Difference {
	d := Difference{Key: new.label, Kind: Changed}
	switch {
	case old.value == nil:
		d.Kind = Added
	case new.value == nil:
		d.Kind = Removed
	case reflect.DeepEqual(old.value, new.value), isSameFile(old.shown, new.shown):
		d.Kind = Content
	}
	if old.value != nil {
		d.Old = literal(old.shown)
	}
	if new.value != nil {
		d.New = literal(new.shown)
	}
	return d
}

// isSameFile reports whether two values that differ are shown as the same reference to a file.
func isSameFile(old, new any) bool {
	text, ok := new.(string)
	return ok && old == new && strings.Contains(text, "${file:")
}

// find is the node within this one that has a label; nil if there is none.
func (n node) find(label string) *node {
	i := slices.IndexFunc(n.nodes, func(inner node) bool { return inner.label == label })
	if i < 0 {
		return nil
	}
	return &n.nodes[i]
}

// common are the names within a node that the other has too, in order.
func common(n, other node) []any {
	var names []any
	for _, inner := range n.nodes {
		if other.find(inner.label) != nil {
			names = append(names, inner.name)
		}
	}
	return names
}
