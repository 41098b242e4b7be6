package rewrite

import (
	"errors"

	"gopher-equalizer/proxy/route"
)

// PathRules change the path that a backend gets. They are immutable; the zero value changes
// nothing.
type PathRules struct {
	strip route.Prefix
	// add begins with a slash and doesn't end in one, unless it is empty.
	add string
}

// ParsePathRules reads a prefix that is cut off a path, if the path has it, and one that is put in
// front of what is left. "" is none. The error names each text that is no prefix, and what was
// wanted.
func ParsePathRules(strip, add string) (PathRules, error) {
	cut, err1 := parseOptional("strip_prefix", strip)
	front, err2 := parseOptional("add_prefix", add)
	r := PathRules{strip: cut}
	if front.String() != "/" {
		r.add = front.String()
	}
	return r, errors.Join(err1, err2)
}

func parseOptional(key, text string) (route.Prefix, error) {
	if text == "" {
		return route.Prefix{}, nil
	}
	p, err := route.ParsePrefix(text)
	if err != nil {
		return p, &ruleError{key, err}
	}
	return p, nil
}

// ruleError is what is wrong with a rule, by the key that it stands under.
type ruleError struct {
	key string
	err error
}

func (e *ruleError) Error() string { return e.key + ": " + e.err.Error() }
func (e *ruleError) Unwrap() error { return e.err }

// IsZero reports whether a backend gets the path as it came.
func (r *PathRules) IsZero() bool { return r.add == "" && r.strip.String() == "/" }

// AppendTarget writes the path and the query that a backend gets: the path's normal form, changed,
// and the query as it came. It begins with exactly one slash.
func (r *PathRules) AppendTarget(dst []byte, path *route.Path) []byte {
	rest, _ := r.strip.Cut(path.Normal())
	dst = append(dst, r.add...)
	if r.add == "" && len(rest) == 0 {
		dst = append(dst, '/')
	}
	return append(append(dst, rest...), path.Query()...)
}
