package message

import (
	"strings"

	"gopher-equalizer/proxy/http1"
)

// Head is the field list of a request's header, on its way in. Reset comes before all else, then
// each field in its order, and End. Its memory serves the next one.
type Head struct {
	list
	method, scheme, path, authority pseudo
	// hosts, lengths and cookies are how many fields of these names there are; host and length are
	// the values of the last.
	hosts, lengths, cookies int
	host, length            string
	text                    []byte
}

// pseudo is the value of a pseudo field, which may not be there.
type pseudo struct {
	value string
	there bool
}

// Reset begins another request, whose list may have maxFields fields and take maxBytes bytes, each
// field counted as RFC 9113, section 6.5.2, has it. Pseudo fields count, and so does each part of a
// cookie.
func (h *Head) Reset(maxBytes, maxFields int) {
	h.forget()
	h.reset(maxBytes, maxFields)
	h.hosts, h.lengths, h.cookies = 0, 0, 0
	h.text = h.text[:0]
}

// forget lets go of what the decoder has made.
func (h *Head) forget() {
	h.list.forget()
	h.method, h.scheme, h.path, h.authority = pseudo{}, pseudo{}, pseudo{}, pseudo{}
	h.host, h.length = "", ""
}

// Field takes the next field. It keeps the strings until End. Once the list is over a bound, or at
// fault, nothing more is kept.
func (h *Head) Field(name, value string) {
	switch {
	case !h.counts(name, value):
	case isPseudo(name):
		if why := h.takePseudo(name, value); why != nil {
			h.err = why
		}
	default:
		h.store(name, value, checkField(name, value))
		h.note(name, value)
	}
}

// takePseudo takes a pseudo field: one that a request has, once, and before all other fields (RFC
// 9113, section 8.3).
func (h *Head) takePseudo(name, value string) *Malformed {
	var p *pseudo
	switch name {
	case ":method":
		p = &h.method
	case ":scheme":
		p = &h.scheme
	case ":path":
		p = &h.path
	case ":authority":
		p = &h.authority
	default:
		return malformed("pseudo-unknown", "a pseudo field that no request here has")
	}
	switch {
	case p.there:
		return malformed("pseudo-twice", "a pseudo field comes twice").of(name)
	case len(h.fields) > 0:
		return malformed("pseudo-late", "a pseudo field comes behind other fields").of(name)
	case !isGraphic(value):
		return malformed("pseudo-value", "a space or a control character in a pseudo field").of(name)
	}
	*p = pseudo{value, true}
	return nil
}

// isGraphic reports whether s has neither spaces nor control characters: nothing that could end a
// part of a request line. What else may not be in it is for http1 to say.
func isGraphic(s string) bool {
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c == 0x7f {
			return false
		}
	}
	return true
}

// note keeps what must be checked together.
func (h *Head) note(name, value string) {
	switch name {
	case "host":
		h.hosts++
		h.host = value
	case "content-length":
		h.lengths++
		h.length = value
	case "cookie":
		h.cookies++
	}
}

// End ends the list; endStream reports whether the request ends with it, too. text is the head of
// an HTTP/1.1 request, with its empty line, for http1.Request.Parse: it stays good until the next
// Reset, and takes no more bytes than the list did. A body that follows has its Content-Length
// there if the client said one, which the DATA must add up to, and is chunked otherwise.
//
// The error is a *Malformed, or a *http1.Refusal with status 400, 431 or 501.
func (h *Head) End(endStream bool) (text []byte, err error) {
	defer h.forget()
	if why := h.check(endStream); why != nil {
		return nil, why
	}
	h.text = h.appendHead(h.text, endStream)
	return h.text, nil
}

