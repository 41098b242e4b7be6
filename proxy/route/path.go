package route

import (
	"bytes"
	"fmt"
)

// Ambiguity is what becomes of a path that can be read as one of several routes.
type Ambiguity bool

const (
	// Refuse: the request is refused.
	Refuse Ambiguity = false
	// Pass: the normal form counts, and the path is never exempt.
	Pass Ambiguity = true
)

// ParseAmbiguity reads "refuse" or "pass". The error names text and what was wanted.
func ParseAmbiguity(text string) (Ambiguity, error) {
	switch text {
	case "refuse":
		return Refuse, nil
	case "pass":
		return Pass, nil
	}
	return Refuse, fmt.Errorf("unexpected ambiguous_paths %q; want refuse or pass", text)
}

// String writes it so that ParseAmbiguity reads the same one back.
func (a Ambiguity) String() string {
	if a == Pass {
		return "pass"
	}
	return "refuse"
}

// Path is a request's path, read for a Table and for Exemptions. It aliases the request. Its memory
// serves the next one, so it is made to be kept; the zero value is ready for Read.
type Path struct {
	raw, query []byte
	kind       pathKind
	// mode is that of the route which Match found, by the normal form.
	mode Ambiguity
	// ambiguous reports that Match found the path ambiguous, and let it pass.
	ambiguous bool
	// normal is the normal form; nil until it is asked for.
	normal, buffer []byte
}

// pathKind is what must be done to read a path.
type pathKind byte

const (
	// pathPlain is its own normal form: nothing is decoded, resolved or merged.
	pathPlain pathKind = iota
	// pathEscaped has escapes, which all readers read alike.
	pathEscaped
	// pathTangled has something that readers read differently, or a dot segment.
	pathTangled
)

// Read reads http1.Request.Path: a path and perhaps a query. A target that is no path ("*", or
// nothing) is read as "/". The Path aliases target until the next Read.
func (p *Path) Read(target []byte) {
	p.raw, p.query = target, nil
	if i := bytes.IndexByte(target, '?'); i >= 0 {
		p.raw, p.query = target[:i], target[i:]
	}
	if len(p.raw) == 0 || p.raw[0] != '/' {
		p.raw = root
	}
	p.kind, p.mode, p.ambiguous, p.normal = kindOf(p.raw), Refuse, false, nil
}

var root = []byte("/")

// keptBuffer is how much memory a Path keeps for the next request.
const keptBuffer = 2 << 10

// Reset lets go of the request, and of the memory that only a long path needed.
func (p *Path) Reset() {
	if p.raw, p.query, p.normal = nil, nil, nil; cap(p.buffer) > keptBuffer {
		p.buffer = nil
	}
}

// Query is the query with its question mark, as it came; empty if there is none.
func (p *Path) Query() []byte { return p.query }

// Normal is the path's normal form: unreserved characters decoded, the digits of other escapes in
// capitals, a % that begins none as %25, dot segments resolved (RFC 3986, section 5.2.4), then
// empty segments merged. It begins
// with exactly one slash, and is good until the next Read.
func (p *Path) Normal() []byte {
	if p.kind == pathPlain {
		return p.raw
	}
	if p.normal == nil {
		p.buffer = appendNormal(p.buffer[:0], p.raw)
		p.normal = p.buffer
	}
	return p.normal
}

// kindOf looks for what makes a path other than plain. The loop is over every byte of every
// request's path.
func kindOf(path []byte) pathKind {
	kind := pathPlain
	for i, c := range path {
		switch c {
		case '/':
			if rest := path[i+1:]; len(rest) > 0 && (rest[0] == '/' || rest[0] == '.' && isDots(segmentOf(rest))) {
				return pathTangled
			}
		case '\\', ';':
			return pathTangled
		case '%':
			kind = pathEscaped
			switch e, _ := EscapeAt(path[i:]); e {
			case '/', '\\', ';', '.':
				return pathTangled
			}
		}
	}
	return kind
}

// segmentOf is what comes before the first slash of path.
func segmentOf(path []byte) []byte {
	if i := bytes.IndexByte(path, '/'); i >= 0 {
		return path[:i]
	}
	return path
}

// isDots reports whether a segment is a dot segment.
func isDots(segment []byte) bool { return string(segment) == "." || string(segment) == ".." }

// appendNormal writes the normal form of a path that begins with a slash.
func appendNormal(dst, path []byte) []byte {
	start := len(dst)
	for len(path) > 0 {
		c, escaped := EscapeAt(path)
		switch {
		case !escaped && path[0] == '%': // A broken escape, which what follows must not mend.
			dst, path = AppendEscape(dst, '%'), path[1:]
			continue
		case !escaped:
			dst, path = append(dst, path[0]), path[1:]
			continue
		case IsUnreserved(c):
			dst = append(dst, c)
		default:
			dst = AppendEscape(dst, c)
		}
		path = path[3:]
	}
	return dst[:start+len(mergeSlashes(resolveDots(dst[start:])))]
}

// resolveDots removes dot segments in place (RFC 3986, section 5.2.4).
func resolveDots(path []byte) []byte {
	out := path[:0]
	for len(path) > 0 {
		segment := segmentOf(path[1:])
		rest := path[1+len(segment):]
		if !isDots(segment) {
			out = append(out, path[:1+len(segment)]...)
		} else {
			if len(segment) == 2 {
				out = out[:max(0, bytes.LastIndexByte(out, '/'))]
			}
			if len(rest) == 0 {
				out = append(out, '/')
			}
		}
		path = rest
	}
	return out
}

// mergeSlashes makes one slash of several, in place.
func mergeSlashes(path []byte) []byte {
	out := path[:0]
	for _, c := range path {
		if c != '/' || len(out) == 0 || out[len(out)-1] != '/' {
			out = append(out, c)
		}
	}
	return out
}
