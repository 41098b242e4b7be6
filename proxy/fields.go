package proxy

import (
	"bytes"
	"encoding/binary"
)

// fields goes through the lines of a header that checkRequest has let pass:
//
//	f := fields{rest: raw}
//	for f.next() {
//
// (Not in the for clause: that would copy it for each turn.)
//
// We read the received bytes ourselves because fasthttp's own view has lost things: repeated fields, their
// order, and their place. The slices alias those bytes.
type fields struct {
	// rest are the lines that weren't visited yet.
	rest []byte
	// line is the present one, with its CRLF.
	line []byte
	// name is in the spelling that came.
	name []byte
}

// next goes on to the first line of the rest; it says no at the empty line that ends the header.
func (f *fields) next() bool {
	end := bytes.IndexByte(f.rest, '\n') + 1
	if end == 0 {
		end = len(f.rest)
	}
	f.line, f.rest = f.rest[:end], f.rest[end:]
	return f.split()
}

// previous goes on to the last line of the rest, for a walk from the end; it says no at the beginning.
func (f *fields) previous() bool {
	for len(f.rest) > 0 {
		start := bytes.LastIndexByte(f.rest[:len(f.rest)-1], '\n') + 1
		f.line, f.rest = f.rest[start:], f.rest[:start]
		if f.split() {
			return true
		}
	}
	return false
}

func (f *fields) split() bool {
	colon := bytes.IndexByte(f.line, ':')
	if colon <= 0 {
		return false
	}
	f.name = f.line[:colon]
	return true
}

// value is what follows the name, without the white space around it.
func (f *fields) value() []byte {
	value := f.line[len(f.name)+1:]
	if n := len(value); n > 0 && value[n-1] == '\n' {
		value = value[:n-1]
	}
	if n := len(value); n > 0 && value[n-1] == '\r' {
		value = value[:n-1]
	}
	return trimSpace(value)
}

// trimSpace cuts off the optional white space of RFC 9110, section 5.6.3: spaces and tabs only.
func trimSpace(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t') {
		b = b[1:]
	}
	for len(b) > 0 && (b[len(b)-1] == ' ' || b[len(b)-1] == '\t') {
		b = b[:len(b)-1]
	}
	return b
}

// nextElement splits the first element off a comma-separated list (RFC 9110, section 5.6.1). It may be empty.
func nextElement(list []byte) (element, rest []byte) {
	element, rest, _ = bytes.Cut(list, []byte(","))
	return trimSpace(element), rest
}

// is compares a name with a lower-case one, in any case.
func is(name []byte, lower string) bool {
	if len(name) != len(lower) {
		return false
	}
	for i := range name {
		if toLower(name[i]) != lower[i] {
			return false
		}
	}
	return true
}

// sameName says whether two names are the same, in any case.
func sameName[S []byte | string](a []byte, b S) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if toLower(a[i]) != toLower(b[i]) {
			return false
		}
	}
	return true
}

func containsName(names [][]byte, name []byte) bool {
	for _, n := range names {
		if sameName(n, name) {
			return true
		}
	}
	return false
}

func toLower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + ('a' - 'A')
	}
	return c
}

// isToken says whether b is a token (RFC 9110, section 5.6.2): a name or a method.
func isToken(b []byte) bool { return len(b) > 0 && tokenLength(b) == len(b) }

// tokenLength is how many bytes of a token b begins with.
func tokenLength(b []byte) int {
	for i, c := range b {
		if letter := c | 0x20; ('a' <= letter && letter <= 'z') || c == '-' {
			continue // Most bytes of most names.
		}
		if !isTokenByte(c) {
			return i
		}
	}
	return len(b)
}

func isTokenByte(c byte) bool {
	const digits, lower, upper = (1<<10 - 1) << '0', (1<<26 - 1) << 'a', (1<<26 - 1) << 'A'
	const mask = digits | lower | upper |
		1<<'!' | 1<<'#' | 1<<'$' | 1<<'%' | 1<<'&' | 1<<'\'' | 1<<'*' | 1<<'+' |
		1<<'-' | 1<<'.' | 1<<'^' | 1<<'_' | 1<<'`' | 1<<'|' | 1<<'~'
	return (uint64(1)<<c)&(mask&(1<<64-1))|(uint64(1)<<(c-64))&(mask>>64) != 0
}

// isFieldValue says whether b holds no control characters; tabs are allowed, and so are
// bytes from 0x80, which mean whatever both ends agreed on (RFC 9110, section 5.5).
func isFieldValue(b []byte) bool {
	for len(b) >= 8 {
		if hasControl(binary.LittleEndian.Uint64(b)) && !isFieldText(b[:8]) {
			return false
		}
		b = b[8:]
	}
	return isFieldText(b)
}

func isFieldText(b []byte) bool {
	for _, c := range b {
		if c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}

// hasControl says whether one of eight bytes is below 0x20 or is 0x7f: subtracting sets the high bit of
// a byte that is too small, and the bytes that had it set before don't count.
func hasControl(word uint64) bool {
	const each, high = 0x0101010101010101, 0x8080808080808080
	del := word ^ 0x7f*each
	return ((word-' '*each)&^word|(del-each)&^del)&high != 0
}

// isDigits says whether b is a number of at most n digits.
func isDigits(b []byte, n int) bool {
	for _, c := range b {
		if c < '0' || c > '9' {
			return false
		}
	}
	return len(b) > 0 && len(b) <= n
}
