package http1

import (
	"bytes"
	"encoding/binary"
	"unsafe"
)

// Text returns b as a string without a copy, for a callee that keeps nothing of it.
func Text(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// TrimSpace cuts off the optional white space of RFC 9110, section 5.6.3: spaces and tabs only.
func TrimSpace(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t') {
		b = b[1:]
	}
	for len(b) > 0 && (b[len(b)-1] == ' ' || b[len(b)-1] == '\t') {
		b = b[:len(b)-1]
	}
	return b
}

// NextElement splits the first element off a comma-separated list (RFC 9110, section 5.6.1). It may
// be empty.
func NextElement(list []byte) (element, rest []byte) {
	element, rest, _ = bytes.Cut(list, []byte(","))
	return TrimSpace(element), rest
}

// Is compares a name with a lower-case one, in any case.
func Is(name []byte, lower string) bool {
	if len(name) != len(lower) {
		return false
	}
	for i := range name {
		if ToLower(name[i]) != lower[i] {
			return false
		}
	}
	return true
}

// SameName reports whether two names are the same, in any case.
func SameName[S []byte | string](a []byte, b S) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if ToLower(a[i]) != ToLower(b[i]) {
			return false
		}
	}
	return true
}

// ContainsName reports whether name is among names, in any case.
func ContainsName(names [][]byte, name []byte) bool {
	for _, n := range names {
		if SameName(n, name) {
			return true
		}
	}
	return false
}

// ToLower is an ASCII letter in lower case, and any other byte as it is.
func ToLower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + ('a' - 'A')
	}
	return c
}

// IsToken reports whether b is a token (RFC 9110, section 5.6.2): a name or a method.
func IsToken(b []byte) bool { return len(b) > 0 && tokenLength(b) == len(b) }

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

// IsFieldValue reports whether b holds no control characters; tabs are allowed, and so are
// bytes from 0x80, which mean whatever both ends agreed on (RFC 9110, section 5.5).
func IsFieldValue(b []byte) bool {
	for len(b) >= 8 {
		if hasControl(binary.LittleEndian.Uint64(b)) && !isFieldText(b[:8]) {
			return false
		}
		b = b[8:]
	}
	return isFieldText(b)
}

func isFieldText(b []byte) bool { return fieldTextLength(b) == len(b) }

// fieldTextLength is how many bytes of b come before the first control character.
func fieldTextLength(b []byte) int {
	for i, c := range b {
		if c < ' ' && c != '\t' || c == 0x7f {
			return i
		}
	}
	return len(b)
}

// hasControl reports whether one of eight bytes is below 0x20 or is 0x7f: subtracting sets the high
// bit of a byte that is too small, and the bytes that had it set before don't count.
func hasControl(word uint64) bool {
	const each, high = 0x0101010101010101, 0x8080808080808080
	del := word ^ 0x7f*each
	return ((word-' '*each)&^word|(del-each)&^del)&high != 0
}

// IsDigits reports whether b is a number of at most n digits.
func IsDigits(b []byte, n int) bool {
	for _, c := range b {
		if c < '0' || c > '9' {
			return false
		}
	}
	return len(b) > 0 && len(b) <= n
}
