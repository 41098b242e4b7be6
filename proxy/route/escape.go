package route

// EscapeAt returns the byte that an escape at the beginning of b stands for. ok is false where b
// begins with no escape, or with a broken one: that stands for itself.
func EscapeAt(b []byte) (c byte, ok bool) {
	if len(b) < 3 || b[0] != '%' {
		return 0, false
	}
	high, low := hexDigit(b[1]), hexDigit(b[2])
	if high|low > 0xf {
		return 0, false
	}
	return high<<4 | low, true
}

// hexDigit is a hexadecimal digit's value, and more than 15 for any other byte.
func hexDigit(c byte) byte {
	switch {
	case '0' <= c && c <= '9':
		return c - '0'
	case 'a' <= c|0x20 && c|0x20 <= 'f':
		return c | 0x20 - 'a' + 10
	}
	return 0x80
}

// AppendEscape writes a byte as an escape, with digits in capitals (RFC 3986, section 2.1).
func AppendEscape(dst []byte, c byte) []byte {
	const digits = "0123456789ABCDEF"
	return append(dst, '%', digits[c>>4], digits[c&0xf])
}

// IsUnreserved reports whether c means the same escaped or not (RFC 3986, section 2.3).
func IsUnreserved(c byte) bool {
	letter := c | 0x20
	return 'a' <= letter && letter <= 'z' || '0' <= c && c <= '9' || c == '-' || c == '.' || c == '_' || c == '~'
}

// appendUnescaped decodes the escapes of b, once, as far as dst has room. ok is false if it hasn't.
func appendUnescaped(dst, b []byte) (_ []byte, ok bool) {
	for len(b) > 0 {
		c, n := b[0], 1
		if e, ok := EscapeAt(b); ok {
			c, n = e, 3
		}
		if len(dst) == cap(dst) {
			return dst, false
		}
		dst, b = append(dst, c), b[n:]
	}
	return dst, true
}
