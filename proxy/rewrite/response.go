package rewrite

import (
	"strconv"

	"gopher-equalizer/proxy/http1"
)

// Response is what the head of a response to a client is made of.
type Response struct {
	// Received is the response as the backend sent it.
	Received *http1.Response
	// Scheme is how the client reached us, "http" or "https".
	Scheme string
	// Host is the host that the client named; it may be empty.
	Host []byte
	// Hidden are the authorities (host:port) that clients must not see, beside Authority, that of
	// the backend that responded.
	Hidden    []string
	Authority string
	// RequestID is what identity.Trusted.AppendRequestID made.
	RequestID []byte
	// Rules are the route's changes of the fields.
	Rules *FieldRules
	// Lines are fields of ours, each with its CRLF, that a final response has besides.
	Lines []byte
	// HSTS is the value of Strict-Transport-Security, in place of the backend's; "" leaves that.
	HSTS string
	// Chunked reports whether the body goes out in chunks.
	Chunked bool
}

// AppendHead appends the head, without the Connection field of a final response and without the
// empty line. It leaves out what concerns only the backend's connection, hides backends in Location
// and Content-Location, and adds a Date, and X-Request-ID if the backend set none. It writes anew
// what frames the body, and the end of each line. All else stays as it came, in spelling and order.
// The route's changes come last. It doesn't allocate if dst has room.
func (r *Response) AppendHead(dst []byte) []byte {
	dst = r.appendStatusLine(dst)
	fields := len(dst)
	dst, has := r.appendFields(dst)
	if !has.id && len(r.RequestID) > 0 {
		dst = AppendField(dst, headerRequestID, r.RequestID)
	}
	dst = r.appendUpgrade(dst)
	if r.Received.Interim() {
		return r.Rules.strip(dst, fields)
	}
	dst = append(dst, r.Lines...)
	if r.HSTS != "" {
		dst = AppendField(dst, headerHSTS, r.HSTS)
	}
	dst = r.Rules.Apply(dst, fields)
	if r.Received.Status < 200 {
		return dst
	}
	if !has.date {
		dst = AppendDate(dst)
	}
	if r.Chunked {
		dst = AppendField(dst, headerTransferEncoding, "chunked")
	}
	return dst
}

func (r *Response) appendStatusLine(dst []byte) []byte {
	dst = append(dst, "HTTP/1.1 "...)
	dst = strconv.AppendInt(dst, int64(r.Received.Status), 10)
	if len(r.Received.Reason) == 0 {
		dst = append(dst, ' ') // RFC 9112, section 4: the space is not optional.
	}
	dst = append(dst, r.Received.Reason...)
	return append(dst, "\r\n"...)
}

// written says which fields a head has already, of those that it should have once.
type written struct{ date, id, length bool }

// appendFields writes those of the backend's fields that go on to the client.
func (r *Response) appendFields(dst []byte) (_ []byte, has written) {
	for i := range r.Received.Fields {
		f := &r.Received.Fields[i]
		switch responseKindOf(f.Name) {
		case responseHop:
			continue
		case responseLength:
			if !has.length && !r.Chunked {
				dst = r.appendLength(dst, f)
			}
			has.length = true
			continue
		case responseReference:
			dst = r.appendReference(dst, f)
			continue
		case responseDate:
			has.date = true
		case responseID:
			has.id = true
		case responseHSTS:
			if r.HSTS != "" && !r.Received.Interim() || r.Received.Named.Contains(f.Name) {
				continue
			}
		case responseEndToEnd:
			if r.Received.Named.Contains(f.Name) {
				continue
			}
		}
		dst = f.AppendLine(dst)
	}
	return dst, has
}

// PassesTrailer reports whether a field of the trailer section goes on to the client.
func (r *Response) PassesTrailer(f http1.Field) bool {
	return responseKindOf(f.Name) == responseEndToEnd && !r.Received.Named.Contains(f.Name) && !r.Rules.Drops(f.Name)
}

// appendLength writes how long the body is, unless the head must not say so (RFC 9110, section 8.6)
// or the chunks count and not the length (RFC 9112, section 6.3). A value that is one plain number
// stays as it came.
func (r *Response) appendLength(dst []byte, f *http1.Field) []byte {
	switch status := r.Received.Status; {
	case status < 200, status == 204, r.Received.Size == http1.SizeChunked:
		return dst
	case http1.IsDigits(f.Value, len(f.Value)) && (f.Value[0] != '0' || len(f.Value) == 1):
		return f.AppendLine(dst)
	}
	dst = append(append(dst, f.Name...), ": "...)
	dst = strconv.AppendInt(dst, r.Received.Size, 10)
	return append(dst, "\r\n"...)
}

const statusUpgradeRequired = 426

// appendUpgrade writes what a 101 switches to, and what a 426 wants the client to switch to (RFC
// 9110, section 15.5.22). The backend's Connection named Upgrade for its own connection; ours must
// name it, too.
func (r *Response) appendUpgrade(dst []byte) []byte {
	if r.Received.Status != http1.StatusSwitching && r.Received.Status != statusUpgradeRequired {
		return dst
	}
	named := false
	for i := range r.Received.Fields {
		f := &r.Received.Fields[i]
		if !http1.Is(f.Name, "upgrade") {
			continue
		}
		if !named {
			dst = AppendField(dst, headerConnection, headerUpgrade)
			named = true
		}
		dst = AppendField(dst, headerUpgrade, f.Value)
	}
	return dst
}
