package http1

import "strconv"

// Around a chunk's data is room for what frames it (RFC 9112, section 7.1), so that a chunk is
// one write: before it a size of up to 8 hexadecimal digits and CRLF, behind it a CRLF.
const (
	ChunkHead = 8 + 2
	ChunkTail = 2
)

// LastChunk ends a chunked body that has no trailers; with trailers, only its first line comes
// before them.
const LastChunk = "0\r\n\r\n"

// FrameChunk makes the n bytes at buf[start:] a chunk, and returns where that begins and ends in
// buf. There must be room for ChunkHead before and ChunkTail behind. No data make no chunk, since
// that would be the last one.
func FrameChunk(buf []byte, start, n int) (from, to int) {
	if n == 0 {
		return start, start
	}
	var digits [ChunkHead]byte
	size := append(strconv.AppendInt(digits[:0], int64(n), 16), "\r\n"...)
	from, to = start-len(size), start+n
	copy(buf[from:], size)
	to += copy(buf[to:], "\r\n")
	return from, to
}

// AppendChunk appends data as a chunk. There must be some: an empty chunk ends a body.
func AppendChunk(dst, data []byte) []byte {
	dst = strconv.AppendInt(dst, int64(len(data)), 16)
	dst = append(dst, "\r\n"...)
	dst = append(dst, data...)
	return append(dst, "\r\n"...)
}

// AppendTrailers appends the end of a chunked body with those trailers that keep says yes to.
func AppendTrailers(dst []byte, trailers []Field, keep func(Field) bool) []byte {
	dst = append(dst, "0\r\n"...)
	for _, f := range trailers {
		if keep(f) {
			dst = f.AppendLine(dst)
		}
	}
	return append(dst, "\r\n"...)
}
