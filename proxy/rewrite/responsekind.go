package rewrite

import "gopher-equalizer/proxy/http1"

// responseKind is what a field of a response's header is to a proxy.
type responseKind byte

const (
	// responseEndToEnd is passed on, unless Connection names it.
	responseEndToEnd responseKind = iota
	// responseHop concerns only the connection that it came on (RFC 9110, section 7.6.1).
	responseHop
	responseLength
	// responseReference is Location or Content-Location.
	responseReference
	responseDate
	responseID
	// responseHSTS is Strict-Transport-Security. A client heeds only the first.
	responseHSTS
)

// responseKindOf sorts a field by its name, in any case. The length of a name comes first, since it
// rules out most fields.
func responseKindOf(name []byte) responseKind {
	kind, is := responseEndToEnd, ""
	switch len(name) {
	case len("te"):
		kind, is = responseHop, "te"
	case len("date"):
		kind, is = responseDate, "date"
	case len("upgrade"):
		kind, is = responseHop, "upgrade"
	case len("location"):
		kind, is = responseReference, "location"
	case len("connection"):
		kind, is = responseHop, "connection"
		if http1.Is(name, "keep-alive") {
			return responseHop
		}
	case len("x-request-id"):
		kind, is = responseID, "x-request-id"
	case len("content-length"):
		kind, is = responseLength, "content-length"
	case len("content-location"):
		kind, is = responseReference, "content-location"
		if http1.Is(name, "proxy-connection") {
			return responseHop
		}
	case len("transfer-encoding"):
		kind, is = responseHop, "transfer-encoding"
	case len("proxy-authenticate"):
		kind, is = responseHop, "proxy-authenticate"
	case len("strict-transport-security"):
		kind, is = responseHSTS, "strict-transport-security"
	}
	if is != "" && http1.Is(name, is) {
		return kind
	}
	return responseEndToEnd
}
