package proxy

import (
	"bytes"
	"errors"
)

var (
	errAnswerLine    = errors.New("the answer doesn't begin with HTTP/1.1 or HTTP/1.0 and a status of 100 to 599")
	errAnswerSwitch  = errors.New("the answer switches protocols, and nobody asked for that")
	errAnswerField   = errors.New("the answer has a malformed header line")
	errAnswerHeader  = errors.New("the answer's header is malformed")
	errAnswerFraming = errors.New("the answer's end is not clear from its header")
	errAnswerRepeats = errors.New("the answer has more than one Content-Encoding, Content-Type, Location or Content-Location line")
)

// checkAnswer checks an answer's head, up to and with its empty line, for what fasthttp lets pass although two
// readers could see different answers in it, or would lose on the way.
func checkAnswer(head []byte) error {
	line, fields, _ := bytes.Cut(head, []byte("\r\n"))
	http11, err := checkStatusLine(line)
	if err != nil {
		return err
	}
	var lengths, chunked int
	var seen singles
	for len(fields) > len("\r\n") {
		line, fields, _ = bytes.Cut(fields, []byte("\r\n"))
		name, _, ok := cutField(line)
		if !ok {
			return errAnswerField
		}
		switch {
		case is(name, "content-length"):
			lengths++
		case is(name, "transfer-encoding"):
			chunked++
		case seen.repeats(name):
			return errAnswerRepeats
		}
	}
	if lengths+chunked > 1 || chunked > 0 && !http11 {
		return errAnswerFraming
	}
	return nil
}

// singles are the fields seen of those that an answer may have once only: two clients could go by different ones of several
// lines. (Of several Server lines, which nobody goes by, fasthttp keeps the last.)
type singles struct{ coding, kind, location, contentLocation bool }

// repeats notes a field, and says whether it was there before.
func (s *singles) repeats(name []byte) (before bool) {
	var seen *bool
	switch {
	case is(name, "content-type"):
		seen = &s.kind
	case is(name, "content-encoding"):
		seen = &s.coding
	case is(name, "location"):
		seen = &s.location
	case is(name, "content-location"):
		seen = &s.contentLocation
	default:
		return false
	}
	before, *seen = *seen, true
	return before
}

// cutField splits a header's line, without its CRLF; ok is false for a malformed one.
func cutField(line []byte) (name, value []byte, ok bool) {
	name, value, ok = bytes.Cut(line, []byte(":"))
	return name, value, ok && isToken(name) && isFieldValue(value)
}

// checkStatusLine checks an answer's first line (RFC 9112, section 4).
func checkStatusLine(line []byte) (http11 bool, err error) {
	const form = "HTTP/1.1 200"
	if len(line) < len(form) || len(line) > len(form) && line[len(form)] != ' ' {
		return false, errAnswerLine
	}
	version, status := string(line[:len("HTTP/1.1")]), line[len("HTTP/1.1 "):len(form)]
	switch {
	case version != "HTTP/1.1" && version != "HTTP/1.0", line[len("HTTP/1.1")] != ' ':
		return false, errAnswerLine
	case status[0] < '1', status[0] > '5', !isDigits(status, len("200")), !isFieldValue(line):
		return false, errAnswerLine
	case string(status) == "101":
		return false, errAnswerSwitch
	}
	return version == "HTTP/1.1", nil
}
