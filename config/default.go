package config

import (
	"reflect"
	"strconv"
	"strings"
)

// Default is the Config without any key set. It has no pool, so it isn't valid until it gets one,
// and no limit, so nothing is limited until it gets one. See [DefaultPool] and [DefaultLimit].
func Default() Config { return defaults[Config]() }

// DefaultPool is a pool with every key at its default. It has no backend, so it isn't valid until
// it gets one.
func DefaultPool() Pool { return defaults[Pool]() }

// DefaultBackend is a backend with this URL, and every other key at its default.
func DefaultBackend(url string) Backend {
	b := defaults[Backend]()
	b.URL = url
	return b
}

// DefaultListener is a listener on this address, and every other key at its default.
func DefaultListener(listen string) Listener {
	l := defaults[Listener]()
	l.Listen = listen
	return l
}

// DefaultLimit is a limit with every key at its default.
func DefaultLimit() Limit { return defaults[Limit]() }

// DefaultRoute is a route with every key at its default: it matches everything.
func DefaultRoute() Route { return defaults[Route]() }

// DefaultRedirect is a redirect with every key at its default. It has no URL, so it isn't valid
// until it gets one. Its status keeps the method, and browsers don't remember it.
func DefaultRedirect() Redirect { return defaults[Redirect]() }

// DefaultRespond is a response with every key at its default.
func DefaultRespond() Respond { return defaults[Respond]() }

func defaults[T any]() (value T) {
	setDefaults(reflect.ValueOf(&value).Elem())
	return value
}

// setDefaults sets the fields of a struct, and of those in it, to their defaults.
func setDefaults(v reflect.Value) {
	if v.Kind() != reflect.Struct {
		return
	}
	for i := range v.NumField() {
		if text, ok := v.Type().Field(i).Tag.Lookup("default"); ok {
			setTagged(v.Field(i), text)
		} else {
			setDefaults(v.Field(i))
		}
	}
}

// setTagged sets a field to a value of its tags, and panics if that is none of its type's. A list
// has commas between its elements.
func setTagged(field reflect.Value, text string) {
	if field.Kind() == reflect.Slice {
		for each := range strings.SplitSeq(text, ",") {
			one := reflect.New(field.Type().Elem()).Elem()
			setTagged(one, each)
			field.Set(reflect.Append(field, one))
		}
		return
	}
	if _, err := scalar(tagged(field.Type(), text), field.Addr().Interface()); err != nil {
		panic("config: a tag of a field: " + err.Error())
	}
}

// tagged is a value of a field's tags as TOML has it.
func tagged(field reflect.Type, text string) any {
	var value any = text
	var err error
	switch reflect.Zero(field).Interface().(type) {
	case bool:
		value, err = strconv.ParseBool(text)
	case int, int64:
		value, err = strconv.ParseInt(text, 10, 64)
	case float64:
		value, err = strconv.ParseFloat(text, 64)
	}
	if err != nil {
		panic("config: a tag of a field: " + err.Error())
	}
	return value
}
