package rewrite

import (
	"strconv"

	"github.com/valyala/fasthttp"
)

// Reply is a response of our own. The zero value is one without a body; its memory serves the next
// one: see Begin.
type Reply struct {
	// Status is its HTTP status code.
	Status int
	// Body is all of the body; a response to HEAD has the fields for it without it.
	Body []byte
	// RequestID is what identity.Trusted.AppendRequestID made; empty if the request had no head.
	RequestID []byte
	// Lines are further fields, each with its CRLF.
	Lines []byte
	// HSTS is the value of Strict-Transport-Security; "" writes none.
	HSTS string
	// Rules are the route's changes of the fields; nil if there are none.
	Rules *FieldRules

	contentType string
	fields      []replyField
	// values are the fields' values, one behind the other.
	values []byte
}

// replyField is a field of ours. Its value ends at end in Reply.values, where the next one begins.
type replyField struct {
	name string
	end  int
}

// Begin makes r a reply with a body, which may be nil, of a media type.
func (r *Reply) Begin(status int, contentType string, body []byte) {
	*r = Reply{Status: status, Body: body, contentType: contentType, fields: r.fields[:0], values: r.values[:0]}
}

// ReplaceBody gives r another body, of a media type.
func (r *Reply) ReplaceBody(contentType string, body []byte) {
	r.contentType, r.Body = contentType, body
}

// Add adds a field.
func (r *Reply) Add(name string, value []byte) {
	r.values = append(r.values, value...)
	r.fields = append(r.fields, replyField{name, len(r.values)})
}

// AddText adds a field.
func (r *Reply) AddText(name, value string) {
	r.values = append(r.values, value...)
	r.fields = append(r.fields, replyField{name, len(r.values)})
}

// AddNumber adds a field whose value is a number.
func (r *Reply) AddNumber(name string, value int64) {
	r.values = strconv.AppendInt(r.values, value, 10)
	r.fields = append(r.fields, replyField{name, len(r.values)})
}

// AppendHead appends the head, without the Connection field and the empty line. It doesn't allocate
// if dst has room.
func (r *Reply) AppendHead(dst []byte) []byte {
	dst = append(dst, "HTTP/1.1 "...)
	dst = strconv.AppendInt(dst, int64(r.Status), 10)
	dst = append(dst, ' ')
	dst = append(dst, fasthttp.StatusMessage(r.Status)...)
	dst = append(dst, "\r\n"...)
	start := len(dst)
	dst = AppendDate(dst)
	if len(r.Body) > 0 {
		dst = AppendField(dst, headerContentType, r.contentType)
		dst = AppendNumber(dst, headerContentLength, int64(len(r.Body)))
	}
	begin := 0
	for _, f := range r.fields {
		dst = AppendField(dst, f.name, r.values[begin:f.end])
		begin = f.end
	}
	dst = append(dst, r.Lines...)
	if r.HSTS != "" {
		dst = AppendField(dst, headerHSTS, r.HSTS)
	}
	if len(r.RequestID) > 0 {
		dst = AppendField(dst, headerRequestID, r.RequestID)
	}
	return r.Rules.Apply(dst, start)
}