// check checks the list as a whole.
func (h *Head) check(endStream bool) error {
	switch {
	case h.err != nil:
		return h.err
	case h.tooLarge():
		return http1.Refuse(statusTooLarge, "header-size", "the request's header is too large", nil, 0)
	case h.tooMany():
		return http1.Refuse(statusTooLarge, "field-count", "too many header fields", nil, 0)
	}
	if why := h.checkPseudo(); why != nil {
		return why
	}
	switch {
	case endStream && h.lengths == 1 && http1.IsDigits(bytesOf(h.length), len(h.length)) && strings.Trim(h.length, "0") != "":
		return malformed("content-length", "Content-Length says that there is a body").of("content-length")
	case !h.isConnect() && !http1.Is(bytesOf(h.scheme.value), "http") && !http1.Is(bytesOf(h.scheme.value), "https"):
		return http1.Refuse(statusNotImplemented, "target-scheme", "the request target's scheme is neither http nor https", nil, 0)
	case h.authority.there && h.hosts == 1 && !http1.SameName(bytesOf(h.host), h.authority.value):
		return otherHost()
	}
	return nil
}

const (
	statusBadRequest     = 400
	statusTooLarge       = 431
	statusNotImplemented = 501
)

func otherHost() *http1.Refusal {
	why := http1.Refuse(statusBadRequest, "host-authority", "Host is not what :authority says", nil, 0)
	why.Field = "Host"
	return why
}

// isConnect reports whether the request is for a tunnel. http1 refuses it.
func (h *Head) isConnect() bool { return h.method.value == "CONNECT" }

// checkPseudo checks that the pseudo fields make a request line and nothing else (RFC 9113,
// sections 8.3.1 and 8.5).
func (h *Head) checkPseudo() error {
	switch {
	case !http1.IsToken(bytesOf(h.method.value)):
		return malformed("pseudo-method", ":method is not a token").of(":method")
	case h.isConnect() && (h.scheme.there || h.path.there || !h.authority.there):
		return malformed("pseudo-connect", "CONNECT has :authority, and neither :scheme nor :path")
	case h.isConnect():
		return nil
	case !isScheme(h.scheme.value):
		return malformed("pseudo-scheme", ":scheme is not a scheme").of(":scheme")
	case !strings.HasPrefix(h.path.value, "/") && h.path.value != "*":
		return malformed("pseudo-path", ":path doesn't begin with a slash").of(":path")
	}
	return nil
}

// isScheme reports whether s is a URI's scheme (RFC 3986, section 3.1).
func isScheme(s string) bool {
	for i := range len(s) {
		c := s[i]
		letter := 'a' <= c|0x20 && c|0x20 <= 'z'
		if !letter && (i == 0 || !('0' <= c && c <= '9' || c == '+' || c == '-' || c == '.')) {
			return false
		}
	}
	return s != ""
}

// appendHead writes a list that was checked as HTTP/1. Host comes from :authority (RFC 9113,
// section 8.3.1), in the place of a Host that says the same; two Hosts are left for http1 to
// refuse.
func (h *Head) appendHead(dst []byte, endStream bool) []byte {
	target := h.path.value
	if h.isConnect() {
		target = h.authority.value
	}
	dst = append(append(dst, h.method.value...), ' ')
	dst = append(append(dst, target...), " HTTP/1.1\r\n"...)
	if h.authority.there && !h.isConnect() {
		dst = appendLine(dst, "host", h.authority.value)
	}
	for i, cookies := 0, 0; i < len(h.fields); i++ {
		switch f := &h.fields[i]; {
		case f.name == "host" && h.authority.there && h.hosts == 1:
		case f.name == "cookie" && h.cookies > 1:
			if cookies++; cookies == 1 {
				dst = appendCookies(dst, h.fields[i:])
			}
		default:
			dst = appendLine(dst, f.name, f.value)
		}
	}
	if !endStream && h.lengths == 0 {
		dst = append(dst, "transfer-encoding: chunked\r\n"...)
	}
	return append(dst, "\r\n"...)
}

// appendCookies joins the parts of a cookie (RFC 9113, section 8.2.3).
func appendCookies(dst []byte, fields []field) []byte {
	begin := "cookie: "
	for i := range fields {
		if f := &fields[i]; f.name == "cookie" {
			dst = append(append(dst, begin...), f.value...)
			begin = "; "
		}
	}
	return append(dst, "\r\n"...)
}

func appendLine(dst []byte, name, value string) []byte {
	dst = append(append(dst, name...), ": "...)
	return append(append(dst, value...), "\r\n"...)
}
