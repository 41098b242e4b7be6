package proxy

import "bytes"

// field is one line of a header as it was received; its slices alias the received bytes.
type field struct {
	// line is all of it, with its CRLF.
	line []byte
	// name is in the spelling that came; empty behind the last line.
	name []byte
	// value has no white space around it.
	value []byte
}

// nextField splits the first line off a header that checkRequest has let pass. We read the received bytes
// ourselves because fasthttp's own view has lost things: repeated fields, their order, and their place.
func nextField(raw []byte) (f field, rest []byte) {
	end := bytes.IndexByte(raw, '\n') + 1
	if end == 0 {
		end = len(raw)
	}
	return splitField(raw[:end]), raw[end:]
}

// lastField splits off the last line, for a walk from the end.
func lastField(raw []byte) (f field, rest []byte) {
	body := bytes.TrimSuffix(raw, []byte("\n"))
	start := bytes.LastIndexByte(body, '\n') + 1
	return splitField(raw[start:]), raw[:start]
}

func splitField(line []byte) field {
	colon := bytes.IndexByte(line, ':')
	if colon < 0 {
		return field{line: line}
	}
	value := bytes.TrimSuffix(line[colon+1:], []byte("\n"))
	value = bytes.TrimSuffix(value, []byte("\r"))
	return field{line: line, name: line[:colon], value: trimSpace(value)}
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

// equalFold says whether two tokens of one length differ in case at most.
func equalFold(a, b []byte) bool {
	for i := range a {
		if toLower(a[i]) != toLower(b[i]) {
			return false
		}
	}
	return true
}

func toLower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + ('a' - 'A')
	}
	return c
}

// isToken says whether b is a token (RFC 9110, section 5.6.2): a name or a method.
func isToken(b []byte) bool {
	for _, c := range b {
		if !isTokenByte(c) {
			return false
		}
	}
	return len(b) > 0
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
	for _, c := range b {
		if c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
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
