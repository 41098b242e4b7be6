package outcome

import (
	"net/netip"
	"strconv"
	"time"
	"unicode/utf8"

	"gopher-equalizer/proxy/identity"
)

// This file appends members of JSON objects. A name comes with all that stands before the value:
// `,"status":`.

// appendText appends a string (RFC 8259, section 7).
func appendText(dst []byte, name, s string) []byte {
	dst = append(append(dst, name...), '"')
	if isPlain(s) {
		dst = append(dst, s...)
	} else {
		dst = appendEscaped(dst, s)
	}
	return append(dst, '"')
}

// isPlain reports whether s is printable ASCII without quotes and backslashes, as most text is.
func isPlain(s string) bool {
	if len(s) < 8 {
		for i := range len(s) {
			if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
				return false
			}
		}
		return true
	}
	found := uint64(0)
	for i := 0; i <= len(s)-8; i += 8 {
		found |= oddIn(s[i : i+8])
	}
	found |= oddIn(s[len(s)-8:])
	return found&(each*0x80) == 0
}

// each has a byte in all bytes of a word, by multiplication.
const each = 0x0101010101010101

// oddIn looks at eight bytes at once. The highest bit of some byte of the result is set if, and
// only if, one of them isn't plain.
func oddIn(s string) uint64 {
	_ = s[7]
	word := uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
	quote, backslash := word^each*'"', word^each*'\\'
	return word | (word + each) | (word - each*' ') | (quote - each) | (backslash - each)
}

// appendEscaped appends what stands between a string's quotes. Bytes that aren't UTF-8 become
// U+FFFD, because a JSON text that isn't UTF-8 is none.
func appendEscaped(dst []byte, s string) []byte {
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			dst = append(dst, '\\', byte(r))
		case r < ' ' || r == 0x7f:
			const digits = "0123456789abcdef"
			dst = append(dst, '\\', 'u', '0', '0', digits[r>>4], digits[r&15])
		default:
			dst = utf8.AppendRune(dst, r)
		}
	}
	return dst
}

// appendError appends an error's text; nothing if there is none.
func appendError(dst []byte, name string, err error) []byte {
	if err == nil {
		return dst
	}
	return appendText(dst, name, err.Error())
}

func appendNumber(dst []byte, name string, n int64) []byte {
	return strconv.AppendInt(append(dst, name...), n, 10)
}

// appendDuration appends a duration in seconds; nothing if it took no time.
func appendDuration(dst []byte, name string, d time.Duration) []byte {
	if d <= 0 {
		return dst
	}
	dst = strconv.AppendInt(append(dst, name...), int64(d/time.Second), 10)
	rest := d % time.Second
	if rest == 0 {
		return dst
	}
	dst = append(dst, '.')
	for digit := time.Second / 10; rest > 0; digit /= 10 {
		dst = append(dst, byte('0'+rest/digit))
		rest %= digit
	}
	return dst
}

// appendAddr appends an address.
func appendAddr(dst []byte, name string, addr netip.Addr) []byte {
	dst = append(append(dst, name...), '"')
	return append(identity.AppendAddr(dst, addr), '"')
}
