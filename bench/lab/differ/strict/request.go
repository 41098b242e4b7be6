package strict

import (
	"bufio"
	"strings"
)

// Request is one whole request.
type Request struct {
	Method, Target, Version string
	Fields                  Fields
	Body
}

// ReadRequest reads a request. io.EOF is the end before a request, ErrCut the end within one. With
// an error it returns the request as far as it was read; nil only if its first line was not.
//
// Before the body is read, head is called, if it isn't nil. That is the moment for a 100.
func ReadRequest(br *bufio.Reader, head func(*Request)) (*Request, error) {
	r, err := readRequestLine(br)
	if err != nil {
		return nil, err
	}
	if r.Fields, err = asWritten.readFields(br); err != nil {
		return r, err
	}
	if hosts := r.Fields.All("Host"); len(hosts) > 1 || len(hosts) == 0 && r.Version != "HTTP/1.0" {
		return r, malformed("Host %q", hosts)
	}
	size, chunked, err := asWritten.length(r.Fields, r.Version != "HTTP/1.0")
	if err != nil {
		return r, err
	}
	if head != nil {
		head(r)
	}
	if chunked {
		return r, r.readChunks(br, asWritten)
	}
	r.Data, err = readSized(br, max(size, 0))
	return r, err
}

// readRequestLine reads the request line.
func readRequestLine(br *bufio.Reader) (*Request, error) {
	line, err := asWritten.readLine(br)
	if err != nil {
		return nil, err
	}
	parts := strings.Split(line, " ")
	if len(parts) != 3 {
		return nil, malformed("the request line %q", line)
	}
	r := &Request{Method: parts[0], Target: parts[1], Version: parts[2]}
	switch {
	case !IsToken(r.Method), r.Target == "", !isVisible(r.Target):
		return nil, malformed("the request line %q", line)
	case len(r.Version) != len("HTTP/1.1") || r.Version[:7] != "HTTP/1." || r.Version[7] < '0' || r.Version[7] > '9':
		return nil, malformed("the version in %q", line)
	}
	return r, nil
}

// isVisible reports whether s has only visible ASCII, as a request target must.
func isVisible(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] >= 0x7f {
			return false
		}
	}
	return true
}
