package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

// The manual page has each command and each flag of the helps.
func TestManPage(t *testing.T) {
	page := inShell(t, nil, "man").stdout.String()
	assert.True(t, strings.HasPrefix(page, ".TH \"EQUALIZER\" \"1\""))
	for _, c := range commands() {
		if c.help != usage {
			assert.Contains(t, page, "\n.SS \"equalizer "+c.name+"\"\n")
		}
		for _, flag := range flagNames(c.help) {
			assert.Contains(t, page, "\n\\fB"+escapeRoff(flag), c.name)
		}
	}
	assert.Equal(t, 1, strings.Count(page, `\fB\-\-token\-file FILE\fR`), "once for all")
}

func TestRoff(t *testing.T) {
	f := func(help, want string) {
		t.Helper()
		var p roff
		p.help(help)
		assert.Equal(t, want, p.String())
	}
	f("a\nb\n\nc", "a\nb\n.PP\nc\n")
	f("  equalizer x\n", ".PP\n\\fBequalizer x\\fR\n")
	f("  -c FILE      the file\n               of all\n", ".TP\n\\fB\\-c FILE\\fR\nthe file\nof all\n")
	f("  --long NAME\n               of all\n", ".TP\n\\fB\\-\\-long NAME\\fR\nof all\n")
	f(`.a\'b'`, "\\&.a\\e\\(aqb\\(aq\n")
	f(strings.Repeat("a ", 60)+"b", strings.Repeat("a ", 39)+"a\n"+strings.Repeat("a ", 20)+"b\n")
}
