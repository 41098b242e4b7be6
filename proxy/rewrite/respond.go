package rewrite

import (
	"fmt"
	"mime"
	"strings"

	"gopher-equalizer/proxy/http1"
)

// Respond is a response that a route gives itself. It is immutable.
type Respond struct {
	status      int
	contentType string
	body        []byte
}

// plainText is the type of a body whose route names none.
const plainText = "text/plain; charset=utf-8"

// ParseRespond checks a response: its status, 200 to 599; its body; and the body's media type,
// which is plain text in UTF-8 where it is "". The error names what is wrong and what was wanted.
func ParseRespond(status int, body, contentType string) (Respond, error) {
	bodiless := status == 204 || status == 205 || status == 304
	switch {
	case status < 200 || status > 599:
		return Respond{}, fmt.Errorf("unexpected status %d of a response; want 200 to 599", status)
	case bodiless && body != "":
		return Respond{}, fmt.Errorf("a response with status %d has no body; want none, or another status", status)
	case body == "" && contentType != "":
		return Respond{}, fmt.Errorf("unexpected content type %q of no body; want a body, or no content type", contentType)
	case contentType == "":
		contentType = plainText
	}
	if err := checkMediaType(contentType); err != nil {
		return Respond{}, err
	}
	return Respond{status: status, contentType: contentType, body: []byte(body)}, nil
}

func checkMediaType(text string) error {
	kind, _, err := mime.ParseMediaType(text)
	if err != nil || !strings.Contains(kind, "/") || !http1.IsFieldValue([]byte(text)) || strings.TrimSpace(text) != text {
		return fmt.Errorf("unexpected content type %q; want one such as text/html; charset=utf-8", text)
	}
	return nil
}

// Begin makes a reply this response.
func (r *Respond) Begin(reply *Reply) {
	reply.Begin(r.status, r.contentType, r.body)
	if len(r.body) == 0 && r.status != 204 && r.status != 304 {
		reply.AddNumber(headerContentLength, 0)
	}
}
