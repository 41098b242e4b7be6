package http1

// Refusal is why a message goes no further. The connection must be closed after a refused request, since where the
// next one begins is anybody's guess. No part of it quotes the message, but for the name of a field: it is fit for
// the client and for logs.
type Refusal struct {
	// Status is what a request is answered with: 400, 417, 431, 501 or 505.
	Status int
	// Reason names the rule that was broken, for machines: a few lower-case words, joined by hyphens.
	Reason string
	// Detail says what was wrong, for people.
	Detail string
	// Field is the name of the field that is at fault; "" if there is none, it is no token or it is longer
	// than 64 bytes.
	Field string
	// Offset is where in the head the fault is, in bytes from its beginning.
	Offset int
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
)

// The names of the fields that a refusal can be about.
const (
	nameHost             = "Host"
	nameExpect           = "Expect"
	nameConnection       = "Connection"
	nameMaxForwards      = "Max-Forwards"
	nameContentLength    = "Content-Length"
	nameTransferEncoding = "Transfer-Encoding"
)

func refusal(status int, reason, detail string) *Refusal {
	return &Refusal{Status: status, Reason: reason, Detail: detail}
}

func bad(reason, detail string) *Refusal { return refusal(statusBadRequest, reason, detail) }

// badField says what is wrong with a header line.
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

// offsetIn is where in the head a part of it begins. It tells by what lies behind both in the memory that they share.
func offsetIn(head, part []byte) int { return cap(head) - cap(part) }
