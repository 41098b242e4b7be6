package rewrite

import (
	"strconv"

	"github.com/valyala/fasthttp"

	"gopher-equalizer/proxy/http1"
	"gopher-equalizer/proxy/route"
)

// defaultHTTPS is the port of https that URLs leave out.
const defaultHTTPS = 443

// BeginHTTPS makes a reply the redirect of a request to the same URL by https, at a port. The
// client must send the same request again there: the status is 308. The request must name a host.
func BeginHTTPS(reply *Reply, h *http1.Request, port int) {
	reply.Begin(fasthttp.StatusPermanentRedirect, "", nil)
	reply.values = appendHTTPS(reply.values, h, port)
	reply.fields = append(reply.fields, replyField{headerLocation, len(reply.values)})
	reply.AddNumber(headerContentLength, 0)
}

// appendHTTPS writes the URL. The path and the query stay as they came, except for bytes that no
// URL holds.
func appendHTTPS(dst []byte, h *http1.Request, port int) []byte {
	dst = append(dst, "https://"...)
	var buffer [256]byte
	dst = appendEscaped(dst, route.AppendHost(buffer[:0], h.Host), isURLByte)
	if port != defaultHTTPS {
		dst = strconv.AppendInt(append(dst, ':'), int64(port), 10)
	}
	path := h.Path
	if len(path) == 0 || path[0] != '/' {
		dst = append(dst, '/')
	}
	if string(path) == "*" { // It is about the server itself.
		return dst
	}
	return appendEscaped(dst, path, isURLByte)
}
