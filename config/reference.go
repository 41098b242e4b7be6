package config

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// reference is a value that is, or has in it, what ${NAME} or ${file:PATH} stand for.
type reference struct {
	text  string // as the file has it, which is how the value is shown
	value string // with what the references stand for, which isn't shown
}

// alone reports whether nothing stands beside the references, which could be a secret itself.
func (r reference) alone() bool {
	return references.ReplaceAllString(r.text, "") == ""
}

// references matches each reference of a text, and each "$${", which stands for "${". What begins
// like a reference and isn't one is matched too, as far as it goes.
var references = regexp.MustCompile(`\$\$\{|\$\{[^}]*\}?`)

// escaped writes a text that has no references so that it is read as it is.
func escaped(text string) string { return strings.ReplaceAll(text, "${", "$${") }

// expander replaces the references in the strings of a parsed document.
type expander struct {
	*report
	disk   disk
	getenv func(string) string
	folder string // what the paths of files are relative to
}

// tree expands every string below a key. Keys are left as they are.
func (x expander) tree(key string, value any) any {
	switch v := value.(type) {
	case string:
		return x.text(key, v)
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(v)) {
			v[name] = x.tree(Join(key, name), v[name])
		}
	case []any:
		for i, one := range v {
			v[i] = x.tree(Element(key, i), one)
		}
	case []map[string]any:
		for i, one := range v {
			x.tree(Element(key, i), one)
		}
	}
	return value
}

// text expands one string. A mistake is told once, and the text is empty then.
func (x expander) text(key, text string) string {
	var problem error
	found := false
	expanded := references.ReplaceAllStringFunc(text, func(ref string) string {
		if ref == "$${" {
			return "${"
		}
		value, err := x.resolve(ref)
		found, problem = true, cmp.Or(problem, err)
		return value
	})
	switch {
	case problem != nil:
		x.add(key, "%s", problem.Error())
		return ""
	case found:
		x.references[key] = reference{text, expanded}
	}
	return expanded
}

var errReference = errors.New("what begins with ${ is no reference; want ${NAME} for an environment variable, ${file:PATH} for a file, or $${ for ${ itself")

// resolve is what one reference stands for.
func (x expander) resolve(ref string) (string, error) {
	inner, closed := strings.CutSuffix(strings.TrimPrefix(ref, "${"), "}")
	file, isFile := strings.CutPrefix(inner, "file:")
	switch {
	case !closed, isFile && file == "", !isFile && !isVariable(inner):
		return "", errReference
	case isFile:
		return x.file(ref, file)
	}
	switch value := x.getenv(inner); {
	case value == "":
		return "", fmt.Errorf("%s: the environment variable %s is not set, or empty; want a value in it", ref, inner)
	case !utf8.ValidString(value):
		return "", fmt.Errorf("%s: the environment variable isn't UTF-8; want text in UTF-8", ref)
	default:
		return value, nil
	}
}

func (x expander) file(ref, path string) (string, error) {
	if strings.ContainsRune(path, 0) {
		return "", errReference
	}
	path = relativeTo(x.folder, path)
	x.readAlso(path)
	text, _, err := readText(x.disk, path)
	if err != nil {
		return "", fmt.Errorf("%s: %s: %w", ref, path, err)
	}
	return text, nil
}

// isVariable reports whether a text can name an environment variable.
func isVariable(name string) bool {
	return name != "" && consistsOf(name, wordBytes) && !consistsOf(name[:1], digits)
}

// hide takes what a key's reference stands for out of what is to be said about it. Errors of
// parsers quote parts of the value, so only what they want is left of them.
func (r reference) hide(format string, args []any) []any {
	hidden := slices.Clone(args)
	for i, arg := range args {
		switch arg := arg.(type) {
		case error:
			hidden[i] = "its value isn't accepted" + r.want(arg.Error())
			if i == 0 {
				hidden[i] = r.text + ": " + hidden[i].(string)
			}
		case shown:
			hidden[i] = r.text
		default:
			if i == 0 && strings.HasPrefix(format, "%") {
				hidden[i] = r.text
			}
		}
	}
	return hidden
}

// want is what an error wanted, "; want ...", unless that has a word of the value in it.
func (r reference) want(problem string) string {
	at := strings.LastIndex(problem, "want ")
	if at < 0 || strings.Contains(r.value, "want ") {
		return ""
	}
	of := words(r.value)
	for word := range words(problem[at:]) {
		if len(word) > 1 && of[word] {
			return ""
		}
	}
	return "; " + problem[at:]
}

// words are the runs of letters and digits of a text, in small letters.
func words(text string) map[string]bool {
	all := map[string]bool{}
	for _, word := range strings.FieldsFunc(strings.ToLower(text), func(c rune) bool { return !unicode.IsLetter(c) && !unicode.IsDigit(c) }) {
		all[word] = true
	}
	return all
}
