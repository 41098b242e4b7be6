package http1

import (
	"bytes"
	"net/netip"
)

// splitTarget splits a request target (RFC 9112, section 3.2) into the authority, which only the
// absolute form has, and the path and query, which are empty where the absolute form has none. ok
// is false for anything but the absolute form, the origin form and "*".
func splitTarget(target []byte) (authority, path []byte, ok bool) {
	if len(target) > 0 && target[0] == '/' || string(target) == "*" {
		return nil, target, true
	}
	rest, ok := CutScheme(target)
	if !ok {
		return nil, nil, false
	}
	end := bytes.IndexAny(rest, "/?")
	if end < 0 {
		end = len(rest)
	}
	return rest[:end], rest[end:], true
}

// CutScheme cuts off "http://" or "https://", in any case.
func CutScheme(uri []byte) (rest []byte, ok bool) {
	for _, scheme := range [...]string{"http://", "https://"} {
		if len(uri) >= len(scheme) && Is(uri[:len(scheme)], scheme) {
			return uri[len(scheme):], true
		}
	}
	return nil, false
}

// hasForeignScheme reports whether a target is an absolute URI with an authority whose scheme is
// another than ours. What lacks the two slashes isn't told from a host and a port.
func hasForeignScheme(target []byte) bool {
	scheme, _, absolute := bytes.Cut(target, []byte("://"))
	return absolute && isScheme(scheme)
}

// isScheme reports whether b is a URI's scheme (RFC 3986, section 3.1).
func isScheme(b []byte) bool {
	for i, c := range b {
		letter := 'a' <= c|0x20 && c|0x20 <= 'z'
		if !letter && (i == 0 || !('0' <= c && c <= '9' || c == '+' || c == '-' || c == '.')) {
			return false
		}
	}
	return len(b) > 0
}

// targetLength is how many bytes of b come before one that may not stand in a request target. That
// is less than RFC 3986 asks, since browsers do send {, | and the like in queries; but what servers
// read differently (bytes from 0x80, quotes) or not at all (fragments) is out.
func targetLength(b []byte) int {
	for i, c := range b {
		if c <= ' ' || c >= 0x7f || c == '"' || c == '#' || c == '<' || c == '>' {
			return i
		}
	}
	return len(b)
}

// isHost reports whether b is a host and perhaps a port: a name of letters, digits, dots, hyphens
// and underscores, or an address, IPv6 in brackets. RFC 3986 would have more; nothing that we want
// to guess at. A port may be empty.
func isHost(b []byte) bool {
	if len(b) > 0 && b[0] == '[' {
		end := bytes.IndexByte(b, ']')
		return end > 0 && isIPv6(b[1:end]) && isHostPort(b[end+1:])
	}
	name := b
	if colon := bytes.IndexByte(b, ':'); colon >= 0 {
		name = b[:colon]
	}
	return isHostName(name) && isHostPort(b[len(name):])
}

// isHostPort reports whether b is nothing, or a colon and a port, which may be empty.
func isHostPort(b []byte) bool { return string(b) == ":" || IsPort(b) }

// withoutEmptyPort cuts off the colon of an empty port, of what isHost takes: "a:" is "a" (RFC
// 3986, section 6.2.3).
func withoutEmptyPort(host []byte) []byte { return bytes.TrimSuffix(host, []byte(":")) }

func isHostName(b []byte) bool {
	for _, c := range b {
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '.' || c == '-' || c == '_') {
			return false
		}
	}
	return len(b) > 0
}

// IsPort reports whether b is nothing, or a colon and a port.
func IsPort(b []byte) bool {
	return len(b) == 0 || b[0] == ':' && IsDigits(b[1:], 5)
}

// PortOf is the port of a host with a port, and nil of anything else.
func PortOf(host []byte) []byte {
	colon := bytes.LastIndexByte(host, ':')
	if colon < 0 || !isHost(host) || !IsPort(host[colon:]) {
		return nil
	}
	return host[colon+1:]
}

func isIPv6(b []byte) bool {
	addr, err := netip.ParseAddr(Text(b))
	return err == nil && addr.Is6() && addr.Zone() == ""
}

// WithoutUserinfo is a request target or a host without what stands before an @ in its authority:
// no password belongs into a log, though only requests that are refused have one. What can't be
// told apart goes too.
func WithoutUserinfo(target []byte) []byte {
	if len(target) > 0 && target[0] == '/' {
		return target
	}
	start, end := 0, len(target)
	if authority, path, ok := splitTarget(target); ok {
		end -= len(path)
		start = end - len(authority)
	}
	at := bytes.LastIndexByte(target[start:end], '@')
	if at < 0 {
		return target
	}
	return append(target[:start:start], target[start+at+1:]...)
}
