package config

import (
	"cmp"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
)

// report collects problems, and knows where each value is from.
type report struct {
	Sources
	former    map[string]string // key path with a former name to the present name
	documents []string          // the names of the documents, in order
	files     []string          // what was read, in order, and folders that were looked into
	unmatched []string          // keys of patterns of files that match none
	open      []string          // keys of files with secrets that everybody can open
	problems  Problems
	// told are the keys of the problems. troubled are those, and the tables that they are in.
	told     map[toldKey]bool
	troubled map[string]bool
}

// toldKey is the key of a problem and the source of its value.
type toldKey struct{ source, key string }

// newReport makes a report about a configuration whose main document has this name.
func newReport(document string) *report {
	return &report{
		Sources: Sources{
			document: document, lines: map[string]Source{}, set: map[string]string{}, references: map[string]reference{},
			inFile: map[string]int{},
		},
		former: map[string]string{},
	}
}

// override remembers which flags and variables set keys.
func (r *report) override(by map[string]string) {
	maps.Copy(r.set, by)
}

// readAlso remembers a file that is read.
func (r *report) readAlso(path string) {
	if !slices.Contains(r.files, path) {
		r.files = append(r.files, path)
	}
}

// add adds a problem with a key, unless there is one from the same source with the key or with a
// table that it is in. A value that could not be read isn't checked any further.
func (r *report) add(key, format string, args ...any) {
	if r.failed(key) {
		return
	}
	if ref, ok := r.reference(key); ok {
		args = ref.hide(format, args)
	}
	source, line := r.place(key)
	r.addAt(Source{source, line}, key, fmt.Sprintf(format, args...))
}

// addChecked adds the problems that were found by opening something, also several with one key, but
// none with a key that had one before. Their texts may have the whole value of a key, but no parts
// of one.
func (r *report) addChecked(found []Problem) {
	found = slices.DeleteFunc(slices.Clone(found), func(p Problem) bool { return r.failed(p.Key) })
	for _, p := range found {
		source, line := r.place(p.Key)
		r.addAt(Source{source, line}, p.Key, p.Text)
	}
}

// addAt adds a problem with a key at a place that isn't the key's, or isn't its only one.
func (r *report) addAt(at Source, key, text string) {
	source := at.Name
	r.problems = append(r.problems, Problem{source, at.Line, key, r.Redacted(text)})
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
		return r.troubled[Join(table, name)] || r.failed(Join(table, name))
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

// place returns what set a key, or else the document, where it is missing.
func (r *report) place(key string) (source string, line int) {
	if from := r.Of(key); from != (Source{}) {
		return from.Name, from.Line
	}
	return r.document, 0
}

// sorted returns the problems in the order of the files and of their lines, those without one last.
func (r *report) sorted() Problems {
	slices.SortStableFunc(r.problems, func(a, b Problem) int {
		if (a.Line == 0) != (b.Line == 0) {
			return cmp.Compare(b.Line, a.Line)
		}
		return cmp.Or(cmp.Compare(slices.Index(r.documents, a.Source), slices.Index(r.documents, b.Source)), cmp.Compare(a.Line, b.Line))
	})
	return r.problems
}

// within reports whether a key path is the other or below it. Nothing is within "".
func within(key, above string) bool {
	rest, found := strings.CutPrefix(key, above)
	return found && above != "" && (rest == "" || rest[0] == '.' || rest[0] == '[')
}
