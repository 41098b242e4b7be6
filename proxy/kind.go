package proxy

import "gopher-equalizer/proxy/http1"

// kind is what a field of a request's header is to a proxy.
type kind byte

const (
	// kindEndToEnd is passed on, unless Connection names it.
	kindEndToEnd kind = iota
	// kindDropped concerns this connection only (RFC 9110, section 7.6.1), or is
	// written anew, or must not pass.
	kindDropped
	// kindHop is Connection or TE, which are written anew, from what http1.Request read in them.
	kindHop
	// kindTrailer says which fields come behind the body.
	kindTrailer
	kindUpgrade
	kindHost
	// kindForwardedFor is dropped here, and extended for a trusted peer.
	kindForwardedFor
	kindForwardedProto
	kindForwardedHost
	kindForwardedPort
	// kindForwardedMore is any other X-Forwarded-*.
	kindForwardedMore
	// kindMaxForwards is counted down where it means something.
	kindMaxForwards
)

// longestKnown is the length of the longest name that kindOf knows whole.
const longestKnown = len("proxy-authorization")

// kindOf sorts a field by its name, in any case. A name that reads like one which we drop
// or write once all punctuation counts as a hyphen is dropped too: backends that make CGI variables
// of names take X_Forwarded_For and Content_Length for them, and nobody whom we trust spells them so.
func kindOf(name []byte) kind {
	switch http1.ToLower(name[0]) {
	case 'c', 'e', 'f', 'h', 'k', 'm', 'p', 't', 'u', 'x':
	default:
		return kindEndToEnd // Most names: Accept, Sec-Fetch-Mode, Authorization.
	}
	var buf [longestKnown]byte
	folded, hyphenated := http1.Fold(buf[:0], name)
	k := kindOfFolded(folded, len(name))
	if k != kindEndToEnd && !hyphenated {
		return kindDropped
	}
	return k
}

// kindOfFolded takes the start of a folded name, and how long all of it is.
func kindOfFolded(start []byte, length int) kind {
	if length == len(start) {
		switch string(start) {
		case "connection", "te":
			return kindHop
		case "trailer":
			return kindTrailer
		case "upgrade":
			return kindUpgrade
		case "host":
			return kindHost
		case "x-forwarded-for":
			return kindForwardedFor
		case "x-forwarded-proto":
			return kindForwardedProto
		case "x-forwarded-host":
			return kindForwardedHost
		case "x-forwarded-port":
			return kindForwardedPort
		case "max-forwards":
			return kindMaxForwards
		case "keep-alive", "proxy-connection", "proxy-authenticate", "proxy-authorization",
			// We write these anew.
			"transfer-encoding", "expect", "content-length", "x-real-ip", "x-request-id",
			// Nobody vouches for this one: we don't read it, and the proxy before us may have let the client's pass.
			"forwarded":
			return kindDropped
		}
	}
	const prefix = "x-forwarded-"
	if len(start) >= len(prefix) && string(start[:len(prefix)]) == prefix {
		return kindForwardedMore
	}
	return kindEndToEnd
}
