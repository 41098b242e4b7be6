package message

// Malformed is why a field list is no message of HTTP/2. Its stream ends with PROTOCOL_ERROR (RFC
// 9113, section 8.1.1). Like a http1.Refusal it quotes nothing but the name of a field.
type Malformed struct {
	// Reason names the rule that was broken, for machines: a few lower-case words, joined by
	// hyphens.
	Reason string
	// Detail says what was wrong, for people.
	Detail string
	// Field is the name of the field that is at fault; "" if there is none, it is no token or it is
	// longer than 64 bytes.
	Field string
}

// Error implements error.
func (m *Malformed) Error() string { return m.Detail }

func malformed(reason, detail string) *Malformed { return &Malformed{Reason: reason, Detail: detail} }

// maxFieldName is how long a name may be that is shown.
const maxFieldName = 64

// of names the field that is at fault.
func (m *Malformed) of(name string) *Malformed {
	if len(name) <= maxFieldName {
		m.Field = name
	}
	return m
}
