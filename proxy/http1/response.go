package http1

import (
	"bytes"
	"fmt"
)

// MaxResponseFields is how many header lines a response may have. Those of a request may be fewer:
// see MaxFields.
const MaxResponseFields = 256

// Mended are the faults of a response that are no reason to refuse it. All readers see the same
// body in it, and since a response is framed anew, its client gets none of them.
type Mended uint8

const (
	// MendedCodings: Transfer-Encoding says chunked more than once (RFC 9112, section 6.1).
	MendedCodings Mended = 1 << iota
	// MendedBothFramings: there are a Transfer-Encoding and a Content-Length (RFC 9112, section
	// 6.3).
	MendedBothFramings
	// MendedLengths: Content-Length says the same number more than once (RFC 9110, section 8.6).
	MendedLengths
	// MendedLineEnds: a header line ends in a bare LF (RFC 9112, section 2.2). If another one ends
	// in CRLF, the LF may be a part of a value that a client chose, and KeepAlive is false.
	MendedLineEnds
)

// Response is the head of a response. It aliases the bytes that it was parsed from.
type Response struct {
	// Status is 100 to 599. Reason is the rest of the status line, with the space before it; it may
	// be empty.
	Status int
	Reason []byte
	// HTTP11 reports whether the version is HTTP/1.1, or a later one of HTTP/1, which counts as
	// that; else it is HTTP/1.0.
	HTTP11 bool
	// Fields are the header lines in their order.
	Fields []Field
	// Size is the body's as the fields have it: a number of bytes, SizeChunked or SizeUntilClose.
	// Whether there is a body depends on the request too: see Body.
	Size int64
	// KeepAlive reports whether the backend wants to serve more requests on the connection.
	KeepAlive bool
	// KeptSeconds is for how long the backend keeps the connection while nothing comes, by its
	// Keep-Alive field; below 0 if it didn't say.
	KeptSeconds int64
	// Named are the Connection options that may name fields.
	Named Options
	// Mended is what was wrong with the head and doesn't matter.
	Mended Mended

	// head is what was given to Parse; length and coding are what its framing hangs on, nil where
	// it has none.
	head           []byte
	length, coding []byte
	closes, keeps  bool
	// crlf reports whether a line ended in CRLF.
	crlf bool
}

// Length is how many bytes the head had.
func (a *Response) Length() int { return len(a.head) }

// Switches reports whether the connection speaks something else from here on.
func (a *Response) Switches() bool { return a.Status == StatusSwitching }

// IsEventStream reports whether the body is server-sent events, which end when one side has enough,
// and whose clients come back for more.
func (a *Response) IsEventStream() bool {
	for i := range a.Fields {
		if f := &a.Fields[i]; Is(f.Name, "content-type") {
			mediaType, _, _ := bytes.Cut(f.Value, []byte(";"))
			return Is(bytes.TrimSpace(mediaType), "text/event-stream")
		}
	}
	return false
}

// Reset forgets the response. Its memory serves the next one.
func (a *Response) Reset() {
	a.Status, a.Reason, a.HTTP11 = 0, nil, false
	a.Fields = a.Fields[:0]
	a.Size, a.KeepAlive = SizeUntilClose, false
	a.KeptSeconds = noKeepAlive
	a.Named.n = 0
	a.Mended = 0
	a.head, a.length, a.coding, a.closes, a.keeps, a.crlf = nil, nil, nil, false, false, false
}

// Parse reads a head, all of it, as HeadEnd has found it. Lines may end in a bare LF (RFC 9112,
// section 2.2).
func (a *Response) Parse(head []byte) *Refusal {
	why := a.parse(head)
	if why != nil {
		why.Status = statusBadGateway
		why.See(head)
	}
	return why
}

func (a *Response) parse(head []byte) *Refusal {
	a.Reset()
	a.head = head
	line, rest := a.cutLine(head)
	if at := a.parseLine(line); at >= 0 {
		const detail = "the response doesn't begin with a version of HTTP/1 and a status of 100 to 599"
		return bad("status-line", detail).at(at)
	}
	for {
		line, after := a.cutLine(rest)
		if len(line) == 0 {
			return a.conclude()
		}
		f, wrong, fault := parseField(rest[:len(rest)-len(after)], line)
		if fault != fieldFine {
			return badField(fault).of(string(f.Name)).at(a.offset(wrong))
		}
		if len(a.Fields) == MaxResponseFields {
			return tooManyFields(rest, len(a.Fields)).at(a.offset(rest))
		}
		a.Fields = append(a.Fields, f)
		if why := a.note(f); why != nil {
			return why
		}
		rest = after
	}
}

// tooManyFields says how many there are: those before, and the lines of rest up to the empty one.
func tooManyFields(rest []byte, before int) *Refusal {
	n := before + bytes.Count(rest, []byte("\n")) - 1
	detail := fmt.Sprintf("the response has %d header fields, and at most %d pass", n, MaxResponseFields)
	return bad("field-count", detail)
}

// cutLine cuts the first line off b, whichever way it ends. At the end of the head line is empty.
func (a *Response) cutLine(b []byte) (line, rest []byte) {
	line, rest, crlf := cutEitherLine(b)
	if crlf {
		a.crlf = true
	} else {
		a.Mended |= MendedLineEnds
	}
	return line, rest
}

// offset is where in the head a part of it begins.
func (a *Response) offset(part []byte) int { return offsetIn(a.head, part) }

// wrong refuses the head for a field in which a part of the value is at fault.
func (a *Response) wrong(field string, at []byte, reason, detail string) *Refusal {
	return bad(reason, detail).of(field).at(a.offset(at))
}

