package proxy

import (
	"bytes"

	"github.com/valyala/fasthttp"

	"gopher-equalizer/proxy/problem"
)

// maxFields is how many header lines a request may have. Browsers send some 20.
const maxFields = 128

// refusal is why a request goes no further: what its client is told. The connection must be
// closed after it, since where the next request begins is anybody's guess.
type refusal struct {
	// status is 400, 417, 431, 501 or 505.
	status int
	// detail says what was wrong with the request, and is fit for its client.
	detail string
}

// problem is the answer to the refused request.
func (r *refusal) problem() problem.Problem { return problem.Of(r.status, r.detail) }

func bad(detail string) *refusal { return &refusal{fasthttp.StatusBadRequest, detail} }

// checkRequest checks a request's head strictly, in one pass over the bytes as they were received;
// nil lets it pass. It comes before everything else that looks at a request. The server
// must have parsed the head with DisableHeaderNamesNormalizing.
//
// It repeats some of fasthttp's own checks: what makes a head unambiguous can then be read in one
// place, and doesn't change with a version. Only the ends of the request line and of empty lines before it can't be
// seen from here; fasthttp takes a bare LF there.
func checkRequest(h *fasthttp.RequestHeader) *refusal {
	if r := checkLine(h); r != nil {
		return r
	}
	var seen framing
	if r := seen.readFields(h.RawHeaders()); r != nil {
		return r
	}
	if r := seen.checkHost(h); r != nil {
		return r
	}
	return seen.checkBody(h.IsHTTP11())
}

// checkLine checks the request line.
func checkLine(h *fasthttp.RequestHeader) *refusal {
	if v := h.Protocol(); string(v) != "HTTP/1.1" && string(v) != "HTTP/1.0" {
		return &refusal{fasthttp.StatusHTTPVersionNotSupported, "want HTTP/1.1 or HTTP/1.0"}
	}
	method, target := h.Method(), h.RequestURI()
	switch {
	case !isToken(method):
		return bad("the method is not a token")
	case string(method) == fasthttp.MethodConnect:
		return &refusal{fasthttp.StatusNotImplemented, "CONNECT is not for this server"}
	case string(target) == "*" && string(method) != fasthttp.MethodOptions:
		return bad("the target * is for OPTIONS only")
	case !isTarget(target):
		return bad("the request target holds a byte that must be percent-encoded")
	}
	return nil
}

// framing is what checkRequest has seen of the fields that say where a request begins,
// where it ends, and for whom it is.
type framing struct {
	hosts, lengths, codings int
	host, length, coding    []byte
	// options counts the fields that Connection names.
	options int
	// oddExpect says that something else than a 100 is expected.
	oddExpect bool
}

// readFields checks each header line by itself, and keeps what must be checked together.
func (s *framing) readFields(raw []byte) *refusal {
	for n := 0; len(raw) > 0; n++ {
		end := bytes.IndexByte(raw, '\n')
		if end < 1 || raw[end-1] != '\r' {
			return bad("a header line doesn't end in CRLF")
		}
		line := raw[:end-1]
		raw = raw[end+1:]
		if len(line) == 0 {
			break
		}
		if n == maxFields {
			return &refusal{fasthttp.StatusRequestHeaderFieldsTooLarge, "too many header fields"}
		}
		if r := s.readField(line); r != nil {
			return r
		}
	}
	if len(raw) > 0 {
		return bad("an empty line in the header")
	}
	return nil
}

func (s *framing) readField(line []byte) *refusal {
	if line[0] == ' ' || line[0] == '\t' {
		return bad("a header line is folded")
	}
	colon := tokenLength(line)
	if colon == 0 || colon == len(line) || line[colon] != ':' {
		return bad("a header name is not a token")
	}
	value := trimSpace(line[colon+1:])
	if !isFieldValue(value) {
		return bad("a control character in a header value")
	}
	return s.note(line[:colon], value)
}

// note keeps what the request's framing hangs on.
func (s *framing) note(name, value []byte) *refusal {
	switch {
	case is(name, "host"):
		s.hosts++
		s.host = value
	case is(name, "content-length"):
		s.lengths++
		s.length = value
	case is(name, "transfer-encoding"):
		s.codings++
		s.coding = value
	case is(name, "expect"):
		s.oddExpect = s.oddExpect || !is(value, "100-continue")
	case is(name, "connection"):
		return s.noteOptions(value)
	}
	return nil
}

func (s *framing) noteOptions(list []byte) *refusal {
	for len(list) > 0 {
		var option []byte
		option, list = nextElement(list)
		switch {
		case len(option) == 0:
		case !isToken(option):
			return bad("a Connection option is not a token")
		case namesField(option):
			s.options++
		}
	}
	if s.options > maxConnectionOptions {
		return bad("Connection names too many fields")
	}
	return nil
}

// checkHost checks for whom the request is: Host is there, unless with HTTP/1.0, makes sense,
// and says what an absolute target says.
func (s *framing) checkHost(h *fasthttp.RequestHeader) *refusal {
	authority, _, ok := splitTarget(h.RequestURI())
	switch {
	case !ok:
		return bad("the request target is neither a path nor an http or https URI")
	case s.hosts > 1:
		return bad("more than one Host")
	case s.hosts == 0 && h.IsHTTP11():
		return bad("no Host")
	case s.hosts == 1 && !isHost(s.host):
		return bad("Host is not a name or an address, with or without a port")
	case authority != nil && !isHost(authority):
		return bad("the request target's host is not a name or an address, with or without a port")
	case authority != nil && s.hosts == 1 && !sameName(authority, s.host):
		return bad("Host and the request target's host differ")
	}
	return nil
}

// checkBody checks that there is one way only to find the end of the body.
func (s *framing) checkBody(http11 bool) *refusal {
	switch {
	case s.lengths > 1:
		return bad("more than one Content-Length")
	case s.lengths == 1 && !isDigits(s.length, 18):
		return bad("Content-Length is not a size")
	case s.codings > 1 || s.codings == 1 && !is(s.coding, "chunked"):
		return bad("Transfer-Encoding is not exactly chunked")
	case s.codings == 1 && s.lengths == 1:
		return bad("both Transfer-Encoding and Content-Length")
	case s.codings == 1 && !http11:
		return bad("Transfer-Encoding with HTTP/1.0")
	case s.oddExpect && http11:
		return &refusal{fasthttp.StatusExpectationFailed, "Expect is not 100-continue"}
	}
	return nil
}
