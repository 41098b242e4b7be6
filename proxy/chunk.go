package proxy

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"io"
	"strconv"

	"github.com/valyala/fasthttp"
)

// Around a chunk's data is room for what frames it (RFC 9112, section 7.1), so that a chunk is
// one write: before it a size of up to 4 hexadecimal digits and CRLF, behind it CRLF and the last chunk.
const (
	chunkHead = 4 + 2
	chunkTail = 2 + len(lastChunk)
	lastChunk = "0\r\n\r\n"
)

// frameChunk makes n bytes of data at buf[chunkHead:] a chunk, followed by the last chunk if last. The chunk
// is a part of buf. n is below 64 Ki; no data make no chunk, since that would be the last one.
func frameChunk(buf []byte, n int, last bool) []byte {
	start, end := chunkHead, chunkHead+n
	if n > 0 {
		var digits [4]byte
		size := append(strconv.AppendInt(digits[:0], int64(n), 16), "\r\n"...)
		start -= copy(buf[chunkHead-len(size):], size)
		end += copy(buf[end:], "\r\n")
	}
	if last {
		end += copy(buf[end:], lastChunk)
	}
	return buf[start:end]
}

var (
	errChunkSize = errors.New("a chunk's size is not hexadecimal digits")
	errChunkEnd  = errors.New("a chunk doesn't end where its size says")
	errChunkLine = errors.New("a chunk's first line is too long")
	errTrailers  = errors.New("the trailer section is malformed, too long, or has a field that can't be in it")
)

// chunkReader decodes the body of an answer that came in chunks. It is stricter than fasthttp's own: a size
// is digits, lines end in CRLF.
type chunkReader struct {
	br *bufio.Reader
	// trailers gets the fields behind the last chunk.
	trailers *fasthttp.ResponseHeader
	// left is how much of the chunk is to come.
	left uint64
	// begun says that there was a chunk, whose CRLF is to come.
	begun bool
	// last says that the last chunk's line was read, and that the trailers are to come.
	last  bool
	ended bool
}

// Read waits until there are data, and returns what has arrived. io.EOF comes after the trailers.
func (c *chunkReader) Read(p []byte) (n int, err error) {
	for n < len(p) && !c.ended {
		if n > 0 && !c.ready() {
			return n, nil
		}
		m, err := c.step(p[n:])
		n += m
		if err != nil {
			return n, err
		}
	}
	if c.ended && n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

// step reads the next piece: data, a chunk's first line, or the trailers.
func (c *chunkReader) step(p []byte) (n int, err error) {
	switch {
	case c.last:
		c.ended = true
		return 0, c.readTrailers()
	case c.left == 0:
		return 0, c.nextChunk()
	}
	n, err = c.br.Read(p[:min(uint64(len(p)), c.left)])
	c.left -= uint64(n)
	return n, noEOF(err)
}

// ready says that there is something to read on without waiting for the backend.
func (c *chunkReader) ready() bool {
	arrived, _ := c.br.Peek(c.br.Buffered())
	switch {
	case c.left > 0:
		return len(arrived) > 0
	case c.last:
		return endOfTrailers(arrived) > 0
	case c.begun:
		arrived = arrived[min(len(arrived), len("\r\n")):] // The CRLF of the chunk before.
	}
	line := bytes.IndexByte(arrived, '\n') + 1
	return line > 0 && line < len(arrived) // A chunk's line alone is nothing yet.
}

// nextChunk reads up to a chunk's data, or up to the trailers.
func (c *chunkReader) nextChunk() error {
	if c.begun {
		if line, err := c.readLine(); err != nil || len(line) > 0 {
			return cmp.Or(err, errChunkEnd)
		}
	}
	line, err := c.readLine()
	if err != nil {
		return err
	}
	if c.left, err = parseChunkSize(line); err != nil {
		return err
	}
	c.begun, c.last = true, c.left == 0
	return nil
}

// readTrailers reads the fields behind the last chunk, up to the empty line. fasthttp's errors quote them, secrets and all,
// so none is passed on.
func (c *chunkReader) readTrailers() error {
	section, err := peekTrailers(c.br)
	if err == bufio.ErrBufferFull {
		return errTrailers
	}
	if err != nil {
		return noEOF(err)
	}
	for len(section) > len("\r\n") {
		var line []byte
		line, section, _ = bytes.Cut(section, []byte("\r\n"))
		if _, _, ok := cutField(line); !ok {
			return errTrailers
		}
	}
	if c.trailers.ReadTrailer(c.br) != nil {
		return errTrailers
	}
	return nil
}

// peekTrailers waits for the trailer section, and returns it with its empty line; it aliases br's buffer.
func peekTrailers(br *bufio.Reader) ([]byte, error) {
	for want := len("\r\n"); ; want = br.Buffered() + 1 {
		_, err := br.Peek(want)
		arrived, _ := br.Peek(br.Buffered())
		if end := endOfTrailers(arrived); end > 0 {
			return arrived[:end], nil
		}
		if err != nil {
			return nil, err
		}
	}
}

// endOfTrailers is how long the trailer section is that b begins with, 0 if it isn't all there.
func endOfTrailers(b []byte) int {
	if bytes.HasPrefix(b, []byte("\r\n")) {
		return len("\r\n")
	}
	end := bytes.Index(b, []byte("\r\n\r\n"))
	if end < 0 {
		return 0
	}
	return end + len("\r\n\r\n")
}

// readLine reads a line, without its CRLF.
func (c *chunkReader) readLine() ([]byte, error) {
	line, err := c.br.ReadSlice('\n')
	if err == bufio.ErrBufferFull {
		return nil, errChunkLine
	}
	if err != nil {
		return nil, noEOF(err)
	}
	line, ok := bytes.CutSuffix(line, []byte("\r\n"))
	if !ok {
		return nil, errChunkEnd
	}
	return line, nil
}

// parseChunkSize reads a chunk's line without its CRLF. Extensions are dropped, as they concern only the connection they came on.
func parseChunkSize(line []byte) (uint64, error) {
	size, extension, _ := bytes.Cut(line, []byte(";"))
	if len(size) == 0 || len(size) > 15 || !isFieldValue(extension) {
		return 0, errChunkSize
	}
	var n uint64
	for _, c := range size {
		digit, ok := hexDigit(c)
		if !ok {
			return 0, errChunkSize
		}
		n = n<<4 | uint64(digit)
	}
	return n, nil
}

func hexDigit(c byte) (byte, bool) {
	switch {
	case '0' <= c && c <= '9':
		return c - '0', true
	case 'a' <= c|0x20 && c|0x20 <= 'f':
		return c | 0x20 - 'a' + 10, true
	}
	return 0, false
}

// noEOF makes an end that came too early the error that it is.
func noEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
