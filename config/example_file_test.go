package config

import (
	"maps"
	"os"
	"reflect"
	"regexp"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// example is what config.toml says: the defaults, and one pool and one limit of which
// nothing is said that isn't the default but the backends.
func example() Config {
	c := Default()
	c.Server.TrustedProxies = []string{}
	p := DefaultPool()
	p.Backends = []Backend{
		DefaultBackend("http://localhost:8081"),
		DefaultBackend("http://localhost:8082"),
		DefaultBackend("http://localhost:8083"),
	}
	c.Pools = map[string]Pool{"default": p}
	c.Limits = map[string]Limit{"default": DefaultLimit()}
	return c
}

func TestTheFileWorksAsItStands(t *testing.T) {
	c, warnings, err := Load("config.toml", Options{})
	require.NoError(t, err)
	require.Empty(t, warnings)
	require.Equal(t, example(), c)
}

// uncommented is config.toml with every key that it leaves at its default switched on.
func uncommented(t *testing.T) string {
	data, err := os.ReadFile("config.toml")
	require.NoError(t, err)
	return regexp.MustCompile(`(?m)^#([a-z\[])`).ReplaceAllString(string(data), "$1")
}

func TestTheFileShowsTheDefaults(t *testing.T) {
	document := uncommented(t)
	tree, syntax := parseTree("", []byte(document))
	require.Nil(t, syntax)
	c := Config{Pools: map[string]Pool{}, Limits: map[string]Limit{}} // no defaults: the file has to say them all
	r := &report{lines: keyLines(document)}
	decoder{r}.table("", tree, reflect.ValueOf(&c).Elem())
	require.Empty(t, r.problems)

	want := example()
	p := want.Pools["default"]
	p.Health.Statuses = c.Pools["default"].Health.Statuses
	require.Empty(t, p.Health.Statuses) // [] in the file
	want.Pools["default"] = p
	require.Equal(t, want, c)
}

func TestTheFileHasEveryKey(t *testing.T) {
	inFile := map[string]bool{}
	for key := range keyLines(uncommented(t)) {
		inFile[regexp.MustCompile(`\[\d+\]`).ReplaceAllString(key, "")] = true
	}
	want := map[string]bool{}
	for name, field := range fieldsOf(reflect.ValueOf(example())) {
		addKeys(want, name, field)
	}
	require.Equal(t, slices.Sorted(maps.Keys(want)), slices.Sorted(maps.Keys(inFile)))
}

// addKeys adds the path of a value and of all that is in it, without indexes.
func addKeys(keys map[string]bool, key string, value reflect.Value) {
	keys[key] = true
	switch _, single := value.Interface().(interface{ MarshalText() ([]byte, error) }); {
	case single:
	case value.Kind() == reflect.Struct:
		for name, field := range fieldsOf(value) {
			addKeys(keys, join(key, name), field)
		}
	case value.Kind() == reflect.Map:
		for _, name := range value.MapKeys() {
			addKeys(keys, join(key, name.String()), value.MapIndex(name))
		}
	case value.Kind() == reflect.Slice:
		for i := range value.Len() {
			addKeys(keys, key, value.Index(i))
		}
	}
}

func TestTheDefaultsOnlyLackAPool(t *testing.T) {
	require.Equal(t, []Problem{{
		Key: "pools", Text: `there is none; want [pools.default] with backends = ["http://HOST:PORT"]`,
	}}, Default().Validate())
	require.Empty(t, example().Validate())
}
