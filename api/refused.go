package api

import "github.com/valyala/fasthttp"

// RefusedMessage is a request or a response that was refused. It holds nothing of a value or of a
// query.
type RefusedMessage struct {
	Time Moment `json:"time"`
	// Refused is "request" for a client's message, "response" for a backend's.
	Refused string `json:"refused"`
	// Method is the request's; "" if it could not be read, or isn't all capital letters.
	Method string `json:"method"`
	// Reason names the rule that was broken.
	Reason string `json:"reason"`
	// Field is the name of the field at fault; "" if there is none, or its name is no token.
	Field string `json:"field"`
	// Offset is where in the message the fault is, in bytes from its beginning.
	Offset int `json:"offset"`
	// Excerpt is up to 16 bytes around Offset. Letters and digits are written as x, and bytes from
	// 0x80 as U+FFFD.
	Excerpt string `json:"excerpt"`
}

func (s *snapshot) listErrors(ctx *fasthttp.RequestCtx) error {
	return writeJSON(ctx, fasthttp.StatusOK, s.refused())
}

// refused are the last messages that were refused; [] in JSON if there are none.
func (s *snapshot) refused() []RefusedMessage {
	all := []RefusedMessage{}
	if s.sources.Errors != nil {
		all = append(all, s.sources.Errors()...)
	}
	return all
}
