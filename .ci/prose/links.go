package main

import (
	"fmt"
	"os"
	"path"
	"regexp"
	"strings"
)

// link is a link to a file of the tree, without the heading behind it.
var link = regexp.MustCompile(`\]\(([^)#:\s]+)(?:#[^)\s]*)?\)`)

// deadLinks finds the links in a document to files that don't exist. The working directory is the
// product's root.
func deadLinks(name string, document []byte) []fault {
	var faults []fault
	line := 0
	for text := range strings.Lines(string(document)) {
		line++
		for _, to := range link.FindAllStringSubmatch(text, -1) {
			if _, err := os.Stat(path.Join(path.Dir(name), to[1])); err != nil {
				faults = append(faults, fault{line, fmt.Sprintf("a link to %s; want a file that exists", to[1])})
			}
		}
	}
	return faults
}
