package http1

import "bytes"

// Request is the head of a request. It aliases the bytes that it was parsed from.
type Request struct {
	// Method, Target and Version are as they came.
	Method, Target, Version []byte
	// Authority and Path are the target's: Authority is nil unless the target is absolute. Path may
	// then be empty, and is "*" for a request to the server itself.
	Authority, Path []byte
	// HTTP11 reports whether the version is HTTP/1.1, or a later HTTP/1 that is read as that; else
	// it is HTTP/1.0.
	HTTP11 bool
	// Fields are the header lines in their order.
	Fields []Field
	// Host is whom the request is for: the authority of an absolute target, else what the Host
	// field says; without the colon of an empty port. It is nil for an HTTP/1.0 request that named
	// none. After a refusal it may be anything.
	Host []byte
	// HostStands reports whether the Host field says just that, and can go on as it came.
	HostStands bool
	// Size is the body's: a number of bytes, SizeChunked or SizeNone.
	Size int64
	// KeepAlive reports whether the client wants to send more requests on the connection.
	KeepAlive bool
	// Expect reports whether the client awaits a 100 before it sends the body.
	Expect bool
	// Upgrade is what the client would like to speak instead; nil if nothing, or if Connection
	// doesn't say so too.
	Upgrade []byte
	// Named are the Connection options that may name fields, in all at most MaxOptions.
	Named Options
	// TrailersWelcome reports whether the client reads trailers (TE: trailers).
	TrailersWelcome bool
	// MaxForwards is how many more servers may forward a TRACE or OPTIONS request (RFC 9110,
	// section 7.6.2); Unlimited if nothing is said, and of any other request.
	MaxForwards int64

	// head is what was given to Parse.
	head []byte
	seen framing
}

// framing is what has been seen of the fields that say where a request begins, where it ends, and
// for whom it is.
type framing struct {
	hosts, lengths, codings     int
	length, coding              []byte
	upgrade, expect             []byte
	forwards                    []byte
	forwardsCount               int
	closes, keeps, wantsUpgrade bool
	expects, oddExpect          bool
}

// Reset forgets the request. Its memory serves the next one. (Assigning a whole Request would clear
// some 400 bytes of Named each time.)
func (r *Request) Reset() {
	r.Method, r.Target, r.Version, r.Authority, r.Path, r.Host, r.Upgrade = nil, nil, nil, nil, nil, nil, nil
	r.Fields = r.Fields[:0]
	r.Size, r.MaxForwards = SizeNone, Unlimited
	r.HTTP11, r.HostStands, r.KeepAlive, r.Expect, r.TrailersWelcome = false, false, false, false, false
	r.Named.n = 0
	r.head, r.seen = nil, framing{}
}

// Parse reads a head, all of it, as HeadEnd has found it. It is one pass over the bytes as they
// were received; nil lets the request pass. Empty lines before the request line are taken (RFC
// 9112, section 2.2). Of what it allocates for the first request, the next ones have the use.
//
// After a refusal r holds what was read until then, for the log.
func (r *Request) Parse(head []byte) *Refusal {
	r.Reset()
	r.head = head
	for bytes.HasPrefix(head, crlf) {
		head = head[len(crlf):]
	}
	line, rest, ok := cutLine(head)
	if !ok {
		return bad("line-end", "the request line doesn't end in CRLF").at(r.offset(rest))
	}
	if refusal := r.parseLine(line); refusal != nil {
		return refusal
	}
	if refusal := r.parseFields(rest); refusal != nil {
		return refusal
	}
	if refusal := r.checkHost(); refusal != nil {
		return refusal
	}
	if refusal := r.checkBody(); refusal != nil {
		return refusal
	}
	return r.checkForwards()
}

var crlf = []byte("\r\n")

// parseLine reads the request line: three parts and single spaces between them.
func (r *Request) parseLine(line []byte) *Refusal {
	method, rest, _ := bytes.Cut(line, []byte(" "))
	if n := tokenLength(method); n == 0 || n < len(method) {
		return bad("method", "the method is not a token").at(r.offset(method) + n)
	}
	r.Method = method
	space := bytes.LastIndexByte(rest, ' ')
	if space < 0 || !isVersion(rest[space+1:]) {
		return bad("request-line", "the request line is not a method, a target and a version").
			at(r.offset(method) + len(method))
	}
	r.Target, r.Version = rest[:space], rest[space+1:]
	major, minor := r.Version[5], r.Version[7]
	if major != '1' {
		return refusal(statusVersionUnsupported, "version", "want HTTP/1.1 or HTTP/1.0").at(r.offset(r.Version))
	}
	r.HTTP11 = minor >= '1' // A later minor version is as ours (RFC 9110, section 2.5).
	return r.parseTarget()
}

