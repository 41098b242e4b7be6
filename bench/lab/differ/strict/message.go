package strict

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// Malformed is the error for bytes that are no message, with the reason.
type Malformed struct{ Why string }

// Error implements error.
func (m Malformed) Error() string { return "malformed: " + m.Why }

func malformed(format string, args ...any) error { return Malformed{fmt.Sprintf(format, args...)} }

// ErrCut is the end of the bytes within a message.
var ErrCut = errors.New("the message is cut off")

// Field is a header or trailer line: the name as it came, the value without the white space around
// it.
type Field struct{ Name, Value string }

// Fields are those of a header or a trailer section, in order.
type Fields []Field

// All are the values of the fields with this name, in any case.
func (f Fields) All(name string) (values []string) {
	for _, field := range f {
		if strings.EqualFold(field.Name, name) {
			values = append(values, field.Value)
		}
	}
	return values
}

// Has reports whether a list-valued field has an element, ignoring case.
func (f Fields) Has(name, element string) bool {
	for _, list := range f.All(name) {
		for e := range strings.SplitSeq(list, ",") {
			if strings.EqualFold(strings.Trim(e, " \t"), element) {
				return true
			}
		}
	}
	return false
}

// Body is what follows a header.
type Body struct {
	Data     []byte
	Chunked  bool
	Trailers Fields
}

// maxLine bounds a line. A longer one is malformed. It is far beyond what the proxies let pass.
const maxLine = 1 << 20

// reading is how strictly a message is read.
type reading bool

const (
	// asWritten is for a proxy's own messages, which must read in one way only.
	asWritten reading = false
	// asReceived is for a backend's responses, with what RFC 9112 lets a recipient mend.
	asReceived reading = true
)

// readLine reads a line and cuts its end: CRLF or, asReceived, a bare LF (RFC 9112, section 2.2).
// io.EOF is the end before its first byte.
func (r reading) readLine(br *bufio.Reader) (string, error) {
	line, _, err := r.readEndedLine(br)
	return line, err
}

// readEndedLine is readLine, and reports whether a bare LF was the end.
func (r reading) readEndedLine(br *bufio.Reader) (text string, bareLF bool, err error) {
	var line []byte
	for {
		part, err := br.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case err == nil:
			return r.cutEnd(string(line))
		case err != bufio.ErrBufferFull && len(line) == 0:
			return "", false, err
		case err != bufio.ErrBufferFull:
			return "", false, cut(err)
		case len(line) > maxLine:
			return "", false, malformed("a line of more than %d bytes", maxLine)
		}
	}
}

func (r reading) cutEnd(line string) (text string, bareLF bool, err error) {
	line, crlf := strings.CutSuffix(line, "\r\n")
	if !crlf && r == asWritten {
		return "", true, malformed("a line ends in a bare LF: %q", line)
	}
	line = strings.TrimSuffix(line, "\n")
	if strings.ContainsAny(line, "\r\x00") {
		return "", false, malformed("a bare CR or a NUL: %q", line)
	}
	return line, !crlf, nil
}

// cut turns io.EOF into ErrCut.
func cut(err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return ErrCut
	}
	return err
}

// readFields reads lines up to and with the empty one.
func (r reading) readFields(br *bufio.Reader) (fields Fields, err error) {
	for {
		line, err := r.readLine(br)
		if err != nil {
			return nil, cut(err)
		}
		if line == "" {
			return fields, nil
		}
		name, value, ok := strings.Cut(line, ":")
		if !ok || !IsToken(name) || !isText(value) {
			return nil, malformed("the line %q", line)
		}
		fields = append(fields, Field{name, strings.Trim(value, " \t")})
	}
}

// mended returns a field's values. If all elements of the list are equal, ignoring case, it returns
// one.
func mended(values []string) []string {
	if len(values) == 0 {
		return nil
	}
	elements := strings.Split(strings.Join(values, ","), ",")
	for i, e := range elements {
		elements[i] = strings.Trim(e, " \t")
		if !strings.EqualFold(elements[i], elements[0]) {
			return values
		}
	}
	return elements[:1]
}

