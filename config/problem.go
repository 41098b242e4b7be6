package config

import (
	"cmp"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Problem is one thing that is wrong in a configuration, or worth a warning.
type Problem struct {
	// Source is where the value is from: a file, a flag or an environment variable; "" if unknown.
	Source string
	// Line is the line in that file, from 1; 0 if it isn't known exactly.
	Line int
	// Key is the full key path, such as "pools.default.backends[1].url"; "" for a syntax error.
	Key string
	// Text is what is there and what was wanted. It never holds a secret.
	Text string
}

// String is the problem on one line, such as "config.toml:12: admin.listen: ...", without the parts
// that aren't known.
func (p Problem) String() string {
	var b strings.Builder
	if p.Source != "" {
		b.WriteString(p.Source)
		if p.Line > 0 {
			b.WriteString(":" + strconv.Itoa(p.Line))
		}
		b.WriteString(": ")
	}
	if p.Key != "" {
		b.WriteString(p.Key + ": ")
	}
	b.WriteString(p.Text)
	return b.String()
}

// Problems is the error of a configuration that can't be used: everything that is wrong with it, in
// the order of the file's lines. Problems without a line come last.
type Problems []Problem

// Error is the problems, one a line.
func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i, problem := range p {
		lines[i] = problem.String()
	}
	return strings.Join(lines, "\n")
}

// report collects problems, and knows where each value is from.
type report struct {
	source   string            // the document's name
	lines    map[string]int    // key path to line, for the keys of the document
	set      map[string]string // key path to the flag or variable that set it
	former   map[string]string // key path with a former name to the present name
	problems Problems
	// told are the keys of the problems. troubled are those, and the tables that they are in.
	told     map[toldKey]bool
	troubled map[string]bool
}

// toldKey is the key of a problem and the source of its value.
type toldKey struct{ source, key string }

// override remembers which flags and variables set keys.
func (r *report) override(by map[string]string) {
	maps.Copy(r.set, by)
}

// add adds a problem with a key, unless there is one from the same source with the key or with a
// table that it is in. A value that could not be read isn't checked any further.
func (r *report) add(key, format string, args ...any) {
	if r.failed(key) {
		return
	}
	source, line := r.place(key)
	r.problems = append(r.problems, Problem{source, line, key, fmt.Sprintf(format, args...)})
	if r.told == nil {
		r.told, r.troubled = map[toldKey]bool{}, map[string]bool{}
	}
	r.told[toldKey{source, key}] = true
	for table := range enclosing(key) {
		r.troubled[table] = true
	}
}

// failed reports whether there is a problem with a key, or with a table that it is in, from the
// key's source. A flag's value is checked even if the file's value was wrong too.
func (r *report) failed(key string) bool {
	source, _ := r.place(key)
	for table := range enclosing(key) {
		if r.told[toldKey{source, table}] {
			return true
		}
	}
	return false
}

// anyFailed reports whether there is a problem with one of these keys of a table, or below one.
func (r *report) anyFailed(table string, names ...string) bool {
	return slices.ContainsFunc(names, func(name string) bool {
		return r.troubled[join(table, name)] || r.failed(join(table, name))
	})
}

// enclosing are the paths that a key is within, its own last. Dots in quotes give paths that no key
// has.
func enclosing(key string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for i := 1; i <= len(key); i++ {
			if (i == len(key) || key[i] == '.' || key[i] == '[') && !yield(key[:i]) {
				return
			}
		}
	}
}

// given reports whether a key was set, even to its default.
func (r *report) given(key string) bool {
	_, inDocument := r.lines[key]
	_, past := r.set[key]
	return inDocument || past
}

// place returns what set a key, and on which line if that was the document. A flag or variable
// hides everything that the document has below its key.
func (r *report) place(key string) (source string, line int) {
	nearest := ""
	for past := range r.set {
		if within(key, past) && len(past) > len(nearest) {
			nearest = past
		}
	}
	if nearest != "" {
		return r.set[nearest], 0
	}
	return r.source, r.lines[key]
}

// sorted returns the problems in the order of their lines, those without one last.
func (r *report) sorted() Problems {
	slices.SortStableFunc(r.problems, func(a, b Problem) int {
		if (a.Line == 0) != (b.Line == 0) {
			return cmp.Compare(b.Line, a.Line)
		}
		return cmp.Compare(a.Line, b.Line)
	})
	return r.problems
}

// within reports whether a key path is the other or below it. Nothing is within "".
func within(key, above string) bool {
	rest, found := strings.CutPrefix(key, above)
	return found && above != "" && (rest == "" || rest[0] == '.' || rest[0] == '[')
}
