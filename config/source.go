package config

import (
	"cmp"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"gopher-equalizer/limiter/gcra"
	"gopher-equalizer/proxy/route"
)

// Source is what set a key. The zero value is nothing, so the key has its default.
type Source struct {
	// Name is a file's, a flag's such as "--listen", or an environment variable's.
	Name string
	// Line is the line in the file, from 1; 0 if it isn't known exactly.
	Line int
}

// String is the source as messages have it: "equalizer.toml:12", "--listen"; "" for nothing.
func (s Source) String() string {
	switch {
	case s.Line == 0:
		return s.Name
	case s.Name == "":
		return "line " + strconv.Itoa(s.Line)
	}
	return s.Name + ":" + strconv.Itoa(s.Line)
}

// Sources are what set the keys of a Config. The zero value is that nothing set any.
type Sources struct {
	document string            // the name of the main file; "" without one
	lines    map[string]Source // by key path, for the keys of documents
	set      map[string]string // key path to the flag or variable that set it
	// references are the values that came from ${...}, by key path.
	references map[string]reference
	// inFile has the lists whose last elements are in a file that another key names, each with how
	// many come before those.
	inFile map[string]int
}

// Of is what set a key, or a table that it is in. A flag or variable hides everything that the
// document has below its key. key is a path by position, such as "routes[0].methods".
func (s Sources) Of(key string) Source {
	nearest := ""
	for past := range s.set {
		if within(key, past) && len(past) > len(nearest) {
			nearest = past
		}
	}
	if nearest != "" {
		return Source{Name: s.set[nearest]}
	}
	return s.lines[key]
}

// given reports whether a key was set, even to its default.
func (s Sources) given(key string) bool {
	_, inDocument := s.lines[key]
	_, past := s.set[key]
	return inDocument || past
}

// reference is a key's value as the document has it, if that has a reference in it and nothing that
// wins over the document set the key.
func (s Sources) reference(key string) (reference, bool) {
	ref, ok := s.references[key]
	if ok {
		for past := range s.set {
			ok = ok && !within(key, past)
		}
	}
	return ref, ok
}

// Shown is the value of a key for a message or a view: the reference that it came from, if it did.
func (s Sources) Shown(key, value string) string {
	if ref, ok := s.reference(key); ok {
		return ref.text
	}
	return value
}

// shownSum is a sum of the values of keys for a message, unless one of them came from a reference.
func (s Sources) shownSum(sum time.Duration, keys ...string) string {
	for _, key := range keys {
		if ref, ok := s.reference(key); ok {
			return "with " + ref.text
		}
	}
	return gcra.ShortDuration(sum)
}

// RouteName is the name of the valid route at a key, such as "routes[0]", as it may be shown.
func (s Sources) RouteName(key string, one Route) string {
	pattern, _ := one.Pattern()
	return s.routeName(key, one, pattern)
}

// routeName is the name of a route for messages: its own, or else the host and the prefix.
func (s Sources) routeName(key string, one Route, p route.Pattern) string {
	_, byHost := s.reference(Join(key, "host"))
	_, byPrefix := s.reference(Join(key, "path_prefix"))
	switch {
	case one.Name != "":
		return s.Shown(Join(key, "name"), one.Name)
	case byHost || byPrefix:
		return s.Shown(Join(key, "host"), one.Host) + s.Shown(Join(key, "path_prefix"), one.PathPrefix)
	}
	return p.DisplayName()
}

// Redacted is a text without the values that came from references, should it quote one.
func (s Sources) Redacted(text string) string { return Redacted(text, s) }

// Redacted is a text without the values that came from references of any of the sources.
func Redacted(text string, all ...Sources) string {
	values := map[string]string{}
	for _, s := range all {
		for _, ref := range s.references {
			if ref.value != "" {
				values[ref.value] = ref.text
			}
		}
	}
	longestFirst := func(a, b string) int { return cmp.Or(cmp.Compare(len(b), len(a)), cmp.Compare(a, b)) }
	for _, value := range slices.SortedFunc(maps.Keys(values), longestFirst) {
		text = redact(text, value, values[value])
	}
	return text
}

// redact puts a reference in the place of its value. A short value is only taken for one as a word
// by itself, since other words have it in them by chance.
func redact(text, value, ref string) string {
	const short = 4
	if len(value) >= short {
		return strings.ReplaceAll(text, value, ref)
	}
	word := regexp.MustCompile(`(^|[^\pL\pN])` + regexp.QuoteMeta(value) + `($|[^\pL\pN])`)
	return word.ReplaceAllString(text, "${1}"+strings.ReplaceAll(ref, "$", "$$")+"${2}")
}
