package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// maxWidth is how many columns a line of prose may have, a tab counting for tabWidth.
const (
	maxWidth = 100
	tabWidth = 4
)

// fault is one thing that is wrong, and where.
type fault struct {
	line int
	text string
}

// pattern is a phrase that comments must not have, and what to write instead.
type pattern struct {
	bad  *regexp.Regexp
	want string
}

func patterns() []pattern {
	return []pattern{
		{regexp.MustCompile(`(?i)\bsays? whether\b`), `"reports whether"`},
		{regexp.MustCompile(`(?i)\bof which\b`), "a sentence of its own"},
		{regexp.MustCompile(`(?i)\bbut for\b`), `"except"`},
		{regexp.MustCompile(`(?i)\bwhat came of\b`), `"result" or "outcome"`},
		{regexp.MustCompile(`(?i)\bso many that\b`), "a number, or a sentence of its own"},
		{regexp.MustCompile(`(?i)\bin the midst\b`), `"during" or "amid"`},
		{regexp.MustCompile(`(?i)\b(unfit|fit backends?)\b`), `"healthy"`},
		{regexp.MustCompile(`(?i)\bre-?sen(d|ds|t|ding)\b`), `"retry"`},
	}
}

// checkGo checks the comments of a Go file. One that follows code on its line may be wider, as code
// may, and so may a code block, which gofmt indents by a tab, and a directive.
func checkGo(source []byte) ([]fault, error) {
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, "", source, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return nil, fmt.Errorf("reading the comments: %w", err)
	}
	lines := strings.Split(string(source), "\n")
	var faults []fault
	for _, group := range file.Comments {
		for _, c := range group.List {
			line := files.PositionFor(c.Pos(), false).Line
			if text := lines[line-1]; strings.HasPrefix(strings.TrimSpace(text), "// ") && tooWide(text) {
				faults = append(faults, wide(line, text))
			}
		}
		faults = append(faults, stilted(files.PositionFor(group.Pos(), false).Line, group)...)
	}
	return faults, nil
}

// stilted finds the patterns in a group of comments, also where a line ends within one.
func stilted(first int, group *ast.CommentGroup) []fault {
	var text strings.Builder
	for _, c := range group.List {
		text.WriteString(strings.TrimSpace(strings.TrimPrefix(c.Text, "//")) + "\n")
	}
	joined := strings.ReplaceAll(text.String(), "\n", " ")
	var faults []fault
	for _, p := range patterns() {
		for _, at := range p.bad.FindAllStringIndex(joined, -1) {
			line := first + strings.Count(text.String()[:at[0]], "\n")
			faults = append(faults, fault{line, fmt.Sprintf("%q; want %s", joined[at[0]:at[1]], p.want)})
		}
	}
	return faults
}

// checkMarkdown checks a document's width, except for its tables, headings and code.
func checkMarkdown(document []byte) ([]fault, error) {
	var faults []fault
	fenced, line := false, 0
	for text := range strings.Lines(string(document)) {
		line++
		text = strings.TrimRight(text, "\r\n")
		start := strings.TrimLeft(text, " ")
		if strings.HasPrefix(start, "```") {
			fenced = !fenced
			continue
		}
		other := fenced || strings.HasPrefix(start, "|") || strings.HasPrefix(start, "#")
		if !other && tooWide(text) {
			faults = append(faults, wide(line, text))
		}
	}
	return faults, nil
}

// checkTOML checks the width of every line.
func checkTOML(document []byte) ([]fault, error) {
	var faults []fault
	for i, text := range slices.Collect(strings.Lines(string(document))) {
		if text = strings.TrimRight(text, "\r\n"); tooWide(text) {
			faults = append(faults, wide(i+1, text))
		}
	}
	return faults, nil
}

// tooWide reports whether a line is too wide, and could be wrapped.
func tooWide(text string) bool {
	return width(text) > maxWidth && !strings.Contains(text, "://")
}

func wide(line int, text string) fault {
	return fault{line, fmt.Sprintf("%d columns; want %d at most", width(text), maxWidth)}
}

// width is how many columns a line takes.
func width(text string) int {
	return utf8.RuneCountInString(text) + (tabWidth-1)*strings.Count(text, "\t")
}