// parseLine reads the status line (RFC 9112, section 4). It returns where it is wrong, or -1. A
// minor version that is higher than ours is read as ours (RFC 9110, section 2.5).
func (a *Response) parseLine(line []byte) (wrong int) {
	const form, version = "HTTP/1.1 200", "HTTP/1."
	switch {
	case len(line) < len(form) || string(line[:len(version)]) != version,
		!IsDigits(line[len(version):len(version)+1], 1):
		return 0
	case line[len("HTTP/1.1")] != ' ':
		return len("HTTP/1.1")
	case len(line) > len(form) && line[len(form)] != ' ':
		return len(form)
	case !IsFieldValue(line):
		return fieldTextLength(line)
	}
	status := line[len("HTTP/1.1 "):len(form)]
	if status[0] < '1' || status[0] > '5' || !IsDigits(status, len("200")) {
		return len("HTTP/1.1 ")
	}
	a.HTTP11 = line[len(version)] != '0'
	a.Status = int(parseSize(status))
	a.Reason = line[len(form):]
	return -1
}

// note keeps what the response's framing hangs on.
func (a *Response) note(f Field) *Refusal {
	switch len(f.Name) {
	case len("connection"):
		if Is(f.Name, "connection") {
			return a.noteOptions(f.Value)
		}
		if Is(f.Name, "keep-alive") {
			a.KeptSeconds = keepAliveTimeout(f.Value)
		}
	case len("content-length"):
		if Is(f.Name, "content-length") {
			return a.noteLengths(f.Value)
		}
	case len("transfer-encoding"):
		if Is(f.Name, "transfer-encoding") {
			return a.noteCodings(f.Value)
		}
	}
	return nil
}

// noteLengths takes a list of sizes that are all the same, here and in the lines before (RFC 9112,
// section 6.3).
func (a *Response) noteLengths(list []byte) *Refusal {
	for more := true; more; {
		var size []byte
		size, list, more = cutElement(list)
		switch {
		case !IsDigits(size, 18):
			return a.wrong(nameContentLength, size, "content-length", "Content-Length is not a size")
		case a.length == nil:
			a.length = size
		case !bytes.Equal(a.length, size):
			return a.wrong(nameContentLength, size, "content-length-differs", "there are two different Content-Lengths")
		default:
			a.Mended |= MendedLengths
		}
	}
	return nil
}

// noteCodings takes chunked, once or more often; nobody here asked for another.
func (a *Response) noteCodings(list []byte) *Refusal {
	for more := true; more; {
		var coding []byte
		coding, list, more = cutElement(list)
		switch {
		case !Is(coding, "chunked"):
			return a.wrong(nameTransferEncoding, coding, "transfer-encoding", "Transfer-Encoding is not chunked")
		case a.coding != nil:
			a.Mended |= MendedCodings
		}
		a.coding = coding
	}
	return nil
}

// cutElement splits the first element off a comma-separated list, and reports whether there are
// more. It may be empty.
func cutElement(list []byte) (element, rest []byte, more bool) {
	element, rest, more = bytes.Cut(list, []byte(","))
	return TrimSpace(element), rest, more
}

func (a *Response) noteOptions(list []byte) *Refusal {
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
		case !IsToken(option):
			return a.wrong(nameConnection, option, "connection-option", "a Connection option is not a token")
		case !a.Named.add(option):
			return a.wrong(nameConnection, option, "connection-count", "Connection names too many fields")
		}
	}
	return nil
}

// conclude draws the conclusions from all fields. With chunks and a length the chunks count, and
// since the backend may have meant the length, nothing else is read from the connection (RFC 9112,
// section 6.3). The same goes for mixed line ends, since the backend's head may have been longer.
func (a *Response) conclude() *Refusal {
	if a.crlf && a.Mended&MendedLineEnds != 0 {
		a.closes = true
	}
	switch {
	case a.coding != nil && !a.HTTP11:
		return a.wrong(nameTransferEncoding, a.coding, "transfer-encoding-version", "Transfer-Encoding with HTTP/1.0")
	case a.coding != nil && a.length != nil:
		a.Size, a.closes = SizeChunked, true
		a.Mended |= MendedBothFramings
	case a.coding != nil:
		a.Size = SizeChunked
	case a.length != nil:
		a.Size = parseSize(a.length)
	}
	a.KeepAlive = !a.closes && (a.HTTP11 || a.keeps)
	return nil
}

// Interim reports whether another response to the same request follows.
func (a *Response) Interim() bool { return a.Status < 200 && a.Status != StatusSwitching }

// StatusSwitching is 101: the connection speaks something else from here on.
const StatusSwitching = 101

// Contradicts reports whether the header announces a body where there can be none (RFC 9110,
// section 15.3.5): it may come nevertheless, and later than the head.
func (a *Response) Contradicts() bool {
	return a.Status == 204 && (a.Size > 0 || a.Size == SizeChunked)
}

// HasBody reports whether a body follows the head, given the request's method. It goes by RFC 9112,
// section 6.3: some responses end with their header, whatever that says.
func (a *Response) HasBody(head bool) bool {
	return !head && a.Status >= 200 && a.Status != 204 && a.Status != 304 && a.Size != 0
}

// BeginsResponse reports whether b, the first bytes of what should be a response, can be the
// beginning of one. It is for those that wait for the rest of a head: another protocol's may never
// come.
func BeginsResponse(b []byte) bool {
	const begin = "HTTP/1."
	n := min(len(b), len(begin))
	return string(b[:n]) == begin[:n]
}
