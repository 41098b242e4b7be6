package main

import (
	"fmt"
	"os"
	"path"
	"regexp"
	"strings"
	"unicode"
)

// link is a link to a file of the tree, to a heading of one, or to a heading of the same document.
var link = regexp.MustCompile(`\]\(([^)#:\s]*)(?:#([^)\s]*))?\)`)

// deadLinks finds the links in a document to files and headings that don't exist. The working
// directory is the product's root.
func deadLinks(name string, document []byte) []fault {
	var faults []fault
	line := 0
	for text := range strings.Lines(string(document)) {
		line++
		for _, to := range link.FindAllStringSubmatch(text, -1) {
			if wrong := deadLink(name, document, to[1], to[2]); wrong != "" {
				faults = append(faults, fault{line, wrong})
			}
		}
	}
	return faults
}

// deadLink says what is wrong with a link, and returns "" if nothing is. file is "" in a link to a
// heading of the document itself, and heading is "" in a link to a file as a whole.
func deadLink(name string, document []byte, file, heading string) string {
	if file != "" {
		var err error
		if document, err = target(path.Join(path.Dir(name), file)); err != nil {
			return fmt.Sprintf("a link to %s; want a file that exists", file)
		}
	}
	isMarkdown := file == "" || path.Ext(file) == ".md"
	if heading != "" && isMarkdown && !anchors(document)[heading] {
		return fmt.Sprintf("a link to %s#%s; want a heading that exists", file, heading)
	}
	return ""
}

// target reads a Markdown document. Other files and folders are only checked to exist.
func target(name string) ([]byte, error) {
	if path.Ext(name) == ".md" {
		return os.ReadFile(name)
	}
	_, err := os.Stat(name)
	return nil, err
}

// anchors are the names by which a document's headings are linked to, as GitHub makes them. Of
// headings that are the same only the first is known.
func anchors(document []byte) map[string]bool {
	all := map[string]bool{}
	inCode := false
	for text := range strings.Lines(string(document)) {
		if strings.HasPrefix(text, "```") {
			inCode = !inCode
		}
		if heading := strings.TrimLeft(text, "#"); !inCode && heading != text && strings.HasPrefix(heading, " ") {
			all[anchor(strings.TrimSpace(heading))] = true
		}
	}
	return all
}

// anchor is the name of a heading: in lower case, with dashes for spaces, without punctuation.
func anchor(heading string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == ' ':
			return '-'
		case r == '-', r == '_', unicode.IsLetter(r), unicode.IsDigit(r):
			return unicode.ToLower(r)
		}
		return -1
	}, heading)
}
