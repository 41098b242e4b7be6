package problem

import (
	"cmp"
	"encoding/json"
	"strconv"
	"unicode/utf8"
)

// end is what a problem's JSON ends in.
const end = "}\n"

// Append appends the problem's JSON and a newline to dst, without reflection as long as it has no
// extra members.
func Append(dst []byte, p Problem) []byte {
	dst = append(dst, `{"type":`...)
	dst = appendString(dst, cmp.Or(p.Type, "about:blank"))
	if p.Title != "" {
		dst = append(dst, `,"title":`...)
		dst = appendString(dst, p.Title)
	}
	dst = append(dst, `,"status":`...)
	dst = strconv.AppendInt(dst, int64(p.Status), 10)
	if p.Detail != "" {
		dst = append(dst, `,"detail":`...)
		dst = appendString(dst, p.Detail)
	}
	for _, m := range p.Extra {
		dst = appendMember(dst, m)
	}
	return append(dst, end...)
}

// appendMember leaves out what JSON can't say: the rest of the problem is worth sending without it.
func appendMember(dst []byte, m Member) []byte {
	value, err := json.Marshal(m.Value)
	if err != nil {
		return dst
	}
	dst = append(dst, ',')
	dst = appendString(dst, m.Name)
	dst = append(dst, ':')
	return append(dst, value...)
}

// appendString quotes s (RFC 8259, section 7). Bytes that aren't UTF-8 become U+FFFD,
// because a JSON text that isn't UTF-8 is none.
func appendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			dst = append(dst, '\\', byte(r))
		case r < ' ':
			const digits = "0123456789abcdef"
			dst = append(dst, '\\', 'u', '0', '0', digits[r>>4], digits[r&15])
		default:
			dst = utf8.AppendRune(dst, r)
		}
	}
	return append(dst, '"')
}
