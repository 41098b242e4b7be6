package config

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Problem is one thing that is wrong, or worth a warning, in a configuration.
type Problem struct {
	// Source is what said so: a file, a flag or an environment variable. "" where it isn't known.
	Source string
	// Line is the line in that file, from 1, or 0 where it isn't known exactly.
	Line int
	// Key is the full key path, "pools.default.backends[1].url"; "" for a syntax error.
	Key string
	// Text says what is there and what was wanted. It never holds a secret.
	Text string
}

// String is the problem on one line: "config.toml:12: admin.listen: ...", without what
// isn't known.
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

// Problems is the error of a configuration that can't be used: all that is wrong with
// it, in the order of the file's lines; what has no line comes last.
type Problems []Problem

// Error is the problems, one a line.
func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i, problem := range p {
		lines[i] = problem.String()
	}
	return strings.Join(lines, "\n")
}

// report collects problems and knows where the document that they are about says what.
type report struct {
	source   string            // the document's name
	lines    map[string]int    // key path to line, for what the document says
	set      map[string]string // key path to who set it past the document: a flag, a variable
	former   map[string]string // key path with a former name to that key's name now
	problems Problems
}

// override remembers who set keys past the document.
func (r *report) override(who map[string]string) {
	maps.Copy(r.set, who)
}

// add notes a problem with a key, unless one was noted from the same source with the key
// or with what it is part of: a value that could not be read isn't judged again.
func (r *report) add(key, format string, args ...any) {
	if r.failed(key) {
		return
	}
	source, line := r.place(key)
	r.problems = append(r.problems, Problem{source, line, key, fmt.Sprintf(format, args...)})
}

// failed reports whether a problem was noted with a key, or with what it is part of, as its
// source has it. What a flag set is judged even where the file's value was wrong too.
func (r *report) failed(key string) bool {
	source, _ := r.place(key)
	return slices.ContainsFunc(r.problems, func(p Problem) bool {
		return p.Source == source && within(key, p.Key)
	})
}

// given reports whether anybody set a key, be it to its default.
func (r *report) given(key string) bool {
	_, inDocument := r.lines[key]
	_, past := r.set[key]
	return inDocument || past
}

// place says who set a key, and on which line if that was the document. What is set
// past the document hides all that the document says below that key.
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

// within reports whether a key path is another one or lies below it. Nothing is within "".
func within(key, above string) bool {
	rest, found := strings.CutPrefix(key, above)
	return found && above != "" && (rest == "" || rest[0] == '.' || rest[0] == '[')
}