// length is what follows a header: size bytes, or chunks; size is -1 if the header doesn't say.
func (r reading) length(f Fields, http11 bool) (size int64, chunked bool, err error) {
	lengths, codings := f.All("Content-Length"), f.All("Transfer-Encoding")
	if r == asReceived {
		lengths, codings = mended(lengths), mended(codings)
		if len(codings) == 1 && len(lengths) == 1 && strings.Trim(lengths[0], "0123456789") == "" && lengths[0] != "" {
			lengths = nil // RFC 9112, section 6.3
		}
	}
	switch {
	case len(lengths)+len(codings) == 0:
		return -1, false, nil
	case len(lengths)+len(codings) > 1:
		return 0, false, malformed("Content-Length %q with Transfer-Encoding %q", lengths, codings)
	case len(codings) == 1 && (!strings.EqualFold(codings[0], "chunked") || !http11):
		return 0, false, malformed("Transfer-Encoding %q", codings)
	case len(codings) == 1:
		return 0, true, nil
	}
	if strings.Trim(lengths[0], "0123456789") != "" {
		return 0, false, malformed("Content-Length %q", lengths)
	}
	size, err = strconv.ParseInt(lengths[0], 10, 64)
	if err != nil {
		return 0, false, malformed("Content-Length %q", lengths)
	}
	return size, false, nil
}

// maxBody bounds a body. A larger one is malformed.
const maxBody = 64 << 20

// readSized reads a body of known size. If the body is cut off, it returns the part that was read,
// too.
func readSized(br *bufio.Reader, size int64) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(br, min(size, maxBody)))
	switch {
	case err != nil:
		return data, cut(err)
	case int64(len(data)) < min(size, maxBody):
		return data, ErrCut
	case size > maxBody:
		return data, malformed("a body of %d bytes", size)
	}
	return data, nil
}

// readChunks reads a chunked body with its trailers.
func (b *Body) readChunks(br *bufio.Reader, r reading) error {
	b.Chunked = true
	for {
		size, bareLF, err := r.readChunkSize(br)
		if err != nil {
			return err
		}
		if size == 0 {
			b.Trailers, err = r.readFields(br)
			return err
		}
		data, err := readSized(br, size)
		b.Data = append(b.Data, data...)
		if err != nil {
			return err
		}
		// If data end in a bare LF and their size line in CRLF, they may have a byte too many.
		switch line, err := reading(bareLF).readLine(br); {
		case err != nil:
			return cut(err)
		case line != "":
			return malformed("a chunk of %d bytes is followed by %q", size, line)
		}
	}
}

func (r reading) readChunkSize(br *bufio.Reader) (size int64, bareLF bool, err error) {
	line, bareLF, err := r.readEndedLine(br)
	if err != nil {
		return 0, false, cut(err)
	}
	digits, extension, _ := strings.Cut(line, ";")
	if r == asReceived && strings.Trim(digits, " \t") != "" && digits[0] != ' ' && digits[0] != '\t' {
		digits = strings.TrimRight(digits, " \t") // RFC 9112, section 7.1.1
	}
	if strings.Trim(digits, "0123456789abcdefABCDEF") != "" || !isText(extension) {
		return 0, false, malformed("the chunk size %q", line)
	}
	if size, err = strconv.ParseInt(digits, 16, 64); err != nil {
		return 0, false, malformed("the chunk size %q", line)
	}
	return size, bareLF, nil
}

// IsToken reports whether s is a token (RFC 9110, section 5.6.2).
func IsToken(s string) bool {
	const token = "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	return s != "" && strings.Trim(s, token) == ""
}

// isText reports whether s has no control characters except tabs.
func isText(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' && s[i] != '\t' || s[i] == 0x7f {
			return false
		}
	}
	return true
}
