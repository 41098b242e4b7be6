package http1

import "errors"

// Why a body is refused.
var (
	errChunkSize = errors.New("a chunk's size is not hexadecimal digits")
	errChunkEnd  = errors.New("a chunk doesn't end where its size says")
	errChunkLine = errors.New("a chunk's first line is too long, or the lines of all chunks are")
	errTrailers  = errors.New("the trailer section is malformed or too long")
)

// Malformed says whether err is Decode's.
func Malformed(err error) bool {
	return err == errChunkSize || err == errChunkEnd || err == errChunkLine || err == errTrailers
}

const (
	// maxChunkSize is how many digits a chunk's size may have: 2^60 bytes are enough.
	maxChunkSize = 15
	// maxChunkExtension bounds a chunk's extension.
	maxChunkExtension = 1 << 10
	// maxExtensions bounds the extensions of all chunks of a body: nobody reads them, and we would for ever.
	maxExtensions = 16 << 10
	// maxTrailers bounds the trailer section.
	maxTrailers = 8 << 10
)

// Body finds the end of a body, and the data in it, in the bytes that come. Begin comes before all else.
type Body struct {
	// Trailers are the fields behind the last chunk, once the body is complete. They stay good until the next Begin.
	Trailers []Field

	size     int64
	complete bool
	// left is how much of a sized body, or of a chunk, is to come.
	left       int64
	state      chunkState
	digits     int
	extension  int
	extensions int
	// section is the trailer section as far as it has come.
	section []byte
}

// chunkState is what comes next in a chunked body.
type chunkState byte

const (
	chunkSize chunkState = iota
	chunkExtension
	chunkLineEnd
	chunkData
	chunkDataCR
	chunkDataLF
	chunkTrailers
)

// Begin readies b for a body of a size: a number of bytes, SizeChunked, SizeUntilClose, or SizeNone, which is complete.
func (b *Body) Begin(size int64) {
	*b = Body{Trailers: b.Trailers[:0], section: b.section[:0], size: size}
	b.left = max(size, 0)
	b.complete = size == 0 || size == SizeNone
	if size == SizeChunked {
		b.left = 0
	}
}

// Complete says that all of the body has come.
func (b *Body) Complete() bool { return b.complete }

// Rest is how much of a sized body is to come, all of it data; 0 of any other.
func (b *Body) Rest() int64 {
	if b.size < 0 {
		return 0
	}
	return b.left
}

// Pass says that so many bytes of the Rest have come, and were not for Decode.
func (b *Body) Pass(n int64) {
	b.left -= n
	b.complete = b.left == 0
}

// Decode reads what came. It moves the data to the front of src, n bytes, and says how many bytes of src belong to the
// body: all of them, unless it is complete. An error says that the body is malformed; the data before are good.
func (b *Body) Decode(src []byte) (n, used int, err error) {
	switch {
	case b.complete:
		return 0, 0, nil
	case b.size == SizeUntilClose:
		return len(src), len(src), nil
	case b.size == SizeChunked:
		return b.decodeChunks(src)
	}
	n = int(min(int64(len(src)), b.left))
	b.Pass(int64(n))
	return n, n, nil
}

// End tells b that the sender has closed. It says whether the body is complete.
func (b *Body) End() bool {
	b.complete = b.complete || b.size == SizeUntilClose
	return b.complete
}

func (b *Body) decodeChunks(src []byte) (n, used int, err error) {
	for used < len(src) && !b.complete {
		if b.state == chunkData {
			m := int(min(int64(len(src)-used), b.left))
			copy(src[n:], src[used:used+m])
			n, used, b.left = n+m, used+m, b.left-int64(m)
			if b.left == 0 {
				b.state = chunkDataCR
			}
			continue
		}
		if err := b.step(src[used]); err != nil {
			return n, used, err
		}
		used++
	}
	return n, used, nil
}

// step takes a byte that isn't data.
func (b *Body) step(c byte) error {
	switch b.state {
	case chunkSize:
		return b.stepSize(c)
	case chunkExtension:
		if c == '\r' {
			b.state = chunkLineEnd
			return nil
		}
		b.extension++
		b.extensions++
		switch {
		case !IsFieldValue([]byte{c}):
			return errChunkSize
		case b.extension > maxChunkExtension, b.extensions > maxExtensions:
			return errChunkLine
		}
	case chunkLineEnd:
		if c != '\n' {
			return errChunkSize
		}
		b.beginChunk()
	case chunkDataCR:
		if c != '\r' {
			return errChunkEnd
		}
		b.state = chunkDataLF
	case chunkDataLF:
		if c != '\n' {
			return errChunkEnd
		}
		b.state, b.digits, b.extension = chunkSize, 0, 0
	case chunkTrailers:
		return b.stepTrailers(c)
	}
	return nil
}

func (b *Body) stepSize(c byte) error {
	digit, ok := hexDigit(c)
	switch {
	case ok && b.digits < maxChunkSize:
		b.left = b.left<<4 | int64(digit)
		b.digits++
	case b.digits > 0 && c == ';':
		b.state = chunkExtension
	case b.digits > 0 && c == '\r':
		b.state = chunkLineEnd
	default:
		return errChunkSize
	}
	return nil
}

func (b *Body) beginChunk() {
	b.state = chunkData
	if b.left == 0 {
		b.state = chunkTrailers
	}
}

// stepTrailers takes a byte of the trailer section. Most often that is an empty line.
func (b *Body) stepTrailers(c byte) error {
	if len(b.section) == maxTrailers {
		return errTrailers
	}
	b.section = append(b.section, c)
	switch n := len(b.section); {
	case c != '\n':
		return nil
	case n < 2 || b.section[n-2] != '\r':
		return errTrailers
	case n > 2 && (n < 4 || string(b.section[n-4:]) != "\r\n\r\n"):
		return nil
	}
	b.complete = true
	return b.parseTrailers()
}

func (b *Body) parseTrailers() error {
	for rest := b.section; len(rest) > len("\r\n"); {
		f, after, fault := cutField(rest)
		if fault != fieldFine || len(b.Trailers) == MaxFields {
			return errTrailers
		}
		b.Trailers = append(b.Trailers, f)
		rest = after
	}
	return nil
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