// isVersion reports whether b has the form of a version (RFC 9112, section 2.3).
func isVersion(b []byte) bool {
	const form = "HTTP/1.1"
	return len(b) == len(form) && string(b[:5]) == form[:5] && b[6] == '.' && IsDigits(b[5:6], 1) && IsDigits(b[7:], 1)
}

func (r *Request) parseTarget() *Refusal {
	if string(r.Method) == "CONNECT" {
		return refusal(statusNotImplemented, "connect", "CONNECT is not for this server").at(r.offset(r.Method))
	}
	var known bool
	r.Authority, r.Path, known = splitTarget(r.Target)
	switch {
	case string(r.Target) == "*" && string(r.Method) != "OPTIONS":
		return bad("target-asterisk", "the target * is for OPTIONS only").at(r.offset(r.Target))
	case targetLength(r.Target) < max(len(r.Target), 1):
		return bad("target-byte", "the request target holds a byte that must be percent-encoded").
			at(r.offset(r.Target) + targetLength(r.Target))
	case !known && hasForeignScheme(r.Target):
		return refusal(statusNotImplemented, "target-scheme", "the request target's scheme is neither http nor https").
			at(r.offset(r.Target))
	case !known:
		return bad("target-form", "the request target is neither a path nor an http or https URI").at(r.offset(r.Target))
	}
	return nil
}

// parseFields reads each header line by itself, and keeps what must be checked together.
func (r *Request) parseFields(rest []byte) *Refusal {
	for !bytes.Equal(rest, crlf) {
		f, after, fault := cutField(rest)
		if fault != fieldFine {
			return badField(fault).of(string(f.Name)).at(r.offset(after))
		}
		if len(r.Fields) == MaxFields {
			return refusal(statusTooManyFields, "field-count", "too many header fields").at(r.offset(rest))
		}
		r.Fields = append(r.Fields, f)
		if refusal := r.note(f); refusal != nil {
			return refusal
		}
		rest = after
	}
	return nil
}

// note keeps what the request's framing hangs on. Names are told apart by their length first: most
// are none of these.
func (r *Request) note(f Field) *Refusal {
	s := &r.seen
	switch len(f.Name) {
	case len("te"):
		if Is(f.Name, "te") {
			r.TrailersWelcome = r.TrailersWelcome || listHas(f.Value, "trailers")
		}
	case len("host"):
		if Is(f.Name, "host") {
			s.hosts++
			r.Host = f.Value
		}
	case len("expect"):
		if Is(f.Name, "expect") {
			s.expects = true
			if !Is(f.Value, "100-continue") {
				s.oddExpect, s.expect = true, f.Value
			}
		}
	case len("upgrade"):
		if Is(f.Name, "upgrade") {
			s.upgrade = f.Value
		}
	case len("connection"):
		if Is(f.Name, "connection") {
			return r.noteOptions(f.Value)
		}
	case len("max-forwards"):
		if Is(f.Name, "max-forwards") {
			s.forwardsCount++
			s.forwards = f.Value
		}
	case len("content-length"):
		if Is(f.Name, "content-length") {
			s.lengths++
			s.length = f.Value
		}
	case len("transfer-encoding"):
		if Is(f.Name, "transfer-encoding") {
			s.codings++
			s.coding = f.Value
		}
	}
	return nil
}

func (r *Request) noteOptions(list []byte) *Refusal {
	for len(list) > 0 {
		var option []byte
		option, list = NextElement(list)
		switch {
		case len(option) == 0:
		case !IsToken(option):
			return bad("connection-option", "a Connection option is not a token").of(nameConnection).at(r.offset(option))
		case Is(option, "close"):
			r.seen.closes = true
		case Is(option, "keep-alive"):
			r.seen.keeps = true
		case Is(option, "upgrade"):
			r.seen.wantsUpgrade = true
		case !r.Named.add(option):
			return bad("connection-count", "Connection names too many fields").of(nameConnection).at(r.offset(option))
		}
	}
	return nil
}

