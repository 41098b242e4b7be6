package outcome

import (
	"bytes"
	"encoding/binary"
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
	b := []byte(s) // Copies nothing, as b is only read.
	found := uint64(0)
	switch n := len(b); {
	case n >= 8:
		for rest := b; len(rest) > 8; rest = rest[8:] {
			found |= oddIn(binary.LittleEndian.Uint64(rest))
		}
		found |= oddIn(binary.LittleEndian.Uint64(b[n-8:]))
	case n >= 4:
		low, high := binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint32(b[n-4:])
		found = oddIn(uint64(low) | uint64(high)<<32)
	default:
		for _, c := range b {
			found |= oddIn(each * uint64(c))
		}
	}
	return found&(each*0x80) == 0
}

// each has a byte in all bytes of a word, by multiplication.
const each = 0x0101010101010101

// oddIn looks at eight bytes at once. The highest bit of some byte of the result is set if, and
// only if, one of them isn't plain.
func oddIn(word uint64) uint64 {
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
	point := len(dst)
	dst = strconv.AppendInt(dst, int64(time.Second+rest), 10) // A one and nine digits.
	dst[point] = '.'
	return bytes.TrimRight(dst, "0")
}

// appendAddr appends an address.
func appendAddr(dst []byte, name string, addr netip.Addr) []byte {
	dst = append(append(dst, name...), '"')
	return append(identity.AppendAddr(dst, addr), '"')
}
