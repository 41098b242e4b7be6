package config

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/BurntSushi/toml"
)

const printed = `# The configuration in force. A key behind a "#" has its default, or comes from outside of the
# files, such as from a backends_file, which its line then says. Secrets are ***.
`

// Print writes the configuration in force as TOML, with every key. As in config.toml, one that
// nothing sets is behind a "#". So are the backends of a BackendsFile, as that is named, too. A
// value that isn't from the main file has its source in a comment. Secrets are "***", and a value
// that came from ${...} is its reference.
//
// What it writes is the same configuration when it is loaded, if no secret stands in a file as it
// is: those are refused until they are filled in.
func (l Loaded) Print(w io.Writer) error {
	p := printer{main: l.Sources.document}
	p.WriteString(printed)
	p.table("", l.tree())
	_, err := w.Write(p.Bytes())
	return err
}

type printer struct {
	bytes.Buffer
	main string // the file whose keys need no comment
}

// table writes the values of a table, and the tables within it. header is the table's name in TOML.
func (p *printer) table(header string, n node) {
	for _, inner := range n.nodes {
		if inner.kind == valueNode {
			p.value(inner)
		}
	}
	for _, inner := range n.nodes {
		below := header + toml.Key{inner.name}.String()
		switch inner.kind {
		case tableNode:
			p.named(below, inner)
		case listNode:
			for _, one := range inner.nodes {
				p.header("[["+below+"]]", one)
				p.table(below+".", one)
			}
		}
	}
}

// named writes a table with its header. One that has nothing but tables needs none.
func (p *printer) named(name string, n node) {
	if n.nodes[0].kind == valueNode {
		p.header("["+name+"]", n)
	}
	p.table(name+".", n)
}

func (p *printer) header(text string, n node) {
	p.WriteString("\n" + p.mark(n) + text + "\n")
}

// mark is what stands before a key or a table that nothing sets, or that is elsewhere.
func (p *printer) mark(n node) string {
	if n.set && !n.elsewhere {
		return ""
	}
	return "#"
}

// value writes a key with its value and, if that isn't the main file, with its source.
func (p *printer) value(n node) {
	name := toml.Key{n.name}.String()
	if n.value == nil {
		fmt.Fprintf(p, "# %s: %s\n", name, n.otherwise)
		return
	}
	mark, comment := p.mark(n), ""
	if n.from != (Source{}) && n.from.Name != p.main {
		comment = " # " + commented(n.from.String())
		if n.shown == starred {
			mark = "#"
		}
	}
	fmt.Fprintf(p, "%s%s = %s%s\n", mark, name, literal(n.shown), comment)
}

// commented is a text that can stand in a comment.
func commented(text string) string {
	return strings.Map(func(c rune) rune {
		if c < ' ' || c == 0x7f || c == utf8.RuneError {
			return '?'
		}
		return c
	}, text)
}
