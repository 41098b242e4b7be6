package config

import (
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"strings"

	"gopher-equalizer/proxy/regular"
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
	// Warn adds the warnings that are seen only by opening something. It is used like Check, of a
	// Config that has no problem.
	Warn func(Config) []Problem
}

// Loaded is a Config, and how it came about.
type Loaded struct {
	Config Config
	// Warnings are about what is valid but probably not meant. They are sorted as Problems are.
	Warnings []Problem
	// Sources are what set the keys.
	Sources Sources
	// Files are those that were read, the main one first, and the folders that the patterns of
	// include look into. What is loaded next can differ only if one of them changes, or the
	// environment, or one of [Config.BackendsFiles], which aren't among them. They are known also
	// if there is a mistake in one.
	Files []string
	// contents are what was in the files that the Config names.
	contents map[string]content
}

// Load makes a Config of the TOML file at a path; see [Parse]. It must be a regular file of at most
// 4 MiB, or a descriptor such as /dev/stdin. An error that isn't Problems is that the file can't be
// read, and wraps the operating system's, if that has one.
func Load(path string, o Options) (Loaded, error) {
	data, err := readMain(path)
	if err != nil {
		return Loaded{Files: []string{path}}, fmt.Errorf("can't read the configuration: %w", err)
	}
	return Parse(path, data, o)
}

// readMain reads the main file. It alone may be a pipe, if the process was started with it.
func readMain(path string) ([]byte, error) {
	if !isPassed(path) {
		return regular.Read(path, int64(maxIncluded))
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(file, int64(maxIncluded)+1))
	if err == nil && len(data) > int(maxIncluded) {
		err = fmt.Errorf("%s has more than %v; want at most that", path, maxIncluded)
	}
	return data, errors.Join(err, file.Close())
}

// isPassed reports whether a path is that of a descriptor that the process was started with, as
// shells write `-c <(...)`.
func isPassed(path string) bool {
	return path == "/dev/stdin" || strings.HasPrefix(path, "/dev/fd/") || strings.HasPrefix(path, "/proc/self/fd/")
}

// Parse makes a Config of a TOML document and of Options, and validates it. The name is the
// document's in messages. Without a document both are empty.
//
// The error is everything that is wrong, as [Problems]. The Config then has only how to log them,
// and the address, the tokens and the certificate of a process that may run by an earlier version
// of the document, and there are no Warnings.
func Parse(name string, data []byte, o Options) (Loaded, error) {
	return parse(name, data, o, realDisk{})
}

func parse(name string, data []byte, o Options, d disk) (Loaded, error) {
	if o.Getenv == nil {
		o.Getenv = func(string) string { return "" }
	}
	c := Default()
	r := newReport(name)
	if name != "" {
		r.readAlso(name)
	}
	documents := newReader(r, d, o.Getenv)
	if !documents.all(data) {
		return r.unusable(c)
	}
	decoder{r}.table("", documents.merged, reflect.ValueOf(&c).Elem())
	r.secrets(&c, o.Getenv, d)
	if o.Override != nil {
		r.override(o.Override(&c))
	}
	c.validate(r)
	contents := c.contents(d)
	if o.Check != nil {
		r.addChecked(o.Check(c))
	}
	if len(r.problems) > 0 {
		return r.unusable(c)
	}
	c.warn(r)
	if o.Warn != nil {
		r.addChecked(o.Warn(c))
	}
	r.warnFormer()
	r.warnOpen()
	r.warnUnmatched()
	return Loaded{Config: c, Warnings: r.sorted(), Sources: r.Sources, Files: r.files, contents: contents}, nil
}

// unusable is what is known of a Config with mistakes.
func (r *report) unusable(c Config) (Loaded, error) {
	where := Admin{Listen: c.Admin.Listen, Token: c.Admin.Token, ReadToken: c.Admin.ReadToken, Cert: c.Admin.Cert}
	return Loaded{Config: Config{Log: c.Log, Admin: where}, Files: r.files}, r.sorted()
}
