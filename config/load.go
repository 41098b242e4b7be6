package config

import (
	"errors"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/BurntSushi/toml"
)

// The environment variables that fill secrets. One that is set and not empty wins over the file, so
// a deployment needs no secret in its file, and can override one that is there.
const (
	EnvAdminToken       = "EQUALIZER_ADMIN_TOKEN"       // admin.token
	EnvPostgresPassword = "EQUALIZER_POSTGRES_PASSWORD" // store.postgres.password
)

// Options are what makes a Config besides a file. The zero value adds nothing.
type Options struct {
	// Getenv looks up an environment variable, as os.Getenv does. nil stands for no variables.
	Getenv func(name string) string
	// Override lays the command line's flags over defaults, file and environment. It returns the
	// flag's name for each key path that it set, such as {"pools.default.backends": "--backend"}.
	// Problems with these keys, and with keys below them, name the flag instead of the file. nil
	// stands for no flags.
	Override func(*Config) (flags map[string]string)
	// Check adds the problems that are seen only by opening something, such as a file of
	// certificates. Only the Key and Text of each Problem are used; source and line are found from
	// the key. nil stands for no problems.
	Check func(Config) []Problem
}

// Load makes a Config of the TOML file at a path; see [Parse]. An error that isn't Problems is that
// the file can't be read, and wraps the operating system's.
func Load(path string, o Options) (Config, []Problem, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return Config{}, nil, fmt.Errorf("can't read the configuration: %w", err)
	}
	return Parse(path, data, o)
}

// Parse makes a Config of a TOML document and of Options, and validates it. The name is the
// document's in messages. Without a document both are empty.
//
// The error is everything that is wrong, as [Problems]. The Config then has only how to log them,
// and the address of a process that may run by an earlier version of the document. Without an
// error, the warnings are about what is valid but probably not meant. They are sorted as Problems
// are.
func Parse(name string, data []byte, o Options) (c Config, warnings []Problem, err error) {
	c = Default()
	tree, syntax := parseTree(name, data)
	if syntax != nil {
		return Config{Log: c.Log, Admin: Admin{Listen: c.Admin.Listen}}, nil, Problems{*syntax}
	}
	r := &report{source: name, lines: keyLines(string(data)), set: map[string]string{}, former: map[string]string{}}
	decoder{r}.table("", tree, reflect.ValueOf(&c).Elem())
	r.environment(&c, o.Getenv)
	if o.Override != nil {
		r.override(o.Override(&c))
	}
	c.validate(r)
	if o.Check != nil {
		for _, p := range o.Check(c) {
			r.add(p.Key, "%s", p.Text)
		}
	}
	if len(r.problems) > 0 {
		return Config{Log: c.Log, Admin: Admin{Listen: c.Admin.Listen}}, nil, r.sorted()
	}
	c.warn(r)
	r.warnFormer()
	return c, r.sorted(), nil
}

// environment fills in the secrets from the environment.
func (r *report) environment(c *Config, getenv func(string) string) {
	if getenv == nil {
		return
	}
	fill := func(variable, key string, into *Secret) {
		if value := getenv(variable); value != "" {
			*into = Secret(value)
			r.override(map[string]string{key: variable})
		}
	}
	fill(EnvAdminToken, "admin.token", &c.Admin.Token)
	fill(EnvPostgresPassword, "store.postgres.password", &c.Store.Postgres.Password)
}

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
	if end < len(document) && !strings.Contains(e.Message, `'\n'`) {
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
	return slices.ContainsFunc([]string{"token", "password", "headers"}, func(word string) bool { return strings.Contains(about, word) })
}
