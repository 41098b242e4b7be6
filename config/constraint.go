package config

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"
)

// constraint is what the tags of a field want of its value. Validation and the JSON Schema are both
// made from it.
type constraint struct {
	// least and most are the bounds, both included unless above is set; nil is none.
	least, most any
	above       bool
	// or names a value that is taken too, and what that is for, such as "0s for none".
	or string
	// why is the end of what is wanted.
	why string
	// names are the values that there are, if they are few.
	names []string
}

// constraintOf reads the tags of a field that is a scalar.
func constraintOf(field reflect.StructField) constraint {
	of := field.Type
	if of.Kind() == reflect.Pointer {
		of = of.Elem()
	}
	bound := func(name string) any {
		text, ok := field.Tag.Lookup(name)
		if !ok {
			return nil
		}
		value := reflect.New(of).Elem()
		setTagged(value, text)
		return value.Interface()
	}
	c := constraint{least: bound("min"), most: bound("max"), or: field.Tag.Get("or"), why: field.Tag.Get("why")}
	if above := bound("above"); above != nil {
		c.least, c.above = above, true
	}
	if of == reflect.TypeFor[time.Duration]() && c.least == nil && c.most == nil {
		c.least, c.most = shortest, longest
	}
	if names := field.Tag.Get("enum"); names != "" {
		c.names = strings.Split(names, ",")
	}
	return c
}

// The bounds of a duration that has no others. Anything shorter is a forgotten unit, and anything
// longer a mistake.
const (
	shortest = time.Millisecond
	longest  = 24 * time.Hour
)

// problem is what is wrong with a value; nil if nothing is.
func (c constraint) problem(value any) error {
	text := written(value)
	switch {
	case len(c.names) > 0 && !slices.Contains(c.names, text):
		return fmt.Errorf("unexpected %s; want %s", quotedIfText(value), either(c.names))
	case c.within(value) || c.or != "" && text == strings.Fields(c.or)[0]:
		return nil
	}
	return fmt.Errorf("%s is out of range; want %s", text, c.want())
}

// within reports whether a value is within the bounds. NaN is within none.
func (c constraint) within(value any) bool {
	n := magnitude(value)
	low := c.least == nil || n >= magnitude(c.least) && !(c.above && n == magnitude(c.least))
	return low && (c.most == nil || n <= magnitude(c.most))
}

// want is what the bounds want.
func (c constraint) want() string {
	var text string
	switch {
	case c.above:
		text = fmt.Sprintf("more than %s, and at most %s", written(c.least), written(c.most))
	case c.most == nil:
		text = "at least " + written(c.least)
	default:
		text = written(c.least) + " to " + written(c.most)
	}
	if c.or != "" {
		text += ", or " + c.or
	}
	if c.why != "" {
		text += ", " + c.why
	}
	return text
}

// magnitude is a value as a number.
func magnitude(value any) float64 {
	switch v := reflect.ValueOf(value); v.Kind() {
	case reflect.Int, reflect.Int64:
		return float64(v.Int())
	case reflect.Float64:
		return v.Float()
	}
	return 0
}

// written is a value as a file has it, without quotes.
func written(value any) string {
	plain, _ := plainOf(value)
	return fmt.Sprint(plain)
}

func quotedIfText(value any) string {
	plain, _ := plainOf(value)
	if text, ok := plain.(string); ok {
		return string(show(text))
	}
	return fmt.Sprint(plain)
}

// constraints checks every value of a struct against its tags, and those of what is in it.
func (r *report) constraints(key string, v reflect.Value) {
	for i := range v.NumField() {
		field, value := v.Type().Field(i), v.Field(i)
		if field.Tag.Get("else") != "" && value.IsZero() {
			continue
		}
		if value.Kind() == reflect.Pointer {
			value = value.Elem() // none for nil
		}
		r.constrained(Join(key, field.Tag.Get("toml")), field, value)
	}
}

func (r *report) constrained(key string, field reflect.StructField, v reflect.Value) {
	if !v.IsValid() {
		return
	}
	switch _, scalar := plainOf(v.Interface()); {
	case scalar:
		r.parses(key, constraintOf(field).problem(v.Interface()))
	case v.Kind() == reflect.Struct:
		r.constraints(key, v)
	case v.Kind() == reflect.Map && v.Type().Elem().Kind() == reflect.Struct:
		for _, name := range namesOf(v) {
			r.constraints(Join(key, name), v.MapIndex(reflect.ValueOf(name)))
		}
	case v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Struct:
		for i := range v.Len() {
			r.constraints(Element(key, i), v.Index(i))
		}
	case v.Kind() == reflect.Slice:
		for i := range v.Len() {
			r.constrained(Element(key, i), field, v.Index(i))
		}
	}
}
