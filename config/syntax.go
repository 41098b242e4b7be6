package config

import (
	"errors"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/BurntSushi/toml"
)

// parseTree parses a document's syntax and returns what is in it.
func parseTree(name string, data []byte) (map[string]any, *Problem) {
	if !utf8.Valid(data) {
		// The parser would accept some of it, and names no line for the rest.
		valid := strings.ToValidUTF8(string(data), "\xff")
		line := 1 + strings.Count(valid[:strings.IndexByte(valid, '\xff')], "\n")
		return nil, &Problem{Source: name, Line: line, Text: "not UTF-8; want a TOML file in UTF-8"}
	}
	tree := map[string]any{}
	_, err := toml.Decode(string(data), &tree)
	if err == nil {
		return tree, nil
	}
	p := &Problem{Source: name, Text: err.Error()}
	if syntax := (toml.ParseError{}); errors.As(err, &syntax) {
		p.Line, p.Text = syntaxLine(string(data), syntax), syntax.Message
		if mayShowSecret(string(data), syntax) {
			p.Text = "not valid TOML; what is wrong isn't shown, as it could be part of a secret"
		}
	}
	return nil, p
}

// syntaxLine is the line of a syntax error. The parser's own is one off for an error at the end of
// a line, which it has passed by then, or at the end of the document.
func syntaxLine(document string, e toml.ParseError) int {
	document = strings.TrimPrefix(document, "\ufeff") // the parser doesn't count it either
	end := min(e.Position.Start+e.Position.Len, len(document))
	if end < len(document) && !strings.Contains(e.Message, `'\n'`) && !strings.Contains(e.Message, "newlines") {
		return e.Position.Line
	}
	return 1 + strings.Count(document[:max(end-1, 0)], "\n")
}

// mayShowSecret reports whether a syntax error may quote a secret. The parser quotes what it can't
// read, which would be the token in `token = abc`, or one of a route's request_headers.
func mayShowSecret(document string, e toml.ParseError) bool {
	lines := strings.Split(document, "\n")
	about := e.LastKey
	if n := syntaxLine(document, e); n >= 1 && n <= len(lines) {
		about += lines[n-1]
	}
	about = strings.ToLower(about)
	return slices.ContainsFunc([]string{"token", "password", "store.key", "headers"}, func(word string) bool { return strings.Contains(about, word) })
}
