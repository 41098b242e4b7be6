package http1

import "bytes"

// MaxFields is how many header lines a message may have. Browsers send some 20.
const MaxFields = 128

// What the size of a body can be besides a number of bytes.
const (
	// SizeNone: the message has no body, and its head says nothing about one.
	SizeNone int64 = -2
	// SizeChunked: the body comes in chunks.
	SizeChunked int64 = -1
	// SizeUntilClose: a response's body ends with the connection.
	SizeUntilClose int64 = -3
)

// Field is a header line.
type Field struct {
	// Line is all of it as it came, with its CRLF, or a response's bare LF.
	Line []byte
	// Name is in the spelling that came; Value is without the white space around it.
	Name, Value []byte
}

// AppendLine appends the line, which then ends in CRLF.
func (f *Field) AppendLine(dst []byte) []byte {
	if n := len(f.Line); n > 1 && f.Line[n-2] == '\r' {
		return append(dst, f.Line...)
	}
	dst = append(dst, f.Line[:len(f.Line)-1]...)
	return append(dst, "\r\n"...)
}

// HeadEnd is how long the head is that b begins with, up to and with its empty line; 0 if that
// hasn't come. from is how much of b was looked at before. Lines that end in a bare LF count here,
// so that such a head is complete, and can be refused.
func HeadEnd(b []byte, from int) int {
	for at := max(0, from-2); ; {
		lf := bytes.IndexByte(b[at:], '\n')
		if lf < 0 {
			return 0
		}
		at += lf + 1
		switch rest := b[at:]; {
		case len(rest) > 0 && rest[0] == '\n':
			return at + 1
		case len(rest) > 1 && rest[0] == '\r' && rest[1] == '\n':
			return at + 2
		}
	}
}

// cutLine cuts the first line off b. line comes without its CRLF; ok is false if it doesn't end in
// one, and rest then begins with what it ends in.
func cutLine(b []byte) (line, rest []byte, ok bool) {
	lf := bytes.IndexByte(b, '\n')
	if lf < 1 || b[lf-1] != '\r' {
		return nil, b[max(lf, 0):], false
	}
	return b[:lf-1], b[lf+1:], true
}

// cutEitherLine cuts the first line off b, which ends in CRLF or in a bare LF; crlf says in which.
// A line that doesn't end is none.
func cutEitherLine(b []byte) (line, rest []byte, crlf bool) {
	lf := bytes.IndexByte(b, '\n')
	switch {
	case lf < 0:
		return b[:0], nil, true
	case lf > 0 && b[lf-1] == '\r':
		return b[:lf-1], b[lf+1:], true
	}
	return b[:lf], b[lf+1:], false
}

// What is wrong with a field.
type fieldFault int

const (
	fieldFine fieldFault = iota
	fieldUnended
	fieldFolded
	fieldNameless
	fieldControl
)

// cutField cuts the first header line off b. If something is wrong with it, rest begins with the
// byte at fault, and f has the name if there is one.
func cutField(b []byte) (f Field, rest []byte, fault fieldFault) {
	line, rest, ok := cutLine(b)
	if !ok {
		return f, rest, fieldUnended
	}
	f, wrong, fault := parseField(b[:len(line)+2], line)
	if fault != fieldFine {
		return f, wrong, fault
	}
	return f, rest, fieldFine
}

// parseField reads a header line: whole has its end, line lacks it. If something is wrong, wrong
// begins with the byte at fault, and f has the name if there is one.
func parseField(whole, line []byte) (f Field, wrong []byte, fault fieldFault) {
	if len(line) > 0 && (line[0] == ' ' || line[0] == '\t') {
		return f, whole, fieldFolded
	}
	colon := tokenLength(line)
	if colon == 0 || colon == len(line) || line[colon] != ':' {
		return f, whole[colon:], fieldNameless
	}
	f = Field{Line: whole, Name: line[:colon], Value: TrimSpace(line[colon+1:])}
	if !IsFieldValue(f.Value) {
		return f, f.Value[fieldTextLength(f.Value):], fieldControl
	}
	return f, nil, fieldFine
}
