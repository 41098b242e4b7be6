package route

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
)

// maxSegment is how long a segment of a prefix may be once it is decoded.
const maxSegment = 255

// Prefix is a path prefix of whole segments: /v1 is a prefix of /v1 and /v1/x, not of /v10. The
// zero value is "/", which is a prefix of every path.
type Prefix struct {
	// text is the normal form without a slash at its end, and "" for "/".
	text string
	// segments are decoded.
	segments []string
}

// ParsePrefix reads a path prefix such as /v1/users. A slash at its end makes no difference. The
// error names text and what was wanted.
func ParsePrefix(text string) (Prefix, error) {
	if err := checkPrefix([]byte(text)); err != nil {
		return Prefix{}, fmt.Errorf("unexpected path prefix %q: %w", text, err)
	}
	p := Prefix{text: strings.TrimSuffix(string(appendNormal(nil, []byte(text))), "/")}
	for segment := range strings.SplitSeq(strings.TrimPrefix(p.text, "/"), "/") {
		if p.text == "" {
			break
		}
		decoded, ok := appendUnescaped(make([]byte, 0, maxSegment), []byte(segment))
		if !ok {
			return Prefix{}, fmt.Errorf("unexpected path prefix %q: a segment is longer than %d bytes; want a shorter one", text, maxSegment)
		}
		p.segments = append(p.segments, string(decoded))
	}
	return p, nil
}

func checkPrefix(text []byte) error {
	if len(text) == 0 || text[0] != '/' {
		return errors.New("want a path that begins with a slash, such as /v1")
	}
	for i, c := range text {
		switch e, escaped := EscapeAt(text[i:]); {
		case c == '?' || c == '#':
			return errors.New("want a path without a query or a fragment")
		case c <= ' ' || c >= 0x7f || c == '"' || c == '<' || c == '>':
			return errors.New("a byte that must be percent-encoded; want it as %XX")
		case c == '%' && !escaped:
			return errors.New("% begins no escape; want %XX, or %25 for a percent sign")
		case c == '\\' || c == ';' || escaped && (e == '/' || e == '\\' || e == ';'):
			return errors.New(`want no ";", "\", "%2F", "%5C" or "%3B", which backends read in different ways`)
		}
	}
	if bytes.Contains(text, []byte("//")) {
		return errors.New("want no empty segment: paths are matched with // merged")
	}
	if hasDots(text) {
		return errors.New("want no dot segment: paths are matched with them resolved")
	}
	return nil
}

// hasDots reports whether a path has a dot segment, escaped or not.
func hasDots(path []byte) bool {
	for segment := range bytes.SplitSeq(path, root) {
		if decoded, ok := appendUnescaped(make([]byte, 0, len("..")), segment); ok && isDots(decoded) {
			return true
		}
	}
	return false
}

// String is the prefix's normal form.
func (p Prefix) String() string {
	if p.text == "" {
		return "/"
	}
	return p.text
}

// Cut cuts the prefix off a path's normal form. rest is empty or begins with a slash. ok is false
// if the path doesn't begin with the prefix; rest is then all of it.
func (p Prefix) Cut(normal []byte) (rest []byte, ok bool) {
	rest = normal
	var buffer [maxSegment]byte
	for _, want := range p.segments {
		if len(rest) == 0 {
			return normal, false
		}
		segment := segmentOf(rest[1:])
		decoded, ok := appendUnescaped(buffer[:0], segment)
		if !ok || string(decoded) != want {
			return normal, false
		}
		rest = rest[1+len(segment):]
	}
	return rest, true
}
