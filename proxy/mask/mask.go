// Package mask hides what is secret in the targets of requests, wherever they are shown to
// operators: in the log, on pages and in traces. Nothing else may hide them in its own way.
package mask

import (
	"bytes"
	"strings"

	"gopher-equalizer/proxy/http1"
)

// Default are the names of parameters that hold secrets on most sites.
var Default = []string{"token", "access_token", "key", "code", "sig", "password"}

// Names are those of the query parameters whose values are hidden. nil hides none.
type Names struct{ known map[string]struct{} }

// New makes Names, which are compared without regard to case.
func New(names []string) *Names {
	n := &Names{known: map[string]struct{}{}}
	for _, name := range names {
		n.known[strings.ToLower(name)] = struct{}{}
	}
	return n
}

const (
	// hidden stands for a value.
	hidden = "***"
	// longestName is the longest name that is looked at, decoded. The value of a longer one is
	// hidden.
	longestName = 256
)

// Append appends a request's target, or the URL of a Referer, as it may be shown: without what
// stands before an @ in its authority, and with *** for the values of the named parameters. Of
// user[password] and password[] each part is a name, too.
func (n *Names) Append(dst, target []byte) []byte {
	target = http1.WithoutUserinfo(target)
	start := queryIn(target)
	if start == len(target) || n == nil {
		return append(dst, target...)
	}
	dst = append(dst, target[:start]...)
	for rest := target[start:]; len(rest) > 0; {
		one, value, hides := n.next(rest)
		dst = append(dst, one...)
		if hides {
			dst = append(dst, hidden...)
		} else {
			dst = append(dst, value...)
		}
		rest = rest[len(one)+len(value):]
	}
	return dst
}

// next is the first parameter of a query: what stands in front of its value, with the separator
// before it, and the value. Servers differ in what separates parameters, so a name may begin behind
// any separator, but a value that is hidden ends where all servers end it.
func (n *Names) next(query []byte) (front, value []byte, hides bool) {
	end := 1 + separatorIn(query[1:])
	equals := bytes.IndexByte(query[:end], '=')
	if equals < 0 {
		return query[:end], nil, false
	}
	if n.has(query[1:equals]) {
		end = 1 + indexOrEnd(query[1:], "&#")
		return query[:equals+1], query[equals+1 : end], true
	}
	return query[:equals+1], query[equals+1 : end], false
}

// queryIn is where a target's query or fragment begins, and separatorIn where a parameter ends for
// some server; the length if that is nowhere. The text is short, as a rule: bytes.IndexAny would
// prepare itself for longer than it takes.
func queryIn(target []byte) int {
	for i, c := range target {
		if c == '?' || c == '#' {
			return i
		}
	}
	return len(target)
}

func separatorIn(query []byte) int {
	for i, c := range query {
		if c == '?' || c == '&' || c == ';' || c == '#' {
			return i
		}
	}
	return len(query)
}

func indexOrEnd(b []byte, any string) int {
	if i := bytes.IndexAny(b, any); i >= 0 {
		return i
	}
	return len(b)
}

// has reports whether the values of a name, as it stands in a query, are hidden.
func (n *Names) has(name []byte) bool {
	var buf [longestName]byte
	if len(name) > 3*len(buf) {
		return true
	}
	decoded := appendDecoded(buf[:0], name)
	if len(decoded) > len(buf) || n.knows(decoded) {
		return true
	}
	if bytes.IndexByte(decoded, '[') < 0 && bytes.IndexByte(decoded, ']') < 0 {
		return false // It has one part, which is all of it.
	}
	for len(decoded) > 0 {
		end := indexOrEnd(decoded, "[]")
		if n.knows(decoded[:end]) {
			return true
		}
		decoded = decoded[min(end+1, len(decoded)):]
	}
	return false
}

func (n *Names) knows(name []byte) bool {
	_, ok := n.known[string(name)]
	return ok
}

// appendDecoded appends a name as servers decode it, in lower case. What isn't well encoded stays
// as it is.
func appendDecoded(dst, name []byte) []byte {
	for i := 0; i < len(name); i++ {
		c := name[i]
		switch {
		case c == '+':
			c = ' '
		case c == '%' && i+2 < len(name) && unhex(name[i+1]) < 16 && unhex(name[i+2]) < 16:
			c = unhex(name[i+1])<<4 | unhex(name[i+2])
			i += 2
		}
		dst = append(dst, http1.ToLower(c))
	}
	return dst
}

// unhex is the value of a hexadecimal digit; 16 if c is none.
func unhex(c byte) byte {
	switch {
	case '0' <= c && c <= '9':
		return c - '0'
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10
	case 'A' <= c && c <= 'F':
		return c - 'A' + 10
	}
	return 16
}