// offset is where in the head a part of it begins.
func (r *Request) offset(part []byte) int { return offsetIn(r.head, part) }

// checkHost checks for whom the request is. Host must be there, unless with HTTP/1.0, and make
// sense even where an absolute target says something else. Then the target counts (RFC 9112,
// section 3.2.2).
func (r *Request) checkHost() *Refusal {
	switch hosts := r.seen.hosts; {
	case hosts > 1:
		return bad("host-count", "more than one Host").of(nameHost).at(r.offset(r.Host))
	case hosts == 0 && r.HTTP11:
		return bad("host-missing", "no Host").of(nameHost)
	case hosts == 1 && !isHost(r.Host):
		return bad("host", "Host is not a name or an address, with or without a port").of(nameHost).at(r.offset(r.Host))
	}
	said := r.Host
	if r.Authority != nil {
		if r.Host = r.Authority; !isHost(r.Host) {
			return bad("target-host", "the request target's host is not a name or an address, with or without a port").at(r.offset(r.Host))
		}
	}
	r.Host = withoutEmptyPort(r.Host)
	r.HostStands = said != nil && bytes.Equal(r.Host, said)
	return nil
}

// checkBody checks that there is one way only to find the end of the body.
func (r *Request) checkBody() *Refusal {
	s := &r.seen
	switch {
	case s.lengths > 1:
		return bad("content-length-count", "more than one Content-Length").of(nameContentLength).at(r.offset(s.length))
	case s.lengths == 1 && !IsDigits(s.length, 18):
		return bad("content-length", "Content-Length is not a size").of(nameContentLength).at(r.offset(s.length))
	case s.codings > 1:
		return bad("transfer-encoding-count", "more than one Transfer-Encoding").of(nameTransferEncoding).at(r.offset(s.coding))
	case s.codings == 1 && s.lengths == 1:
		return bad("two-framings", "both Transfer-Encoding and Content-Length").of(nameContentLength).at(r.offset(s.length))
	case s.codings == 1 && !r.HTTP11:
		return bad("transfer-encoding-version", "Transfer-Encoding with HTTP/1.0").of(nameTransferEncoding).at(r.offset(s.coding))
	case s.codings == 1 && !Is(s.coding, "chunked"):
		return badCoding(s.coding).of(nameTransferEncoding).at(r.offset(s.coding))
	case s.oddExpect && r.HTTP11:
		return refusal(statusExpectationFailed, "expect", "Expect is not 100-continue").of(nameExpect).at(r.offset(s.expect))
	}
	r.conclude()
	return nil
}

// conclude draws the conclusions from all fields.
func (r *Request) conclude() {
	s := &r.seen
	switch {
	case s.codings == 1:
		r.Size = SizeChunked
	case s.lengths == 1:
		r.Size = parseSize(s.length)
	default:
		r.Size = SizeNone
	}
	r.KeepAlive = !s.closes && (r.HTTP11 || s.keeps)
	r.Expect = s.expects && r.HTTP11 && r.HasBody()
	if s.wantsUpgrade && r.HTTP11 {
		r.Upgrade = s.upgrade
	}
}

// HasBody reports whether there is a body, of at least one byte or of unknown size.
func (r *Request) HasBody() bool { return r.Size > 0 || r.Size == SizeChunked }

// IsHead reports whether the response's body is not to be sent.
func (r *Request) IsHead() bool { return string(r.Method) == "HEAD" }

// Idempotent goes by RFC 9110, section 9.2.2.
func (r *Request) Idempotent() bool {
	switch string(r.Method) {
	case "GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE":
		return true
	}
	return false
}

// parseSize reads digits that IsDigits let pass, at most 18.
func parseSize(digits []byte) (n int64) {
	for _, c := range digits {
		n = 10*n + int64(c-'0')
	}
	return n
}

// listHas reports whether a comma-separated list has this element, in any case.
func listHas(list []byte, lower string) bool {
	for len(list) > 0 {
		var element []byte
		if element, list = NextElement(list); Is(element, lower) {
			return true
		}
	}
	return false
}

// BeginsRequest reports whether b, the first bytes of what should be a request, can be the
// beginning of one: a method, and then a space; or half of an empty line before it. It is for those
// that wait for the rest of a head: another protocol's may never come.
func BeginsRequest(b []byte) bool {
	n := tokenLength(b)
	return n == len(b) || n > 0 && b[n] == ' ' || string(b) == "\r"
}
