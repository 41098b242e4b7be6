package config

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
)

// reader reads the documents of a configuration into one tree: the main one, and those that its
// include names. They can't include others: with one list of all files, in one place, nobody has to
// search for where a key is from, and there are no circles.
type reader struct {
	*report
	expander
	merged map[string]any
}

// newReader makes a reader of documents that are relative to the main one's folder.
func newReader(r *report, d disk, getenv func(string) string) *reader {
	reader := &reader{report: r, merged: map[string]any{}}
	reader.expander = expander{report: r, disk: d, getenv: getenv, folder: filepath.Dir(r.document)}
	return reader
}

// all reads the main document, and then those that it includes. It reports whether there is no
// syntax error, which would hide what is behind it.
func (r *reader) all(data []byte) bool {
	if !r.parse(r.document, data) {
		return false
	}
	good := true
	for _, file := range r.included() {
		r.readAlso(file.path)
		data, _, err := readFile(r.disk, file.path, maxIncluded)
		if err != nil {
			r.problems = append(r.problems, Problem{Source: file.name, Text: "can't be read: " + err.Error()})
			good = false
			continue
		}
		if len(bytes.TrimSpace(data)) == 0 {
			r.problems = append(r.problems, Problem{Source: file.name, Text: "it is empty, and may be half-written; want keys or a comment in it, or the file removed"})
			continue
		}
		good = r.parse(file.name, data) && good
	}
	r.backendsFiles()
	return good
}

// parse adds a document to the tree.
func (r *reader) parse(name string, data []byte) bool {
	r.documents = append(r.documents, name)
	tree, syntax := parseTree(name, data)
	if syntax != nil {
		r.problems = append(r.problems, *syntax)
		return false
	}
	lines := keyLines(name, string(data))
	if name != r.document {
		r.noInclude(tree, lines)
		for _, list := range lists {
			lines = r.append(list, tree, lines)
		}
	}
	for key, source := range lines {
		if _, known := r.lines[key]; !known {
			r.lines[key] = source
		}
	}
	r.expander.tree("", tree)
	r.merge("", r.merged, tree, lines)
	return true
}

// lists are the arrays of tables that several documents may add to, each as its tables are named.
var lists = [][]string{{"routes"}, {"listeners"}, {"tls", "certificates"}, {"tls", "hosts"}}

// append has the elements of a list in an included document come behind those that are there. It
// returns the lines of the document with their new positions.
func (r *reader) append(list []string, tree map[string]any, lines map[string]Source) map[string]Source {
	name := list[len(list)-1]
	before, _ := elements(tableOf(r.merged, list)[name])
	table := tableOf(tree, list)
	if own, ok := elements(table[name]); ok {
		table[name] = slices.Concat(make([]any, len(before)), own)
	}
	return shifted(Join("", list...), lines, len(before))
}

// tableOf is the table that a list is in; nil if there is none.
func tableOf(tree map[string]any, list []string) map[string]any {
	for _, name := range list[:len(list)-1] {
		tree, _ = tree[name].(map[string]any)
	}
	return tree
}

// isList reports whether several documents may add to the array with a key.
func isList(key string) bool {
	return slices.ContainsFunc(lists, func(list []string) bool { return Join("", list...) == key })
}

// noInclude refuses an include of a document that is included.
func (r *reader) noInclude(tree map[string]any, lines map[string]Source) {
	if _, there := tree["include"]; !there {
		return
	}
	delete(tree, "include")
	r.addAt(lines["include"], "include", fmt.Sprintf("this file is included, and can't include others; want them in %s", r.document))
}

// shifted moves the elements of a document's list back by so many positions.
func shifted(list string, lines map[string]Source, by int) map[string]Source {
	moved := make(map[string]Source, len(lines))
	for key, source := range lines {
		if rest, ok := strings.CutPrefix(key, list+"["); ok {
			number, rest, _ := strings.Cut(rest, "]")
			i, _ := strconv.Atoi(number) // keyLines wrote it.
			key = Element(list, i+by) + rest
		}
		moved[key] = source
	}
	return moved
}

