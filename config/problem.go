package config

import (
	"strconv"
	"strings"
)

// Problem is one thing that is wrong in a configuration, or worth a warning.
type Problem struct {
	// Source is where the value is from: a file, a flag or an environment variable; "" if unknown.
	Source string
	// Line is the line in that file, from 1; 0 if it isn't known exactly.
	Line int
	// Key is the full key path, such as "pools.default.backends[1].url"; "" for a syntax error.
	Key string
	// Text is what is there and what was wanted. It never holds a secret.
	Text string
}

// String is the problem on one line, such as "config.toml:12: admin.listen: ...", without the parts
// that aren't known.
func (p Problem) String() string {
	var b strings.Builder
	if p.Source != "" {
		b.WriteString(p.Source)
		if p.Line > 0 {
			b.WriteString(":" + strconv.Itoa(p.Line))
		}
		b.WriteString(": ")
	}
	if p.Key != "" {
		b.WriteString(p.Key + ": ")
	}
	b.WriteString(p.Text)
	return b.String()
}

// Problems is the error of a configuration that can't be used: everything that is wrong with it, in
// the order of the file's lines. Problems without a line come last.
type Problems []Problem

// Error is the problems, one a line.
func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i, problem := range p {
		lines[i] = problem.String()
	}
	return strings.Join(lines, "\n")
}
