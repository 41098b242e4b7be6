package http1

import (
	"bytes"
	"errors"
)

// Why an answer is refused. None of these quotes it: they are logged.
var (
	ErrAnswerLine    = errors.New("the answer doesn't begin with HTTP/1.1 or HTTP/1.0 and a status of 100 to 599")
	ErrAnswerField   = errors.New("the answer has a malformed header line")
	ErrAnswerFields  = errors.New("the answer has too many header lines")
	ErrAnswerFraming = errors.New("the answer's end is not clear from its header")
)

// Answer is the head of an answer. It aliases the bytes that it was parsed from.
type Answer struct {
	// Status is 100 to 599. Reason is the rest of the status line, with the space before it; it may be empty.
	Status int
	Reason []byte
	// HTTP11 says that the version is HTTP/1.1; else it is HTTP/1.0.
	HTTP11 bool
	// Fields are the header lines in their order.
	Fields []Field
	// Size is the body's as the fields have it: a number of bytes, SizeChunked or SizeUntilClose. Whether there
	// is a body depends on the request too: see Body.
	Size int64
	// KeepAlive says that the backend wants to answer more requests on the connection.
	KeepAlive bool
	// Named are the Connection options that may name fields.
	Named Options

	lengths, codings int
	closes, keeps    bool
}

// Reset forgets the answer. Its memory serves the next one.
func (a *Answer) Reset() {
	a.Status, a.Reason, a.HTTP11 = 0, nil, false
	a.Fields = a.Fields[:0]
	a.Size, a.KeepAlive = SizeUntilClose, false
	a.Named.n = 0
	a.lengths, a.codings, a.closes, a.keeps = 0, 0, false, false
}

// Parse reads a head, all of it, as HeadEnd has found it.
func (a *Answer) Parse(head []byte) error {
	a.Reset()
	line, rest, ok := cutLine(head)
	if !ok || !a.parseLine(line) {
		return ErrAnswerLine
	}
	for !bytes.Equal(rest, crlf) {
		f, after, fault := cutField(rest)
		if fault != fieldFine {
			return ErrAnswerField
		}
		if len(a.Fields) == MaxFields {
			return ErrAnswerFields
		}
		a.Fields = append(a.Fields, f)
		if err := a.note(f); err != nil {
			return err
		}
		rest = after
	}
	if a.lengths+a.codings > 1 || a.codings > 0 && !a.HTTP11 {
		return ErrAnswerFraming
	}
	a.KeepAlive = !a.closes && (a.HTTP11 || a.keeps)
	return nil
}

// parseLine reads the status line (RFC 9112, section 4).
func (a *Answer) parseLine(line []byte) bool {
	const form = "HTTP/1.1 200"
	if len(line) < len(form) || len(line) > len(form) && line[len(form)] != ' ' {
		return false
	}
	version, status := string(line[:len("HTTP/1.1")]), line[len("HTTP/1.1 "):len(form)]
	a.HTTP11 = version == "HTTP/1.1"
	switch {
	case !a.HTTP11 && version != "HTTP/1.0", line[len("HTTP/1.1")] != ' ':
		return false
	case status[0] < '1', status[0] > '5', !IsDigits(status, len("200")), !IsFieldValue(line):
		return false
	}
	a.Status = int(parseSize(status))
	a.Reason = line[len(form):]
	return true
}

// note keeps what the answer's framing hangs on.
func (a *Answer) note(f Field) error {
	switch len(f.Name) {
	case len("connection"):
		if Is(f.Name, "connection") {
			return a.noteOptions(f.Value)
		}
	case len("content-length"):
		if Is(f.Name, "content-length") {
			if a.lengths++; !IsDigits(f.Value, 18) {
				return ErrAnswerFraming
			}
			a.Size = parseSize(f.Value)
		}
	case len("transfer-encoding"):
		if Is(f.Name, "transfer-encoding") {
			if a.codings++; !Is(f.Value, "chunked") {
				return ErrAnswerFraming
			}
			a.Size = SizeChunked
		}
	}
	return nil
}

func (a *Answer) noteOptions(list []byte) error {
	for len(list) > 0 {
		var option []byte
		option, list = NextElement(list)
		switch {
		case len(option) == 0:
		case Is(option, "close"):
			a.closes = true
		case Is(option, "keep-alive"):
			a.keeps = true
		case Is(option, "upgrade"):
		case !IsToken(option), !a.Named.add(option):
			return ErrAnswerField
		}
	}
	return nil
}

// Interim says that another answer to the same request follows.
func (a *Answer) Interim() bool { return a.Status < 200 && a.Status != StatusSwitching }

// StatusSwitching is 101: the connection speaks something else from here on.
const StatusSwitching = 101

// Contradicts says that the header announces a body where there can be none (RFC 9110, section 15.3.5): it may come nevertheless, and
// later than the head.
func (a *Answer) Contradicts() bool { return a.Status == 204 && (a.Size > 0 || a.Size == SizeChunked) }

// HasBody says whether a body follows the head, given the request's method. It goes by RFC 9112, section 6.3:
// some answers end with their header, whatever that says.
func (a *Answer) HasBody(head bool) bool {
	return !head && a.Status >= 200 && a.Status != 204 && a.Status != 304 && a.Size != 0
}

// BeginsAnswer says whether b, the first bytes of what should be an answer, can be the beginning of one. It is for those that
// wait for the rest of a head: another protocol's may never come.
func BeginsAnswer(b []byte) bool {
	const begin = "HTTP/1."
	n := min(len(b), len(begin))
	return string(b[:n]) == begin[:n]
}
