package config

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
)

// decoder lays a parsed TOML document over a Config. toml.Decode would stop at the first value of a
// wrong type. The decoder goes on, so a report has them all.
type decoder struct{ *report }

// value lays one TOML value over its field.
func (d decoder) value(key string, from any, into reflect.Value) {
	if backend, ok := into.Addr().Interface().(*Backend); ok {
		if url, ok := from.(string); ok {
			backend.URL = url
			d.lines[Join(key, "url")] = d.lines[key]
			if ref, ok := d.references[key]; ok {
				d.references[Join(key, "url")] = ref
			}
			return
		}
	}
	known, err := scalar(from, into.Addr().Interface())
	switch {
	case err != nil:
		d.parses(key, err)
	case known:
		d.starMixed(key, into)
	case into.Kind() == reflect.Pointer:
		given := newElement(into.Type().Elem())
		d.value(key, from, given)
		into.Set(given.Addr())
	case into.Kind() == reflect.Struct:
		d.table(key, from, into)
	case into.Kind() == reflect.Map:
		d.tables(key, from, into)
	case into.Kind() == reflect.Slice:
		d.array(key, from, into)
	default:
		panic("config: no way to decode " + into.Type().String())
	}
}

// starMixed hides the rest of a secret that isn't only references.
func (d decoder) starMixed(key string, into reflect.Value) {
	if ref, ok := d.references[key]; ok && !ref.alone() && into.Type() == reflect.TypeFor[Secret]() {
		ref.text = starred
		d.references[key] = ref
	}
}

// table lays a TOML table over a struct.
func (d decoder) table(key string, from any, into reflect.Value) {
	table, ok := from.(map[string]any)
	if !ok {
		d.add(key, "%s; want %s", kind(from), wantedTable(key, into))
		return
	}
	d.rename(key, table, into.Type())
	fields := fieldsOf(into)
	for _, name := range slices.Sorted(maps.Keys(table)) {
		if field, known := fields[name]; known {
			d.value(Join(key, name), table[name], field)
		} else {
			d.unknown(Join(key, name), name, slices.Sorted(maps.Keys(fields)))
		}
	}
}

// rename gives the keys of a table that have a former name their present one. Problems with their
// values then name the new key, on the line of the old one.
func (d decoder) rename(key string, table map[string]any, of reflect.Type) {
	for i := range of.NumField() {
		now, former := of.Field(i).Tag.Get("toml"), of.Field(i).Tag.Get("former")
		value, there := table[former]
		if former == "" || !there {
			continue
		}
		delete(table, former)
		if _, both := table[now]; both {
			d.add(Join(key, former), "the former name of %s, which is set too; want %s alone", now, now)
			continue
		}
		table[now] = value
		d.lines[Join(key, now)] = d.lines[Join(key, former)]
		if ref, ok := d.references[Join(key, former)]; ok {
			d.references[Join(key, now)] = ref
		}
		d.former[Join(key, former)] = now
	}
}

// wantedTable is how to write a table that something else stands for. What stands there isn't
// shown, as it could be a secret one level too high.
func wantedTable(key string, into reflect.Value) string {
	if _, ok := into.Interface().(Backend); ok {
		return `"http://HOST:PORT" or { url = "http://HOST:PORT", weight = 1 }`
	}
	return fmt.Sprintf("a table, [%s]", key)
}

// wantedNames is how to write a table of names that the operator chooses.
func wantedNames(key string, of reflect.Type) string {
	if of.Kind() == reflect.String {
		return "a table of names and strings, { NAME = \"...\" }"
	}
	return fmt.Sprintf("tables with a name each, such as [%s.default]", key)
}

// tables lays a TOML table whose keys are names over a map.
func (d decoder) tables(key string, from any, into reflect.Value) {
	named, ok := from.(map[string]any)
	if !ok {
		d.add(key, "%s; want %s", kind(from), wantedNames(key, into.Type().Elem()))
		return
	}
	into.Set(reflect.MakeMap(into.Type()))
	for _, name := range slices.Sorted(maps.Keys(named)) {
		value := newElement(into.Type().Elem())
		d.value(Join(key, name), named[name], value)
		into.SetMapIndex(reflect.ValueOf(name), value)
	}
}

// array lays a TOML array, or an array of tables, over a slice.
func (d decoder) array(key string, from any, into reflect.Value) {
	values, ok := elements(from)
	if !ok {
		d.add(key, "%s; want %s", describe(from), wantedArray(key, into.Type().Elem()))
		return
	}
	into.Set(reflect.MakeSlice(into.Type(), 0, len(values)))
	for i, from := range values {
		value := newElement(into.Type().Elem())
		d.value(Element(key, i), from, value)
		into.Set(reflect.Append(into, value))
	}
}

// wantedArray is how to write an array.
func wantedArray(key string, of reflect.Type) string {
	if of.Kind() == reflect.Struct && of != reflect.TypeFor[Backend]() {
		return fmt.Sprintf("an array of tables, [[%s]]", key)
	}
	return "an array, [...]"
}

func elements(from any) ([]any, bool) {
	switch from := from.(type) {
	case []any:
		return from, true
	case []map[string]any:
		values := make([]any, len(from))
		for i, table := range from {
			values[i] = table
		}
		return values, true
	}
	return nil, false
}

// newElement makes an element of a map or a slice, with its defaults.
func newElement(t reflect.Type) reflect.Value {
	value := reflect.New(t).Elem()
	setDefaults(value)
	return value
}

// fieldsOf finds a struct's fields by their names in TOML.
func fieldsOf(value reflect.Value) map[string]reflect.Value {
	fields := make(map[string]reflect.Value, value.NumField())
	for i := range value.NumField() {
		fields[value.Type().Field(i).Tag.Get("toml")] = value.Field(i)
	}
	return fields
}

// unknown adds a problem for a key that doesn't exist, with the one that was probably meant. The
// value isn't shown, as it could be the secret of a misspelt "password".
func (d decoder) unknown(key, name string, names []string) {
	if meant, ok := nearest(name, names); ok {
		d.add(key, "unknown key; did you mean %s?", meant)
		return
	}
	d.add(key, "unknown key; want %s", either(names))
}
