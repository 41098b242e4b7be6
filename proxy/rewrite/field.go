package rewrite

import (
	"strconv"
	"time"
)

// AppendField appends a field's line.
func AppendField[V []byte | string](dst []byte, name string, value V) []byte {
	dst = append(dst, name...)
	dst = append(dst, ": "...)
	dst = append(dst, value...)
	return append(dst, "\r\n"...)
}

// AppendNumber appends the line of a field whose value is a number.
func AppendNumber(dst []byte, name string, value int64) []byte {
	dst = append(dst, name...)
	dst = append(dst, ": "...)
	dst = strconv.AppendInt(dst, value, 10)
	return append(dst, "\r\n"...)
}

// AppendDate appends the Date that a response must have (RFC 9110, section 6.6.1).
func AppendDate(dst []byte) []byte {
	dst = append(dst, headerDate+": "...)
	dst = time.Now().UTC().AppendFormat(dst, "Mon, 02 Jan 2006 15:04:05 GMT")
	return append(dst, "\r\n"...)
}
