package http1

// Refusal is why a message goes no further. The connection must be closed after a refused request,
// since where the next one begins is anybody's guess. Nothing in it quotes the message except the
// name of a field, so it may go to the client and into logs.
type Refusal struct {
	// Status is what the client gets: 400, 413, 414, 417, 431, 501 or 505 for its request, 502 for
	// the backend's response.
	Status int
	// Reason names the rule that was broken, for machines: a few lower-case words, joined by
	// hyphens.
	Reason string
	// Detail says what was wrong, for people.
	Detail string
	// Field is the name of the field that is at fault; "" if there is none, it is no token or it is
	// longer than 64 bytes.
	Field string
	// Offset is where the fault is, in bytes from the beginning of the head. Body.Decode counts
	// from the beginning of the body as it came.
	Offset int
	// Excerpt is what stands around Offset, 16 bytes at most, in which Mask has hidden the text. It
	// may be empty.
	Excerpt string
}

// Error implements error.
func (r *Refusal) Error() string { return r.Detail }

// The statuses of refusals.
const (
	statusBadRequest         = 400
	statusExpectationFailed  = 417
	statusTooManyFields      = 431
	statusNotImplemented     = 501
	statusVersionUnsupported = 505
	statusBadGateway         = 502
)

// Message is what was refused: "request" or "response".
func (r *Refusal) Message() string {
	if r.Status == statusBadGateway {
		return "response"
	}
	return "request"
}

// The names of the fields that a refusal can be about.
const (
	nameHost             = "Host"
	nameExpect           = "Expect"
	nameConnection       = "Connection"
	nameMaxForwards      = "Max-Forwards"
	nameContentLength    = "Content-Length"
	nameTransferEncoding = "Transfer-Encoding"
	nameUpgrade          = "Upgrade"
)

func refusal(status int, reason, detail string) *Refusal {
	return &Refusal{Status: status, Reason: reason, Detail: detail}
}

func bad(reason, detail string) *Refusal { return refusal(statusBadRequest, reason, detail) }

// badField is the refusal for what is wrong with a header line.
func badField(fault fieldFault) *Refusal {
	switch fault {
	case fieldUnended:
		return bad("line-end", "a header line doesn't end in CRLF")
	case fieldFolded:
		return bad("field-folded", "a header line is folded")
	case fieldNameless:
		return bad("field-name", "a header name is not a token")
	}
	return bad("field-value", "a control character in a header value")
}

// maxFieldName is how long a name may be that is shown.
const maxFieldName = 64

// of names the field that is at fault.
func (r *Refusal) of(name string) *Refusal {
	if len(name) <= maxFieldName {
		r.Field = name
	}
	return r
}

// at says where the fault is.
func (r *Refusal) at(offset int) *Refusal {
	r.Offset = offset
	return r
}

// seen adds what stands around the fault, which is at b[at].
func (r *Refusal) seen(b []byte, at int) *Refusal {
	r.Excerpt = excerpt(b, at)
	return r
}

// See adds what stands around the fault in the head that was refused.
func (r *Refusal) See(head []byte) { r.seen(head, r.Offset) }

// Refuse makes a refusal for a reason that isn't in the text alone, such as a limit. The fault is
// at head[at], or at a place that isn't there.
func Refuse(status int, reason, detail string, head []byte, at int) *Refusal {
	return refusal(status, reason, detail).at(at).seen(head, at)
}

// RefuseLength refuses the request for its Content-Length, which it has, for a reason of the
// caller's.
func (r *Request) RefuseLength(status int, reason string) *Refusal {
	return Refuse(status, reason, "", r.head, r.offset(r.seen.length)).of(nameContentLength)
}

// RefuseTarget refuses the request for its target, for a reason of the caller's.
func (r *Request) RefuseTarget(reason, detail string) *Refusal {
	return Refuse(statusBadRequest, reason, detail, r.head, r.offset(r.Target))
}

// offsetIn is where in the head a part of it begins. It tells by what lies behind both in the
// memory that they share.
func offsetIn(head, part []byte) int { return cap(head) - cap(part) }
