package config

import (
	"bytes"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// A file of backends, [Pool.BackendsFile], has one on each line: its URL, and behind it the other
// keys of a [Backend]. A key without a value is true.
//
//	# the web servers
//	http://10.0.0.1:8080
//	http://10.0.0.2:8080 weight=2 max_in_flight=50
//	http://10.0.0.3:8080 backup    # another data centre
//
// It is the form of the lines of servers of nginx and HAProxy, without the word in front. Programs
// write such files, often scripts of a shell: they print a line for each backend, and need no
// library that quotes. What changed is a line, and a mistake is one, too. In TOML or JSON a single
// one would hide those behind it.
//
// A file that is cut while it is written could name another port in its last line. So every line
// ends with a line break, and a file without a backend is a mistake. That it is cut between two
// lines can't be seen, so programs had better write another file, and rename it.
//
// The programs need not have the rights of who writes the configuration: ${...}, which could read
// any file, is refused.

// listedBackend is a line of a file of backends.
type listedBackend struct {
	line int
	// keys are the keys of a Backend as TOML has them.
	keys map[string]any
}

// maxListed is how many backends a file may have.
const maxListed = 10_000

// parseBackends reads a file of backends. The problems have a Line, if they are those of one, and a
// Text.
func parseBackends(data []byte) (all []listedBackend, problems []Problem) {
	add := func(line int, format string, args ...any) {
		problems = append(problems, Problem{Line: line, Text: fmt.Sprintf(format, args...)})
	}
	switch {
	case len(bytes.TrimSpace(data)) == 0:
		add(0, "it is empty, and may be half-written; want a backend on each line")
		return nil, problems
	case !utf8.Valid(data):
		add(0, "it isn't UTF-8; want text in UTF-8")
		return nil, problems
	}
	lines := strings.Split(strings.TrimPrefix(string(data), "\ufeff"), "\n")
	for i, text := range lines[:len(lines)-1] {
		keys, err := parseListed(strings.TrimSuffix(text, "\r"))
		if err != nil {
			add(i+1, "%v", err)
		} else if keys != nil {
			all = append(all, listedBackend{i + 1, keys})
		}
	}
	switch {
	case strings.TrimSpace(lines[len(lines)-1]) != "":
		add(len(lines), "no line break ends the line, so the file may be half-written; want one")
	case len(all) == 0 && len(problems) == 0:
		add(0, "there is no backend in it, and it may be half-written; want one on each line")
	case len(all) > maxListed:
		add(0, "it has %d backends; want at most %d", len(all), maxListed)
	}
	return all, problems
}

// parseListed reads a line. There are no keys if it has no backend.
func parseListed(line string) (map[string]any, error) {
	fields := strings.FieldsFunc(line, func(c rune) bool { return c == ' ' || c == '\t' })
	if comment := slices.IndexFunc(fields, func(f string) bool { return f[0] == '#' }); comment >= 0 {
		fields = fields[:comment]
	}
	if len(fields) == 0 {
		return nil, nil
	}
	if strings.Contains(line, "${") {
		return nil, fmt.Errorf("%s: references mean nothing in this file; want what it stands for", show("${"))
	}
	keys := map[string]any{"url": fields[0]}
	for _, field := range fields[1:] {
		name, text, hasValue := strings.Cut(field, "=")
		if _, there := keys[name]; there {
			return nil, fmt.Errorf("%s is there twice; want it once", show(name))
		}
		switch number, err := strconv.ParseInt(text, 10, 64); {
		case !hasValue || text == "true":
			keys[name] = true
		case text == "false":
			keys[name] = false
		case err == nil:
			keys[name] = number
		default:
			keys[name] = text
		}
	}
	return keys, nil
}

// backendsFiles adds the backends that are in files to the pools of the tree, behind their own.
func (r *reader) backendsFiles() {
	pools, _ := r.merged["pools"].(map[string]any)
	for _, name := range slices.Sorted(maps.Keys(pools)) {
		pool, _ := pools[name].(map[string]any)
		file, _ := pool["backends_file"].(string)
		own, isList := elements(pool["backends"])
		if file == "" || !isList && pool["backends"] != nil {
			continue // The decoder tells of what has another kind.
		}
		listed := r.readBackends(Join("pools", name), file, len(own), r.disk)
		if len(listed) > 0 {
			pool["backends"] = slices.Concat(own, listed)
		}
	}
}

// readBackends are the backends in the file of a pool, as TOML has them. They come behind so many
// others.
func (r *report) readBackends(pool, file string, behind int, d disk) (all []any) {
	key, list := Join(pool, "backends_file"), Join(pool, "backends")
	data, _, err := readFile(d, file, maxIncluded)
	if err != nil {
		r.add(key, "%s: %s; want a file with a backend on each line", show(file), err.Error())
		return nil
	}
	name := r.Shown(key, file)
	if !slices.Contains(r.documents, name) {
		r.documents = append(r.documents, name)
	}
	listed, problems := parseBackends(data)
	for _, p := range problems {
		r.addAt(Source{name, p.Line}, key, p.Text)
	}
	if _, there := r.lines[list]; !there {
		r.lines[list] = Source{Name: name}
	}
	r.inFile[list] = behind
	for i, b := range listed {
		at := Element(list, behind+i)
		r.lines[at] = Source{name, b.line}
		for of := range b.keys {
			r.lines[Join(at, of)] = Source{name, b.line}
		}
		all = append(all, b.keys)
	}
	return all
}

// isInFile reports whether an element of a list is in a file that another key names.
func (s Sources) isInFile(list string, i int) bool {
	first, ok := s.inFile[list]
	_, past := s.set[list]
	return ok && !past && i >= first
}

// BackendsFiles are the files of pools' backends, by the pools' names.
func (c Config) BackendsFiles() map[string]string {
	files := map[string]string{}
	for name, pool := range c.Pools {
		if pool.BackendsFile != "" {
			files[name] = pool.BackendsFile
		}
	}
	return files
}

// RereadBackends is l with the backends that are in a pool's BackendsFile now. Nothing else is read
// again. The error is Problems.
func (l Loaded) RereadBackends(name string) (Loaded, error) {
	key, pool := Join("pools", name), l.Config.Pools[name]
	list := Join(key, "backends")
	r := newReport(l.Sources.document)
	r.set, r.references = l.Sources.set, l.Sources.references
	maps.Copy(r.inFile, l.Sources.inFile)
	for at, source := range l.Sources.lines {
		if !l.Sources.isFrom(list, at) {
			r.lines[at] = source
		}
	}
	own := min(l.Sources.inFile[list], len(pool.Backends))
	pool.Backends = slices.Clone(pool.Backends[:own])
	for i, keys := range r.readBackends(key, pool.BackendsFile, own, realDisk{}) {
		value := newElement(reflect.TypeFor[Backend]())
		decoder{r}.value(Element(list, own+i), keys, value)
		pool.Backends = append(pool.Backends, value.Interface().(Backend))
	}
	c := l.Config
	c.Pools = maps.Clone(c.Pools)
	c.Pools[name] = pool
	c.validate(r)
	if len(r.problems) > 0 {
		return l, r.sorted()
	}
	l.Config, l.Sources = c, r.Sources
	return l, nil
}

// isFrom reports whether a key is that of a backend that is in a file, or within one, or that of
// the list, if all of that is in the file.
func (s Sources) isFrom(list, key string) bool {
	rest, below := strings.CutPrefix(key, list+"[")
	number, _, _ := strings.Cut(rest, "]")
	i, err := strconv.Atoi(number)
	return below && err == nil && s.isInFile(list, i) || key == list && s.lines[key].Line == 0
}
