package message

import (
	"strings"
	"unsafe"

	"gopher-equalizer/proxy/http1"
)

// overhead is what a field counts besides its name and its value (RFC 9113, section 6.5.2).
const overhead = 32

// field is a field as the decoder has made it. Its strings are kept until the list has ended.
type field struct{ name, value string }

// list is a field list on its way in.
type list struct {
	maxBytes, maxFields int
	// bytes and count are how large it is so far.
	bytes, count int
	fields       []field
	// err is the first fault, nil if there is none: nothing is stored after it.
	err error
}

func (l *list) reset(maxBytes, maxFields int) {
	l.maxBytes, l.maxFields, l.bytes, l.count, l.err = maxBytes, maxFields, 0, 0, nil
}

// forget lets go of what the decoder has made.
func (l *list) forget() {
	clear(l.fields)
	l.fields = l.fields[:0]
}

// counts counts a field. It reports false of one that isn't to be looked at, since the list is over
// a bound with it or a fault was found before.
func (l *list) counts(name, value string) bool {
	if l.err != nil {
		return false
	}
	l.bytes += len(name) + len(value) + overhead
	l.count++
	return l.bytes <= l.maxBytes && l.count <= l.maxFields
}

// tooLarge and tooMany report whether the list is over a bound.
func (l *list) tooLarge() bool { return l.bytes > l.maxBytes }
func (l *list) tooMany() bool  { return l.count > l.maxFields }

// store keeps a field unless it is at fault.
func (l *list) store(name, value string, why *Malformed) {
	if why != nil {
		l.err = why
		return
	}
	l.fields = append(l.fields, field{name, value})
}

// isPseudo reports whether a field is none of HTTP, but a part of a request or status line.
func isPseudo(name string) bool { return strings.HasPrefix(name, ":") }

// checkField returns what is wrong with a field that isn't a pseudo field; nil if nothing is (RFC
// 9113, sections 8.2.1 and 8.2.2).
func checkField(name, value string) *Malformed {
	switch {
	case !isLowerToken(name):
		return malformed("field-name", "a field's name is not a token in lower case")
	case isOfConnection(name):
		return malformed("field-connection", "a field of HTTP/1's connections").of(name)
	case name == "te" && !http1.Is(bytesOf(value), "trailers"):
		return malformed("te", "TE is not trailers").of(name)
	}
	return checkValue(name, value)
}

// checkValue returns what is wrong with a value. Other control characters than these break http1's
// rules.
func checkValue(name, value string) *Malformed {
	switch v := bytesOf(value); {
	case !http1.IsFieldValue(v) && strings.ContainsAny(value, "\x00\r\n"):
		return malformed("field-value", "a CR, an LF or a NUL in a field's value").of(name)
	case len(v) != len(http1.TrimSpace(v)):
		return malformed("field-space", "white space around a field's value").of(name)
	}
	return nil
}

func isLowerToken(name string) bool {
	for i := range len(name) {
		if c := name[i]; 'A' <= c && c <= 'Z' {
			return false
		}
	}
	return http1.IsToken(bytesOf(name))
}

// isOfConnection reports whether HTTP/2 has no such field, since it would be about the connection
// (RFC 9113, section 8.2.2). name is in lower case.
func isOfConnection[S []byte | string](name S) bool {
	switch string(name) {
	case "connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade":
		return true
	}
	return false
}

// bytesOf returns s as bytes without a copy, for a callee that changes nothing of it.
func bytesOf(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }
