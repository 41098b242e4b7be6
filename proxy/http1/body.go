package http1

import "bytes"

const (
	// maxChunkSize is how many digits a chunk's size may have: 2^60 bytes are enough.
	maxChunkSize = 15
	// maxChunkExtension bounds a chunk's extension.
	maxChunkExtension = 1 << 10
	// maxExtensions bounds the extensions of all chunks of a body: nobody reads them, and we would
	// for ever.
	maxExtensions = 16 << 10
	// maxTrailers bounds the trailer section of a request. It is also how much memory for one is
	// kept.
	maxTrailers = 8 << 10
)

// Body finds the end of a body, and the data in it, in the bytes that come. Begin or BeginResponse
// comes before all else.
type Body struct {
	// Trailers are the fields behind the last chunk, once the body is complete. They stay good
	// until the next Begin.
	Trailers []Field

	size     int64
	complete bool
	// left is how much of a sized body, or of a chunk, is to come.
	left       int64
	state      chunkState
	digits     int
	extension  int
	extensions int
	// response reports whether it is a response's body, where some forms pass that no request may
	// have. bareLF reports whether the line with the chunk's size ended in a bare LF: then its data
	// may, too. If not, data that are followed by one may be a byte more than was meant, with the
	// CR of the chunk's end.
	response, bareLF bool
	// lf and crlf report whether a line around the data ended in a bare LF, or in CRLF.
	lf, crlf bool
	// at is how many bytes came before those that Decode is reading.
	at int64
	// section is the trailer section as far as it has come; maxSection bounds it.
	section    []byte
	maxSection int
}

// chunkState is what comes next in a chunked body.
type chunkState byte

const (
	chunkSize chunkState = iota
	chunkBlank
	chunkExtension
	chunkLineEnd
	chunkData
	chunkDataCR
	chunkDataLF
	chunkTrailers
)

// Begin readies b for a body of a size: a number of bytes, SizeChunked, SizeUntilClose, or
// SizeNone, which is complete.
func (b *Body) Begin(size int64) {
	b.begin(size)
	b.maxSection = maxTrailers
}

// BeginResponse is Begin for a response's body, whose trailer section may have maxSection bytes. A
// chunk's size may have blanks behind it, and lines may end in a bare LF (RFC 9112, sections 7.1.1
// and 2.2): such bodies exist, and are framed anew.
func (b *Body) BeginResponse(size int64, maxSection int) {
	b.begin(size)
	b.response, b.maxSection = true, maxSection
}

func (b *Body) begin(size int64) {
	if cap(b.section) > maxTrailers {
		b.section = nil // Few are so large, and whoever has a Body keeps it.
	}
	*b = Body{Trailers: b.Trailers[:0], section: b.section[:0], size: size}
	b.left = max(size, 0)
	b.complete = size == 0 || size == SizeNone
	if size == SizeChunked {
		b.left = 0
	}
}

// Complete reports whether all of the body has come.
func (b *Body) Complete() bool { return b.complete }

// Rest is how much of a sized body is to come, all of it data; 0 of any other.
func (b *Body) Rest() int64 {
	if b.size < 0 {
		return 0
	}
	return b.left
}

// Pass notes that so many bytes of the Rest have come, and were not for Decode.
func (b *Body) Pass(n int64) {
	b.left -= n
	b.complete = b.left == 0
}

// Decode reads what came. It moves the data to the front of src, n bytes, and says how many bytes
// of src belong to the body: all of them, unless it is complete. An error is a *Refusal: the body
// is malformed; the data before are good.
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

// End tells b that the sender has closed. It reports whether the body is complete.
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
		if why := b.step(src[used]); why != nil {
			return n, used, b.refuse(why, src[n:], used-n, used)
		}
		used++
	}
	b.at += int64(used)
	return n, used, nil
}

// refuse says where a body is malformed: behind so many bytes of what Decode got. Of those, seen
// are left as they came; the fault is at seen[at]. Trailers tell their place from the beginning of
// their section.
func (b *Body) refuse(why *Refusal, seen []byte, at, used int) *Refusal {
	if b.response {
		why.Status = statusBadGateway
	}
	if b.state == chunkTrailers && len(b.section) > 0 {
		begin := int(b.at) + used + 1 - len(b.section)
		why.See(b.section)
		return why.at(begin + why.Offset)
	}
	return why.at(int(b.at)+used).seen(seen, at)
}

// Why a body is refused.
func badChunkSize() *Refusal {
	return bad("chunk-size", "a chunk's size is not hexadecimal digits")
}

func badChunkEnd() *Refusal { return bad("chunk-end", "a chunk doesn't end where its size says") }

func badChunkLine() *Refusal {
	return bad("chunk-line", "a chunk's first line is too long, or the lines of all chunks are")
}

func badTrailers(detail string) *Refusal { return bad("trailers", detail) }

// step takes a byte that isn't data.
func (b *Body) step(c byte) *Refusal {
	switch b.state {
	case chunkSize:
		return b.stepSize(c)
	case chunkBlank, chunkExtension:
		return b.stepExtension(c)
	case chunkLineEnd:
		if c != '\n' {
			return badChunkSize()
		}
		b.crlf = true
		b.beginChunk()
	case chunkDataCR:
		return b.stepDataEnd(c)
	case chunkDataLF:
		if c != '\n' {
			return badChunkEnd()
		}
		b.endChunk()
	case chunkTrailers:
		return b.stepTrailers(c)
	}
	return nil
}

func (b *Body) stepSize(c byte) *Refusal {
	digit, ok := hexDigit(c)
	switch {
	case ok && b.digits < maxChunkSize:
		b.left = b.left<<4 | int64(digit)
		b.digits++
	case b.digits > 0 && c == ';':
		b.state = chunkExtension
	case b.digits > 0 && c == '\r':
		b.state = chunkLineEnd
	case b.digits > 0 && c == '\n' && b.response:
		b.endSizeLine()
	case b.digits > 0 && isBlank(c) && b.response:
		b.state = chunkBlank
	default:
		return badChunkSize()
	}
	return nil
}

// stepExtension takes a byte behind a chunk's size: blanks, and then an extension. What that says
// nobody needs.
func (b *Body) stepExtension(c byte) *Refusal {
	switch {
	case c == '\r':
		b.state = chunkLineEnd
		return nil
	case c == '\n' && b.response:
		b.endSizeLine()
		return nil
	case b.state == chunkBlank && c == ';':
		b.state = chunkExtension
	case b.state == chunkBlank && !isBlank(c), !isFieldText([]byte{c}):
		return badChunkSize()
	}
	b.extension++
	if b.state == chunkExtension {
		b.extensions++ // Not blanks: there are backends that pad each chunk's size.
	}
	if b.extension > maxChunkExtension || b.extensions > maxExtensions {
		return badChunkLine()
	}
	return nil
}

// endSizeLine begins a chunk whose size line ended in a bare LF.
func (b *Body) endSizeLine() {
	b.lf, b.bareLF = true, true
	b.beginChunk()
}

// MixesLineEnds reports whether some lines around the data ended in a bare LF and others in CRLF.
// The LF may then be a part of a value that a client chose, and the body's end no end.
func (b *Body) MixesLineEnds() bool { return b.lf && b.crlf }

func isBlank(c byte) bool { return c == ' ' || c == '\t' }

// stepDataEnd takes what comes right behind a chunk's data.
func (b *Body) stepDataEnd(c byte) *Refusal {
	switch {
	case c == '\r':
		b.state = chunkDataLF
	case c == '\n' && b.bareLF:
		b.endChunk()
	default:
		return badChunkEnd()
	}
	return nil
}

func (b *Body) beginChunk() {
	b.state = chunkData
	if b.left == 0 {
		b.state = chunkTrailers
	}
}

func (b *Body) endChunk() { b.state, b.digits, b.extension, b.bareLF = chunkSize, 0, 0, false }

// stepTrailers takes a byte of the trailer section. Most often that is an empty line.
func (b *Body) stepTrailers(c byte) *Refusal {
	if len(b.section) >= b.maxSection {
		return badTrailers("the trailer section is too long").at(len(b.section) - 1)
	}
	b.section = append(b.section, c)
	if c != '\n' {
		return nil
	}
	line, crlf := lastLine(b.section)
	switch {
	case !crlf && !b.response:
		return badTrailers("a trailer line doesn't end in CRLF").at(len(b.section) - 1)
	case crlf:
		b.crlf = true
	default:
		b.lf = true
	}
	if len(line) > 0 {
		return nil
	}
	why := b.parseTrailers()
	b.complete = why == nil
	return why
}

// lastLine is the last line of b, which ends in LF, without its end; crlf reports whether there is
// a CR, too.
func lastLine(b []byte) (line []byte, crlf bool) {
	line = b[bytes.LastIndexByte(b[:len(b)-1], '\n')+1 : len(b)-1]
	if n := len(line); n > 0 && line[n-1] == '\r' {
		return line[:n-1], true
	}
	return line, false
}

func (b *Body) parseTrailers() *Refusal {
	for rest := b.section; ; {
		line, after, _ := cutEitherLine(rest)
		if len(line) == 0 {
			return nil
		}
		f, wrong, fault := parseField(rest[:len(rest)-len(after)], line)
		switch {
		case fault != fieldFine:
			why := badTrailers(badField(fault).Detail).of(string(f.Name))
			return why.at(offsetIn(b.section, wrong))
		case len(b.Trailers) == b.maxTrailers():
			return badTrailers("there are too many trailers").at(offsetIn(b.section, rest))
		}
		b.Trailers = append(b.Trailers, f)
		rest = after
	}
}

func (b *Body) maxTrailers() int {
	if b.response {
		return MaxResponseFields
	}
	return MaxFields
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
