package config

import (
	"strconv"
	"strings"

	"github.com/BurntSushi/toml"
)

// keyLines finds where in a TOML document each key and each array element is, by full key path,
// such as "server.listen" or "pools.default.backends[1].url". A table's line is that of its header,
// or else where its name is first written.
//
// toml.MetaData has the keys' order but not their lines. In a document that toml.Decode has
// accepted they can be found exactly, since only strings, comments and brackets can hide a key.
func keyLines(name, document string) map[string]Source {
	s := &scanner{
		text:   strings.TrimPrefix(document, "\ufeff"),
		line:   1,
		lines:  map[string]int{},
		tables: map[string]int{},
	}
	table := ""
	for s.skip(blank); s.more(); s.skip(blank) {
		if s.peek() == '[' {
			table = s.header()
		} else {
			s.pair(table)
		}
	}
	sources := make(map[string]Source, len(s.lines))
	for key, line := range s.lines {
		sources[key] = Source{name, line}
	}
	return sources
}

// scanner walks a valid TOML document. It ends on every other text too, without a promise about
// what it finds.
type scanner struct {
	text   string
	pos    int
	line   int
	lines  map[string]int
	tables map[string]int // how many elements each array of tables has so far
}

const (
	space = " \t"
	blank = " \t\r\n"
)

func (s *scanner) more() bool   { return s.pos < len(s.text) }
func (s *scanner) rest() string { return s.text[s.pos:] }

// peek is the next byte; 0 at the end.
func (s *scanner) peek() byte {
	if !s.more() {
		return 0
	}
	return s.text[s.pos]
}

// to moves to a position further on, but not past the end.
func (s *scanner) to(pos int) {
	pos = min(pos, len(s.text))
	s.line += strings.Count(s.text[s.pos:pos], "\n")
	s.pos = pos
}

// skip passes over the characters of a set and, if a newline is one of them, over comments.
func (s *scanner) skip(set string) {
	for s.more() {
		switch {
		case strings.IndexByte(set, s.peek()) >= 0:
			s.to(s.pos + 1)
		case s.peek() == '#' && strings.Contains(set, "\n"):
			s.until("\n")
		default:
			return
		}
	}
}

// until moves to the first byte that is in a set, or to the end.
func (s *scanner) until(set string) {
	n := strings.IndexAny(s.rest(), set)
	if n < 0 {
		n = len(s.rest())
	}
	s.to(s.pos + n)
}

// note remembers where a key is first written.
func (s *scanner) note(key string, line int) {
	if _, known := s.lines[key]; !known {
		s.lines[key] = line
	}
}

// header reads [a.b] or [[a.b]] and returns the path of the table that it opens.
func (s *scanner) header() string {
	line, open := s.line, 1
	if strings.HasPrefix(s.rest(), "[[") {
		open = 2
	}
	s.to(s.pos + open)
	table, last := s.tableOf("", s.names(), line)
	key := Join(table, last)
	s.note(key, line)
	if open == 2 {
		key = Element(key, s.tables[key])
		s.tables[Join(table, last)]++
	}
	s.lines[key] = line // even if the table was named before
	s.to(s.pos + open)
	return key
}

// tableOf finds the table that a dotted key's last name is in, starting from the key's own table.
// In an array of tables that is the last one so far.
func (s *scanner) tableOf(table string, names []string, line int) (inner, last string) {
	end := len(names) - 1
	for _, name := range names[:end] {
		table = Join(table, name)
		s.note(table, line)
		if n := s.tables[table]; n > 0 {
			table = Element(table, n-1)
		}
	}
	return table, names[end]
}

// pair reads name = value, or a.b = value, in a table.
func (s *scanner) pair(table string) {
	line := s.line
	key := Join(s.tableOf(table, s.names(), line))
	s.note(key, line)
	s.to(s.pos + 1)
	s.skip(space)
	s.value(key)
}

// names reads the parts of a dotted key, and the space behind it.
func (s *scanner) names() []string {
	var names []string
	for {
		s.skip(space)
		names = append(names, s.name())
		s.skip(space)
		if s.peek() != '.' {
			return names
		}
		s.to(s.pos + 1)
	}
}

// name reads one part of a key, quoted or bare.
func (s *scanner) name() string {
	start := s.pos
	if q := s.peek(); q == '"' || q == '\'' {
		s.str()
		return unquote(s.text[start:s.pos])
	}
	s.until(". \t\r\n=]")
	return s.text[start:s.pos]
}

// unquote returns what a quoted key stands for. The parser knows all escapes.
func unquote(quoted string) string {
	var table map[string]any
	if _, err := toml.Decode(quoted+" = 0", &table); err != nil {
		return quoted
	}
	for name := range table {
		return name
	}
	return quoted
}

// value passes over a value, and notes the paths within it.
func (s *scanner) value(key string) {
	switch s.peek() {
	case '"', '\'':
		s.str()
	case '[':
		s.array(key)
	case '{':
		s.inline(key)
	default:
		s.to(s.pos + 1)
		s.until(",]}#\r\n")
	}
}

func (s *scanner) array(key string) {
	s.to(s.pos + 1)
	for i := 0; ; i++ {
		s.skip(blank + ",")
		if !s.more() || s.peek() == ']' {
			s.to(s.pos + 1)
			return
		}
		s.note(Element(key, i), s.line)
		s.value(Element(key, i))
	}
}

func (s *scanner) inline(key string) {
	s.to(s.pos + 1)
	for {
		s.skip(blank + ",")
		if !s.more() || s.peek() == '}' {
			s.to(s.pos + 1)
			return
		}
		s.pair(key)
	}
}

// str passes over a string of any of the four kinds.
func (s *scanner) str() {
	quote := s.text[s.pos : s.pos+1]
	end, closed := quote, 0
	if long := strings.Repeat(quote, 3); strings.HasPrefix(s.rest(), long) {
		end, closed = long, 2
	}
	i := s.pos + len(end)
	for i < len(s.text) && !strings.HasPrefix(s.text[i:], end) {
		if quote == `"` && s.text[i] == '\\' {
			i++
		}
		i++
	}
	i += len(end)
	// Up to two quotes may stand right before the closing three.
	for ; closed > 0 && i < len(s.text) && s.text[i] == quote[0]; closed-- {
		i++
	}
	s.to(i)
}

// Join is the path of a key in tables, as [Problem] has it: names are quoted where they must be. An
// empty table is the document.
func Join(table string, names ...string) string {
	for _, name := range names {
		name = toml.Key{name}.String()
		if table != "" {
			name = table + "." + name
		}
		table = name
	}
	return table
}

// Element is the path of an array's element, counted from 0.
func Element(array string, i int) string { return array + "[" + strconv.Itoa(i) + "]" }
