package rewrite

import "gopher-equalizer/proxy/http1"

// requestKind is what a field of a request's header is to a proxy.
type requestKind byte

const (
	// requestEndToEnd is passed on, unless Connection names it.
	requestEndToEnd requestKind = iota
	// requestDropped concerns one connection only (RFC 9110, section 7.6.1), is written anew, or
	// must not pass.
	requestDropped
	// requestHop is Connection or TE. They are written anew, from what http1.Request read in them.
	requestHop
	// requestTrailer is Trailer, which names the fields behind the body.
	requestTrailer
	requestUpgrade
	requestHost
	// requestForwardedFor is dropped here, and extended for a trusted peer.
	requestForwardedFor
	requestForwardedProto
	requestForwardedHost
	requestForwardedPort
	// requestForwardedMore is any other X-Forwarded-*.
	requestForwardedMore
	// requestMaxForwards is counted down where it means something.
	requestMaxForwards
	// requestTrace is traceparent or tracestate.
	requestTrace
)

// longestRequestName is the length of the longest name that requestKindOf knows whole.
const longestRequestName = len("proxy-authorization")

// requestKindOf sorts a field by its name, in any case. X_Forwarded_For is dropped like
// X-Forwarded-For, and so is every other name that folds to one which is dropped or written here:
// backends that make CGI variables of names can't tell the two apart, and no trusted proxy writes
// such a name.
func requestKindOf(name []byte) requestKind {
	switch http1.ToLower(name[0]) {
	case 'c', 'e', 'f', 'h', 'k', 'm', 'p', 't', 'u', 'x':
	default:
		return requestEndToEnd // Most names: Accept, Sec-Fetch-Mode, Authorization.
	}
	var buf [longestRequestName]byte
	folded, hyphenated := http1.Fold(buf[:0], name)
	k := requestKindOfFolded(folded, len(name))
	if k != requestEndToEnd && !hyphenated {
		return requestDropped
	}
	return k
}

// requestKindOfFolded takes the start of a folded name, and the length of the whole name.
func requestKindOfFolded(start []byte, length int) requestKind {
	if length == len(start) {
		switch string(start) {
		case "connection", "te":
			return requestHop
		case "trailer":
			return requestTrailer
		case "upgrade":
			return requestUpgrade
		case "host":
			return requestHost
		case "x-forwarded-for":
			return requestForwardedFor
		case "x-forwarded-proto":
			return requestForwardedProto
		case "x-forwarded-host":
			return requestForwardedHost
		case "x-forwarded-port":
			return requestForwardedPort
		case "max-forwards":
			return requestMaxForwards
		case "traceparent", "tracestate":
			return requestTrace
		case "keep-alive", "proxy-connection", "proxy-authenticate", "proxy-authorization",
			// These are written anew.
			"transfer-encoding", "expect", "content-length", "x-real-ip", "x-request-id",
			// Backends believe what these say of a client's certificate (RFC 9440).
			"client-cert", "client-cert-chain", "x-client-cert",
			// Nobody vouches for Forwarded: it isn't read here, and a trusted proxy may have let
			// its client's pass.
			"forwarded":
			return requestDropped
		}
	}
	if hasPrefix(start, "x-forwarded-") {
		return requestForwardedMore
	}
	if hasPrefix(start, "x-client-cert-") {
		return requestDropped // We say ourselves what certificate a client has.
	}
	return requestEndToEnd
}

func hasPrefix(name []byte, prefix string) bool {
	return len(name) >= len(prefix) && string(name[:len(prefix)]) == prefix
}
