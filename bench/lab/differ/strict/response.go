package strict

import (
	"bufio"
	"io"
	"strconv"
	"strings"
)

// Response is one whole response. With a Status below 200, except 101, it is an interim one.
type Response struct {
	Version string
	Status  int
	Fields  Fields
	Body
	// UntilClose reports whether only the end of the connection ends the body.
	UntilClose bool
}

// Interim reports whether another response follows.
func (a *Response) Interim() bool { return a.Status < 200 && a.Status != 101 }

// ReadResponse reads a response to a request with this method. io.EOF is the end before a response,
// ErrCut the end within one. With an error it returns the response as far as it was read; nil only
// if its first line was not.
func ReadResponse(br *bufio.Reader, method string) (*Response, error) {
	return asWritten.readResponse(br, method)
}

// ReadReceived is ReadResponse of what a backend sends, in which a recipient may mend what all read
// alike: a bare LF at a line's end, the same length or chunked again, chunked beside a length,
// blanks behind a chunk's size, a later minor version.
func ReadReceived(br *bufio.Reader, method string) (*Response, error) {
	return asReceived.readResponse(br, method)
}

func (r reading) readResponse(br *bufio.Reader, method string) (*Response, error) {
	a, err := r.readStatusLine(br)
	if err != nil {
		return nil, err
	}
	if a.Fields, err = r.readFields(br); err != nil {
		return a, err
	}
	size, chunked, err := r.length(a.Fields, a.Version == "HTTP/1.1")
	switch {
	case err != nil:
		return a, err
	case a.Status < 200, a.Status == 204, a.Status == 304, method == "HEAD":
		return a, nil
	case chunked:
		return a, a.readChunks(br, r)
	case size >= 0:
		a.Data, err = readSized(br, size)
		return a, err
	}
	a.UntilClose = true
	a.Data, err = io.ReadAll(io.LimitReader(br, maxBody))
	return a, err
}

func (r reading) readStatusLine(br *bufio.Reader) (*Response, error) {
	line, err := r.readLine(br)
	if err != nil {
		return nil, err
	}
	version, rest, _ := strings.Cut(line, " ")
	code, reason, _ := strings.Cut(rest, " ")
	if minor, ok := strings.CutPrefix(version, "HTTP/1."); ok && r == asReceived && len(minor) == 1 && minor >= "1" && minor <= "9" {
		version = "HTTP/1.1" // RFC 9110, section 2.5
	}
	status, err := strconv.Atoi(code)
	switch {
	case version != "HTTP/1.1" && version != "HTTP/1.0",
		err != nil, len(code) != 3, status < 100, status > 999, !isText(reason):
		return nil, malformed("the status line %q", line)
	}
	return &Response{Version: version, Status: status}, nil
}
