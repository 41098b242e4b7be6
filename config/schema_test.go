package config

import (
	"encoding/json"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"gopher-equalizer/balancer"
	"gopher-equalizer/limiter/gcra"
)

// eachField calls f with the key of every scalar field of a Config as config.toml has it.
func eachField(key string, of reflect.Type, f func(key string, field reflect.StructField)) {
	for i := range of.NumField() {
		field := of.Field(i)
		inner := field.Type
		name := Join(key, field.Tag.Get("toml"))
		for inner.Kind() == reflect.Pointer || inner.Kind() == reflect.Slice || inner.Kind() == reflect.Map {
			if inner.Kind() == reflect.Map && inner.Elem().Kind() == reflect.Struct {
				name = Join(name, "default")
			}
			inner = inner.Elem()
		}
		if _, scalar := plainOf(reflect.Zero(inner).Interface()); scalar {
			f(name, field)
		} else {
			eachField(name, inner, f)
		}
	}
}

// TestTheTextHasTheBounds holds the comments of config.toml to the tags that validation and the
// schema are made from.
func TestTheTextHasTheBounds(t *testing.T) {
	s := schemer{texts: keyTexts()}
	seen := 0
	eachField("", reflect.TypeFor[Config](), func(key string, field reflect.StructField) {
		text := s.text(key)
		require.NotEmpty(t, text, key)
		for _, name := range []string{"min", "max"} {
			bound := field.Tag.Get(name)
			if bound == "" || bound == "0" || strings.HasPrefix(field.Tag.Get("or"), "0 ") && bound == "1" {
				continue
			}
			require.Contains(t, strings.ReplaceAll(text, "\n", " "), thousands(bound), "%s: %s", key, name)
			seen++
		}
		for _, name := range strings.Split(field.Tag.Get("enum"), ",") {
			require.Contains(t, text, name, key)
		}
	})
	require.Greater(t, seen, 20)
}

// thousands writes a number as texts have it.
func thousands(number string) string {
	n, err := strconv.Atoi(number)
	if err != nil || n < 1000 {
		return number
	}
	return thousands(strconv.Itoa(n/1000)) + "," + number[len(number)-3:]
}

// TestTheChoicesAreTheParsers holds the choices in the tags to the parsers of the other packages.
func TestTheChoicesAreTheParsers(t *testing.T) {
	parsers := 0
	eachField("", reflect.TypeFor[Config](), func(key string, field reflect.StructField) {
		names, of := constraintOf(field).names, field.Type
		if names != nil && of.Kind() == reflect.Slice {
			of = of.Elem()
		}
		for _, name := range names {
			_, err := scalar(tagged(of, name), reflect.New(of).Interface())
			require.NoError(t, err, key)
		}
		_, err := scalar("none of them", reflect.New(of).Interface())
		if names != nil && err != nil && of.Kind() != reflect.Int {
			require.ErrorContains(t, err, "; want "+either(names), key)
			parsers++
		}
	})
	require.Equal(t, 5, parsers)
}

func TestTheSchemaDescribesEveryKey(t *testing.T) {
	var root map[string]any
	require.NoError(t, json.Unmarshal(Schema(), &root))
	described := 0
	var walk func(at map[string]any)
	walk = func(at map[string]any) {
		properties, _ := at["properties"].(map[string]any)
		for name, property := range properties {
			require.NotEmpty(t, property.(map[string]any)["description"], name)
			described++
		}
		for _, inner := range at {
			switch inner := inner.(type) {
			case map[string]any:
				walk(inner)
			case []any:
				for _, one := range inner {
					if one, ok := one.(map[string]any); ok {
						walk(one)
					}
				}
			}
		}
	}
	walk(root)
	require.Greater(t, described, 120)
	server := root["properties"].(map[string]any)["server"].(map[string]any)["properties"].(map[string]any)
	require.Equal(t, "The address to accept requests on, HOST:PORT. Without a host it is all addresses, IPv4 and IPv6,\nand with port 0 any free port.",
		server["listen"].(map[string]any)["description"])
	require.Equal(t, server["read_timeout"].(map[string]any)["description"], server["write_timeout"].(map[string]any)["description"])
}

// FuzzPatterns: the schema refuses no text that a parser takes.
func FuzzPatterns(f *testing.F) {
	for _, text := range []string{
		"5s", "1m30s", "+5s", ".5s", "1.s", "5µs", "5μs", "0s", "0", "16KiB", "512", "1KiB/s", "/s", "1/1m", "5/10s", "1000/30d", "1/w", "1/2w1d",
		"1/1d12h", "1/+5s", "1/d", "007/s", "1/s5s", "1/w2d3h", "1/.5s", "200", "200-299", "100-599", "-1/s", "1/", "1e3s",
	} {
		f.Add(text)
	}
	matches := func(pattern, text string) bool { return regexp.MustCompile(pattern).MatchString(text) }
	f.Fuzz(func(t *testing.T, text string) {
		if _, err := parseDuration(text); err == nil {
			require.True(t, matches(durationPattern, text))
		}
		if _, err := ParseSize(text); err == nil {
			require.True(t, matches(sizePattern, text))
		}
		if _, err := ParseRate(text); err == nil {
			require.True(t, matches(ratePattern, text))
		}
		if _, err := gcra.ParseRefill(text); err == nil {
			require.True(t, matches(refillPattern, text))
		}
		if _, err := balancer.ParseStatusRange(text); err == nil {
			require.True(t, matches(statusPattern, text))
		}
	})
}
