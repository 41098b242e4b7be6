package config

import (
	"crypto/sha256"
	"maps"
	"reflect"
	"slices"
)

// NamedFiles are the files that a configuration names and others read: certificates, keys and error
// pages. Each is by the key path by position that names it, such as "tls.certificates[0].cert".
func (c Config) NamedFiles() map[string]string { return c.filesOf(certificateFile, pageFile) }

// CertificateFiles are those of certificates, of their keys, and of authorities, sorted.
func (l Loaded) CertificateFiles() []string {
	return slices.Sorted(maps.Values(l.Config.filesOf(certificateFile)))
}

// The values of the tag "file", which fields have that name a file, or several.
const certificateFile, pageFile = "certificate", "page"

// filesOf are the files of some kinds, by the key paths that name them.
func (c Config) filesOf(kinds ...string) map[string]string {
	files := map[string]string{}
	addFiles(files, "", "", reflect.ValueOf(c), kinds)
	return files
}

// addFiles adds the files of some kinds that a value names. kind is what it names itself; "" is
// nothing.
func addFiles(files map[string]string, key, kind string, v reflect.Value, kinds []string) {
	switch v.Kind() {
	case reflect.String:
		if slices.Contains(kinds, kind) && v.String() != "" {
			files[key] = v.String()
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if name, ok := v.Type().Field(i).Tag.Lookup("toml"); ok {
				addFiles(files, Join(key, name), v.Type().Field(i).Tag.Get("file"), v.Field(i), kinds)
			}
		}
	case reflect.Map:
		for _, name := range namesOf(v) {
			addFiles(files, Join(key, name), kind, v.MapIndex(reflect.ValueOf(name)), kinds)
		}
	case reflect.Slice:
		for i := range v.Len() {
			addFiles(files, Element(key, i), kind, v.Index(i), kinds)
		}
	}
}

// content is a hash of what is in a file. The zero value is that it can't be read.
type content [sha256.Size]byte

// contents are what is in the named files, by the keys that name them. Who reads a file must do so
// afterwards: a file that changes in between then differs from what is in force, and isn't missed.
func (c Config) contents(d disk) map[string]content {
	all := map[string]content{}
	for key, file := range c.NamedFiles() {
		all[key] = content{}
		if data, _, err := readFile(d, file, maxIncluded); err == nil {
			all[key] = sha256.Sum256(data)
		}
	}
	return all
}

// Reread is l with what is in the files now that its Config names. Of the Options, Check and Warn
// count. The error is Problems.
func (l Loaded) Reread(o Options) (Loaded, error) {
	l.contents = l.Config.contents(realDisk{})
	if problems := l.placed(o.Check(l.Config)); len(problems) > 0 {
		return l, problems
	}
	l.Warnings = l.placed(o.Warn(l.Config))
	return l, nil
}

// placed are problems that were found by opening something, with what set their keys.
func (l Loaded) placed(found []Problem) (all Problems) {
	for _, p := range found {
		from := l.Sources.Of(p.Key)
		all = append(all, Problem{from.Name, from.Line, p.Key, l.Sources.Redacted(p.Text)})
	}
	return all
}
