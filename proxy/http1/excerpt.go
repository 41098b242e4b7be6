package http1

import "unicode/utf8"

// maxExcerpt is how many bytes of a refused message are shown.
const maxExcerpt = 16

// excerpt is what stands around b[at], masked: half of it before, half from there on.
func excerpt(b []byte, at int) string {
	from := min(max(at-maxExcerpt/2, 0), len(b))
	to := min(max(at+maxExcerpt/2, 0), len(b))
	shown := make([]byte, 0, maxExcerpt*utf8.UTFMax)
	for _, c := range b[from:to] {
		shown = appendMasked(shown, c)
	}
	return string(shown)
}

// appendMasked appends a byte in which nothing of a text can be read: a letter or a digit is an x,
// and so is any byte from 0x80, which may be a part of a letter, but as U+FFFD. What framing hangs
// on stays: punctuation, white space and control characters.
func appendMasked(dst []byte, c byte) []byte {
	switch letter := c | 0x20; {
	case c >= utf8.RuneSelf:
		return utf8.AppendRune(dst, utf8.RuneError)
	case 'a' <= letter && letter <= 'z', '0' <= c && c <= '9':
		return append(dst, 'x')
	}
	return append(dst, c)
}
