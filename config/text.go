package config

import (
	_ "embed"
	"strings"
)

// annotated is the file that explains every key to operators.
//
//go:embed config.toml
var annotated string

// keyTexts are the explanations in config.toml by key, such as "server.listen" or
// "pools.default.backends". A block of comments is that of the keys right below it, up to the next
// empty line. Keys within a value, such as routes.redirect.to, have none of their own.
func keyTexts() map[string]string {
	texts := map[string]string{}
	table := ""
	var block []string
	inBlock := false
	for _, line := range strings.Split(annotated, "\n") {
		name, isKey := keyOf(line)
		switch {
		case strings.HasPrefix(line, "# ") || line == "#":
			if !inBlock {
				block, inBlock = nil, true
			}
			block = append(block, strings.TrimPrefix(strings.TrimPrefix(line, "#"), " "))
			continue
		case line == "":
			block = nil
		case isKey && strings.HasPrefix(name, "["):
			table = strings.Trim(name, "[]")
			texts[table] = strings.Join(block, "\n")
		case isKey && table == "":
			texts[name] = strings.Join(block, "\n")
		case isKey:
			texts[table+"."+name] = strings.Join(block, "\n")
		}
		inBlock = false
	}
	return texts
}

// keyOf is the key, or the header of a table, that a line of config.toml begins with, also if it is
// behind a "#".
func keyOf(line string) (name string, ok bool) {
	line = strings.TrimPrefix(line, "#")
	if line == "" || line[0] != '[' && (line[0] < 'a' || line[0] > 'z') {
		return "", false
	}
	if line[0] == '[' {
		return line, true
	}
	name, _, ok = strings.Cut(line, " = ")
	return name, ok
}
