package main

import (
	"fmt"
	"strings"
)

const manUsage = `equalizer man prints the manual page of all commands, from their help.

  equalizer man | man -l -               read it
  equalizer man >/usr/local/share/man/man1/equalizer.1
`

// runMan is `equalizer man`.
func runMan(args []string, t terminal) error {
	if err := parse(newFlags("man", manUsage, t.stdout), args); err != nil {
		return err
	}
	fmt.Fprint(t.stdout, manPage(versionString()))
	return nil
}

// manPage is the manual page of a version, in the macros of man(7). The flags by which commands
// find a running process are there once.
func manPage(version string) string {
	var p roff
	p.macro("TH", "EQUALIZER", "1", "", "equalizer "+version, "gopher-equalizer")
	p.macro("SH", "NAME")
	p.line(`equalizer \- HTTP edge proxy with balancing, limits and a live page`)
	p.macro("SH", "SYNOPSIS")
	p.line(`\fBequalizer\fR [\fB\-c\fR \fIFILE\fR | \fB\-\-backend\fR \fIURL\fR ...]`)
	p.line(".br")
	p.line(`\fBequalizer\fR \fICOMMAND\fR [\fIARGUMENT\fR ...]`)
	p.macro("SH", "DESCRIPTION")
	p.help(usage)
	p.macro("SH", "COMMANDS")
	for _, c := range commands() {
		if c.help == usage {
			continue
		}
		p.macro("SS", "equalizer "+c.name)
		own, rest, operates := strings.Cut(c.help, adminFlagsUsage)
		p.help(own)
		if operates {
			p.line(".PP")
			p.help("The other flags are those under FLAGS OF COMMANDS THAT OPERATE A RUNNING PROCESS.\n" + rest)
		}
	}
	p.macro("SH", "FLAGS OF COMMANDS THAT OPERATE A RUNNING PROCESS")
	p.help(adminFlagsUsage)
	return p.String()
}

// roff is a page in man(7).
type roff struct{ strings.Builder }

// macro writes a macro with its arguments.
func (p *roff) macro(name string, args ...string) {
	p.WriteString("." + name)
	for _, arg := range args {
		p.WriteString(` "` + strings.ReplaceAll(escapeRoff(arg), `"`, `\(dq`) + `"`)
	}
	p.WriteByte('\n')
}

// line writes a line as it is.
func (p *roff) line(text string) { p.WriteString(text + "\n") }

// longestLine is how long lines of text may be, in bytes, by mandoc's advice.
const longestLine = 80

// text writes text in lines.
func (p *roff) text(text string) {
	text = escapeRoff(text)
	for len(text) > longestLine {
		space := strings.LastIndexByte(text[:longestLine], ' ')
		if space <= 0 {
			break
		}
		p.textLine(text[:space])
		text = text[space+1:]
	}
	p.textLine(text)
}

// textLine writes a line of text that is escaped, and that is no macro.
func (p *roff) textLine(line string) {
	if strings.HasPrefix(line, ".") {
		line = `\&` + line
	}
	p.line(line)
}

// escapeRoff has backslashes and dashes be shown as they are.
func escapeRoff(text string) string {
	return strings.NewReplacer(`\`, `\e`, `-`, `\-`, `'`, `\(aq`, "`", "\\(ga").Replace(text)
}

// help writes a help: paragraphs, and lines indented by two spaces, which are a term and what is
// said of it, behind a wider space or in the lines below.
func (p *roff) help(text string) {
	wantsParagraph := false // Below a heading there is one.
	lines := strings.Split(strings.Trim(text, "\n"), "\n")
	for i, line := range lines {
		switch indent := indentOf(line); {
		case line == "":
			wantsParagraph = true
			continue
		case indent == 0:
			if wantsParagraph {
				p.line(".PP")
			}
			p.text(line)
		case indent > 2: // It goes on with what is said of the term.
			p.text(line[indent:])
		default:
			goesOn := i+1 < len(lines) && indentOf(lines[i+1]) > 2
			p.term(line[indent:], goesOn)
		}
		wantsParagraph = false
	}
}

// indentOf is how many spaces a line begins with.
func indentOf(line string) int { return len(line) - len(strings.TrimLeft(line, " ")) }

// term writes a term and the beginning of what is said of it, if that isn't in the lines below.
// There may be nothing to say.
func (p *roff) term(line string, goesOn bool) {
	term, about, isSaid := strings.Cut(line, "  ")
	if !isSaid && !goesOn {
		p.line(".PP")
		p.line(`\fB` + escapeRoff(term) + `\fR`)
		return
	}
	p.line(".TP")
	p.line(`\fB` + escapeRoff(term) + `\fR`)
	if isSaid {
		p.text(strings.TrimLeft(about, " "))
	}
}
