package config

import (
	"bytes"
	"cmp"
	"encoding/json"
	"maps"
	"reflect"
	"strings"
	"time"

	"gopher-equalizer/balancer"
	"gopher-equalizer/limiter/gcra"
)

// Schema is the JSON Schema (draft 7) of the configuration, for editors. It is made from what else
// there is: the fields of [Config] with their tags, and the comments of config.toml.
//
// A schema can't have everything. It has names, types, units, choices and the bounds of numbers.
// Bounds of durations and sizes in strings, and what depends on other keys, are left to [Parse].
// What the schema refuses, Parse refuses too.
func Schema() []byte {
	s := schemer{texts: keyTexts()}
	root := s.table("", reflect.TypeFor[Config]())
	root["$schema"] = "http://json-schema.org/draft-07/schema#"
	root["title"] = "gopher-equalizer's configuration"
	var b bytes.Buffer
	to := json.NewEncoder(&b)
	to.SetEscapeHTML(false)
	to.SetIndent("", "  ")
	if err := to.Encode(root); err != nil {
		panic("config: the schema: " + err.Error())
	}
	return b.Bytes()
}

// schema is a part of a JSON Schema.
type schema map[string]any

type schemer struct{ texts map[string]string }

// table is the schema of a struct's table. key is where config.toml explains it.
func (s schemer) table(key string, of reflect.Type) schema {
	properties := schema{}
	var required []string
	byDefault := newElement(of)
	for i := range of.NumField() {
		field := of.Field(i)
		name := field.Tag.Get("toml")
		inner := s.field(Join(key, name), field)
		if text := s.text(Join(key, name)); text != "" {
			inner["description"] = text
		}
		if plain, _ := plainOf(byDefault.Field(i).Interface()); plain != nil && field.Tag.Get("else") == "" && field.Tag.Get("required") == "" {
			inner["default"] = plain
		}
		properties[name] = inner
		if former := field.Tag.Get("former"); former != "" {
			old := maps.Clone(inner)
			old["description"], old["deprecated"] = "The former name of "+name+".", true
			properties[former] = old
		}
		if field.Tag.Get("required") != "" {
			required = append(required, name)
		}
	}
	table := schema{"type": "object", "properties": properties, "additionalProperties": false}
	if required != nil {
		table["required"] = required
	}
	return table
}

// text is the explanation of a key, or else of the closest one that it is within. That of tables by
// name is at the one named default.
func (s schemer) text(key string) string {
	for {
		if text := cmp.Or(s.texts[key], s.texts[Join(key, "default")]); text != "" {
			return text
		}
		dot := strings.LastIndexByte(key, '.')
		if dot < 0 {
			return ""
		}
		key = key[:dot]
	}
}

// field is the schema of a field.
func (s schemer) field(key string, field reflect.StructField) schema {
	c := constraintOf(field)
	if c.names != nil && field.Tag.Get("else") != "" && field.Type.Kind() != reflect.Slice {
		c.names = append(c.names, "")
	}
	return s.value(key, field.Type, c)
}

func (s schemer) value(key string, of reflect.Type, c constraint) schema {
	switch plain, scalar := plainOf(reflect.Zero(of).Interface()); {
	case scalar:
		return scalarSchema(reflect.Zero(of).Interface(), plain, c)
	case of == reflect.TypeFor[Backend]():
		return schema{"anyOf": []schema{{"type": "string"}, s.table(key, of)}}
	case of.Kind() == reflect.Pointer:
		return s.value(key, of.Elem(), c)
	case of.Kind() == reflect.Slice:
		return schema{"type": "array", "items": s.value(key, of.Elem(), c)}
	case of.Kind() == reflect.Map && of.Elem().Kind() == reflect.Struct:
		return schema{
			"type": "object", "additionalProperties": s.value(Join(key, "default"), of.Elem(), c),
			"propertyNames": schema{"pattern": "^[A-Za-z0-9_-]{1,64}$"},
		}
	case of.Kind() == reflect.Map:
		return schema{"type": "object", "additionalProperties": s.value(key, of.Elem(), c)}
	}
	return s.table(key, of)
}

// The ways in which strings are written. Each also takes a reference, whatever that stands for.
const (
	units           = `(ns|us|µs|μs|ms|s|m|h)`
	clock           = `(([0-9]+(\.[0-9]*)?|\.[0-9]+)` + units + `)+`
	durationPattern = `^\+?` + clock + `$`
	sizePattern     = `^[0-9]+(B|KiB|MiB|GiB|TiB)?$`
	ratePattern     = `^[0-9]+(B|KiB|MiB|GiB|TiB)?(/s)?$`
	refillPattern   = `^0*[1-9][0-9]*/(\+?` + clock + `|[0-9]*w([0-9]+d)?(` + clock + `)?|[0-9]*d(` + clock + `)?|` + units + `(` + clock + `)?)$`
	statusPattern   = `^[1-5][0-9]{2}(-[1-5][0-9]{2})?$`
	referenced      = `|\$\{`
)

// scalarSchema is the schema of a value of a field's type.
func scalarSchema(field, plain any, c constraint) schema {
	if c.names != nil {
		return choice(plain, c.names)
	}
	text := func(pattern string) schema { return schema{"type": "string", "pattern": pattern + referenced} }
	switch field.(type) {
	case Size:
		if c.least == nil {
			c.least = Size(0)
		}
		return schema{"anyOf": []schema{bounded("integer", c), text(sizePattern)}}
	case Rate:
		return schema{"anyOf": []schema{bounded("integer", c), text(ratePattern)}}
	case time.Duration:
		return text(durationPattern)
	case gcra.Refill:
		return text(refillPattern)
	case balancer.StatusRange:
		return text(statusPattern)
	}
	switch plain.(type) {
	case bool:
		return schema{"type": "boolean"}
	case int64:
		return bounded("integer", c)
	case float64:
		return bounded("number", c)
	}
	return schema{"type": "string"}
}

// choice is one of a few names or numbers.
func choice(plain any, names []string) schema {
	if _, isNumber := plain.(int64); isNumber {
		var numbers []any
		for _, name := range names {
			numbers = append(numbers, json.Number(name))
		}
		return schema{"enum": numbers}
	}
	return schema{"anyOf": []schema{{"enum": names}, {"type": "string", "pattern": `\$\{`}}}
}

// bounded is a number with its bounds. A value beside them is one that they take, too.
func bounded(kind string, c constraint) schema {
	s := schema{"type": kind}
	switch {
	case c.least != nil && c.above:
		s["exclusiveMinimum"] = magnitude(c.least)
	case c.least != nil:
		s["minimum"] = magnitude(c.least)
	}
	if c.most != nil {
		s["maximum"] = magnitude(c.most)
	}
	if c.or == "" {
		return s
	}
	return schema{"anyOf": []schema{{"const": json.Number(strings.Fields(c.or)[0])}, s}}
}
