package config

import (
	"reflect"
	"slices"
	"strconv"
)

// node is a part of a Config as a file would have it: a value, a table, or a list of tables.
type node struct {
	// name is the key in its table, or what tells an element of a list from the others.
	name string
	// key is the full path by position, as [Problem] has it, such as "routes[0].methods".
	key string
	// label is the full path by name, as [Difference] has it, such as `routes["api"].methods`.
	label string
	kind  nodeKind
	// value is a value as TOML has it: a string, int64, float64 or bool, or a []any or
	// map[string]any of those. With nil the key is left to something else, which otherwise names.
	value     any
	otherwise string
	// shown is value without secrets, and with references instead of what they stand for.
	shown any
	// content is of the file that value names, if it names one.
	content content
	// set reports whether a value isn't only the default, or something in a table is set. from is
	// what set a value.
	set  bool
	from Source
	// elsewhere reports whether it is in a file that another key names.
	elsewhere bool
	// nodes are what is in a table or a list.
	nodes []node
}

type nodeKind int

const (
	valueNode nodeKind = iota
	tableNode
	listNode
)

// identity is what tells an element of a list from the others, if it has a name of its own there.
func (l Loaded) identity(key string, element any) (name string, ok bool) {
	switch e := element.(type) {
	case Backend:
		return l.Sources.Shown(Join(key, "url"), e.URL), true
	case Route:
		pattern, err := e.Pattern()
		return l.Sources.routeName(key, e, pattern), err == nil
	case Listener:
		return l.Sources.Shown(Join(key, "listen"), e.Listen), true
	case Certificate:
		return l.Sources.Shown(Join(key, "cert"), e.Cert), true
	case TLSHost:
		return l.Sources.Shown(Join(key, "host"), e.Host), true
	}
	return "", false
}

// tree makes the nodes of a Config. What include names is in it, and include is not.
func (l Loaded) tree() node {
	n := l.table(node{}, reflect.ValueOf(l.Config), reflect.ValueOf(Default()))
	if len(l.Config.Listeners) > 0 {
		listen := n.find("server").find("server.listen")
		listen.value, listen.shown, listen.set, listen.otherwise = nil, nil, false, "those of [[listeners]]"
	}
	n.nodes = slices.DeleteFunc(n.nodes, func(inner node) bool { return inner.name == "include" })
	return n
}

// node makes the node of any field. It is given its names, and the field's default.
func (l Loaded) node(n node, v, byDefault reflect.Value) node {
	if plain, scalar := plainOf(v.Interface()); scalar {
		return l.value(n, plain, plainDefault(byDefault))
	}
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return n
		}
		given := newElement(v.Type().Elem())
		n = l.node(n, v.Elem(), given)
		n.set = true
		return n
	case reflect.Struct:
		return l.table(n, v, byDefault)
	case reflect.Map:
		return l.names(n, v)
	}
	return l.list(n, v, byDefault)
}

// value makes the node of a value.
func (l Loaded) value(n node, plain, byDefault any) node {
	n.value, n.shown, n.content = plain, l.show(n.key, plain), l.contents[n.key]
	n.from = l.Sources.Of(n.key)
	n.set = n.from != (Source{}) || !reflect.DeepEqual(plain, byDefault)
	return n
}

// table makes the node of a struct: its values first, then its tables, each in the order of fields.
func (l Loaded) table(n node, v, byDefault reflect.Value) node {
	n.kind = tableNode
	n.set = l.Sources.given(n.key)
	var values, tables []node
	for i := range v.NumField() {
		tag := v.Type().Field(i).Tag
		name := tag.Get("toml")
		field := l.node(node{name: name, key: Join(n.key, name), label: Join(n.label, name)}, v.Field(i), byDefault.Field(i))
		if otherwise := tag.Get("else"); otherwise != "" && v.Field(i).IsZero() {
			field.value, field.shown, field.set, field.otherwise = nil, nil, false, otherwise
		}
		switch {
		case field.kind != valueNode:
			tables = append(tables, field)
			n.set = n.set || field.set
		case field.value != nil || field.otherwise != "":
			values = append(values, field)
			n.set = n.set || field.set
		}
	}
	n.nodes = slices.Concat(values, tables)
	return n
}

// names makes the node of a map, which has names that the operator chooses. Without any it is an
// empty value.
func (l Loaded) names(n node, v reflect.Value) node {
	if v.Len() == 0 {
		return l.value(n, map[string]any{}, map[string]any{})
	}
	n.kind, n.set = tableNode, true
	for _, name := range namesOf(v) {
		inner := node{name: name, key: Join(n.key, name), label: Join(n.label, name)}
		inner = l.node(inner, v.MapIndex(reflect.ValueOf(name)), newElement(v.Type().Elem()))
		inner.set = true
		n.nodes = append(n.nodes, inner)
	}
	return n
}

// namesOf are the keys of a map, sorted.
func namesOf(v reflect.Value) []string {
	var names []string
	for _, name := range v.MapKeys() {
		names = append(names, name.String())
	}
	slices.Sort(names)
	return names
}

// list makes the node of a slice. One of tables has a node for each, others are one value.
func (l Loaded) list(n node, v, byDefault reflect.Value) node {
	if values, ok := plainList(v); ok {
		ordinary, _ := plainList(byDefault)
		return l.value(n, values, ordinary)
	}
	n.kind, n.set = listNode, true
	for i := range v.Len() {
		inner := node{name: strconv.Itoa(i), key: Element(n.key, i), label: Element(n.label, i)}
		if name, ok := l.identity(inner.key, v.Index(i).Interface()); ok {
			inner.name = name
			inner.label = n.label + "[" + strconv.Quote(inner.name) + "]"
		}
		inner = l.table(inner, v.Index(i), newElement(v.Type().Elem()))
		inner.set = true
		if inner.elsewhere = l.Sources.isInFile(n.key, i); inner.elsewhere {
			for j := range inner.nodes {
				inner.nodes[j].elsewhere = true
			}
		}
		n.nodes = append(n.nodes, inner)
	}
	return n
}

// plainList is a slice as TOML has it, if it has no tables.
func plainList(v reflect.Value) ([]any, bool) {
	values := []any{}
	for i := range v.Len() {
		plain, scalar := plainOf(v.Index(i).Interface())
		if !scalar {
			return nil, false
		}
		values = append(values, plain)
	}
	return values, true
}

// plainDefault is a default as plainOf has it; nil if there is none.
func plainDefault(v reflect.Value) any {
	plain, _ := plainOf(v.Interface())
	return plain
}

// show is a value without secrets, with references instead of what they stand for, and otherwise
// with "$${" for "${".
func (l Loaded) show(key string, value any) any {
	if ref, ok := l.Sources.reference(key); ok {
		return ref.text
	}
	switch v := value.(type) {
	case string:
		return escaped(v)
	case Secret:
		return v.String()
	case []any:
		shown := make([]any, len(v))
		for i, one := range v {
			shown[i] = l.show(Element(key, i), one)
		}
		return shown
	}
	return value
}