// merge adds the keys of a document's table to those of the documents before it. Every key is in
// one of them, and every pool and every limit whole.
func (r *reader) merge(table string, into, from map[string]any, lines map[string]Source) {
	for _, name := range slices.Sorted(maps.Keys(from)) {
		key := Join(table, name)
		before, there := into[name]
		outer, wasTable := before.(map[string]any)
		inner, isTable := from[name].(map[string]any)
		first, wasList := elements(before)
		more, addsTo := elements(from[name])
		switch {
		case !there:
			into[name] = from[name]
		case wasTable && isTable && table != "pools" && table != "limits":
			r.merge(key, outer, inner, lines)
		case wasList && addsTo && isList(key):
			into[name] = slices.Concat(first, more[len(first):])
		default:
			r.addAt(lines[key], key, fmt.Sprintf("it is in %s already; want it in one place", r.lines[key]))
		}
	}
}

// includedFile is a file to read, and its name in messages.
type includedFile struct{ path, name string }

// included are the files that the main document includes, in order, each once.
func (r *reader) included() []includedFile {
	patterns, _ := elements(r.merged["include"])
	var all []includedFile
	for i, pattern := range patterns {
		key := Element("include", i)
		text, ok := pattern.(string)
		if !ok || r.failed(key) {
			continue // The decoder tells of what is no string.
		}
		found, err := r.matches(text)
		switch {
		case err != nil:
			r.add(key, "%s: %s", show(text), err.Error())
		case len(found) == 0:
			r.unmatched = append(r.unmatched, key)
		}
		for _, path := range found {
			known := func(f includedFile) bool { return f.path == path }
			if !slices.ContainsFunc(all, known) && path != filepath.Clean(r.document) {
				all = append(all, includedFile{path, r.nameOf(key, path)})
			}
		}
	}
	return all
}

// nameOf is an included file's name in messages: its path, without what came from a reference.
func (r *reader) nameOf(key, path string) string {
	ref, ok := r.reference(key)
	switch {
	case !ok:
		return path
	case isPattern(ref.value):
		return r.Redacted(filepath.Join(filepath.Dir(ref.text), filepath.Base(path)))
	}
	return ref.text
}

func isPattern(path string) bool { return strings.ContainsAny(path, `*?[`) }

// matches are the files that a pattern, or a plain name, stands for. Names that begin with a dot
// are only matched by patterns that do, as in shells: editors keep their own files there.
func (r *reader) matches(pattern string) ([]string, error) {
	if pattern == "" || strings.ContainsRune(pattern, 0) {
		return nil, errors.New("it names no file; want one, or a pattern such as conf.d/*.toml")
	}
	pattern = filepath.Clean(pattern)
	if !isPattern(pattern) {
		return []string{relativeTo(r.folder, pattern)}, nil
	}
	found, err := r.glob(pattern)
	if err != nil {
		return nil, errors.New("it is no pattern; want one such as conf.d/*.toml")
	}
	if err := r.foldersOf(pattern); err != nil {
		return nil, err
	}
	hidden := strings.HasPrefix(filepath.Base(pattern), ".")
	return slices.DeleteFunc(found, func(file string) bool {
		return !hidden && strings.HasPrefix(filepath.Base(file), ".")
	}), nil
}

// foldersOf remembers the folders that a pattern looks into, since a file or a folder may come. One
// that can't be read is an error, since Glob passes over it.
func (r *reader) foldersOf(pattern string) error {
	folder := filepath.Dir(pattern)
	var unread error
	for ; isPattern(folder); folder = filepath.Dir(folder) {
		found, _ := r.glob(folder) // The whole pattern has no mistake.
		for _, one := range found {
			if info, err := r.disk.Stat(one); err == nil && info.IsDir() {
				unread = cmp.Or(unread, r.lookInto(one))
			}
		}
	}
	return cmp.Or(unread, r.lookInto(relativeTo(r.folder, folder)))
}

// lookInto remembers a folder. Without one there is nothing to read.
func (r *reader) lookInto(folder string) error {
	r.readAlso(folder)
	if _, err := r.disk.ReadDir(folder); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("a folder that it looks into can't be read: %w", withoutPath(err))
	}
	return nil
}

// warnUnmatched warns of patterns of include that match no file, as where a folder has vanished.
func (r *report) warnUnmatched() {
	for _, key := range r.unmatched {
		r.add(key, "it matches no file, so nothing is included by it")
	}
}

// glob is what a pattern matches, sorted. The folder that it is relative to is taken as it is.
func (r *reader) glob(pattern string) ([]string, error) {
	folder := r.folder
	if runtime.GOOS != "windows" { // where patterns have no escapes
		folder = strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(folder)
	}
	return r.disk.Glob(relativeTo(folder, pattern))
}

// relativeTo is a path that is relative to a folder, if it is a relative one.
func relativeTo(folder, path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(folder, path)
}
