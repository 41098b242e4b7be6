package identity

import (
	"strings"

	"gopher-equalizer/proxy/http1"
)

const forwardingHeader = "any client can send this header; with key = ip, X-Forwarded-For is believed of server.trusted_proxies"

const certificateHeader = "any client can send this header, and tls:spki and tls:san are what the certificate itself says"

// whyUnusable says why a header can't identify clients, in any spelling that backends take for its
// own. It returns "" if the header can.
func whyUnusable(name []byte) string {
	folded, _ := http1.Fold(make([]byte, 0, len(name)), name)
	switch lower := string(folded); lower {
	case "host":
		return "Host says whom a request is for, and an absolute target overrides it"
	case "content-length", "transfer-encoding", "expect", "trailer":
		return "this header says how the body is sent"
	case "connection", "te", "upgrade", "keep-alive", "proxy-connection", "proxy-authenticate", "proxy-authorization":
		return "this header is for one connection only and isn't passed on"
	case "x-request-id", "date":
		return "this header differs from request to request"
	case "via", "max-forwards":
		return "this header is changed on the way"
	case "x-real-ip", "forwarded":
		return forwardingHeader
	case "client-cert", "client-cert-chain", "x-client-cert":
		return certificateHeader
	default:
		switch {
		case strings.HasPrefix(lower, "x-forwarded-"):
			return forwardingHeader
		case strings.HasPrefix(lower, "x-client-cert-"):
			return certificateHeader
		}
	}
	return ""
}
