package config

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"
	"github.com/stretchr/testify/require"
)

// linesOf are the lines of the keys of a document.
func linesOf(document string) map[string]int {
	lines := map[string]int{}
	for key, source := range keyLines("c.toml", document) {
		lines[key] = source.Line
	}
	return lines
}

func TestKeyLines(t *testing.T) {
	f := func(document string, want map[string]int) {
		t.Helper()
		var tree map[string]any
		_, err := toml.Decode(document, &tree)
		require.NoError(t, err)
		require.Equal(t, want, linesOf(document))
	}

	f("", map[string]int{})
	f("# a = 1\n\n", map[string]int{})
	f("a = 1\nb = 2 # c = 3\n\n  d=4", map[string]int{"a": 1, "b": 2, "d": 4})
	f("\ufeffa = 1\r\nb = 2\r\n", map[string]int{"a": 1, "b": 2})
	f("[a]\nb = 1\n[c.d]\ne = 2", map[string]int{"a": 1, "a.b": 2, "c": 3, "c.d": 3, "c.d.e": 4})
	f("[a.b]\nc = 1\n[a]\nd = 2", map[string]int{"a": 3, "a.b": 1, "a.b.c": 2, "a.d": 4})
	f("a.b.c = 1\na.b.d = 2", map[string]int{"a": 1, "a.b": 1, "a.b.c": 1, "a.b.d": 2})
	f("\"a.b\".'c d' = 1\n[ x . \"\" ]\n\"\\u0041\\t\" = 2", map[string]int{
		`"a.b"`: 1, `"a.b"."c d"`: 1, "x": 2, `x.""`: 2, `x."".` + `"A\t"`: 3,
	})

	// Strings that look like something else.
	f("a = \"[b]\\\"\\\\\"\nb = 1", map[string]int{"a": 1, "b": 2})
	f("a = '[b]\\'\nb = '''\n[c]\nd = 1\n''''\ne = 1", map[string]int{"a": 1, "b": 2, "e": 6})
	f("a = \"\"\"\nb = 1\n\\\"\"\" \\\\\"\"\"\"\"\nc = \"\"", map[string]int{"a": 1, "c": 4})
	f("a = \"\"\"\"\"\"\nb = ''\nc = 1979-05-27 07:32:00", map[string]int{"a": 1, "b": 2, "c": 3})

	// Arrays and inline tables.
	f("a = [ # one\n  1, [2,\n 3], # ]\n  'x',\n]\nb = []", map[string]int{
		"a": 1, "a[0]": 2, "a[1]": 2, "a[1][0]": 2, "a[1][1]": 3, "a[2]": 4, "b": 6,
	})
	f("a = [\n  \"x\",\n  { b = 1, c.d = {} },\n  {},\n]", map[string]int{
		"a": 1, "a[0]": 2, "a[1]": 3, "a[1].b": 3, "a[1].c": 3, "a[1].c.d": 3, "a[2]": 4,
	})
	f("[[a]]\nb = 1\n[[a.c]]\nd = 1\n[[a.c]]\n[a.e]\nf = 1\n[[a]]\n[[a.c]]\nd = 2", map[string]int{
		"a": 1, "a[0]": 1, "a[0].b": 2, "a[0].c": 3, "a[0].c[0]": 3, "a[0].c[0].d": 4, "a[0].c[1]": 5,
		"a[0].e": 6, "a[0].e.f": 7, "a[1]": 8, "a[1].c": 9, "a[1].c[0]": 9, "a[1].c[0].d": 10,
	})
}

// FuzzKeyLines holds the scanner against the parser. Both find the same key paths in whatever the
// parser accepts, and each line that the scanner names exists.
func FuzzKeyLines(f *testing.F) {
	for _, seed := range []string{
		"a = 1\n[b.c]\nd = [1, {e = 'f'}]\n[[g]]\n[[g]]\nh.i = \"\"\"\n\"\"\"\"\"\n",
		"\"a\\tb\" = '''x'''\n'c d'.e = 1e5\n", "[[a.b]]\n[a]\nb.c = 1\n", "a = [[], [[]]]\r\nb = {}\r\n# c", "a = 07:32:00 # x\nb = inf",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, document string) {
		lines := linesOf(document) // must end, whatever the text
		tree, syntax := parseTree("", []byte(document))
		if syntax != nil {
			return
		}
		want := map[string]bool{}
		for name, value := range tree {
			collectKeys(want, Join("", name), value)
		}
		require.ElementsMatch(t, slices.Collect(maps.Keys(want)), slices.Collect(maps.Keys(lines)))
		for _, line := range lines {
			require.Positive(t, line)
			require.LessOrEqual(t, line, strings.Count(document, "\n")+1)
		}
	})
}

// collectKeys adds the path of a value and of all that is in it.
func collectKeys(keys map[string]bool, key string, value any) {
	keys[key] = true
	switch v := value.(type) {
	case map[string]any:
		for name, inner := range v {
			collectKeys(keys, Join(key, name), inner)
		}
	case []map[string]any:
		for i, inner := range v {
			collectKeys(keys, Element(key, i), inner)
		}
	case []any:
		for i, inner := range v {
			collectKeys(keys, Element(key, i), inner)
		}
	}
}
