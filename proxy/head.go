package proxy

import (
	"net/netip"
	"strconv"

	"github.com/valyala/fasthttp"
)

// What requestHead.bodySize can be besides a body's size in bytes.
const (
	// bodyNone: the request has no body, and its head says nothing about one.
	bodyNone int64 = -2
	// bodyChunked: the body's size isn't known; the forwarder writes it in chunks.
	bodyChunked int64 = -1
)

// requestHead is all that goes into the head of one request to a backend.
type requestHead struct {
	// header is the request as received, and checkRequest let it pass.
	header *fasthttp.RequestHeader
	// peer is who connected; client is TrustedProxies.ClientIP's answer.
	peer, client netip.Addr
	// trustedPeer says that the peer is a trusted proxy: what it forwarded is passed on.
	trustedPeer bool
	// scheme is how the client reached us, "http" or "https".
	scheme string
	// key is what clients are limited by: nothing that can be taken for its header goes on to the backend.
	key Key
	// host is sent as Host if it isn't "": the pool's.
	host string
	// backend is the backend's authority: the Host of an HTTP/1.0 request that named none.
	backend string
	// requestID is appendRequestID's.
	requestID []byte
	// bodySize frames the body: a size (0 included) sends Content-Length, or it is bodyNone or bodyChunked.
	bodySize int64
}

// appendRequestHead appends the head of an HTTP/1.1 request for a backend, from the request
// line to the empty line. What the client sent stays as it came, in spelling and order, but for
// what concerns only this connection, forwarding headers, and Expect; ours come last.
// It doesn't allocate if dst has room.
func appendRequestHead(dst []byte, r *requestHead) []byte {
	dst = r.appendLine(dst)
	dst = r.appendHost(dst)
	start := len(dst)
	dst, found := r.appendFields(dst, nil)
	if found.names {
		// Rare, so it is what writes twice: Connection may come after what it names.
		named := namedFields(r.header.RawHeaders())
		dst, _ = r.appendFields(dst[:start], &named)
	}
	dst = r.appendForwarded(dst, found)
	dst = appendField(dst, headerRequestID, r.requestID)
	dst = appendFraming(dst, r.bodySize)
	return append(dst, "\r\n"...)
}

// appendLine writes the request line. An absolute target becomes a path, as origin servers
// want it (RFC 9112, section 3.2.2); an empty path with OPTIONS means the server itself (section 3.2.4).
func (r *requestHead) appendLine(dst []byte) []byte {
	method := r.header.Method()
	dst = append(dst, method...)
	dst = append(dst, ' ')
	_, path, _ := splitTarget(r.header.RequestURI())
	switch {
	case len(path) == 0 && string(method) == fasthttp.MethodOptions:
		dst = append(dst, '*')
	case len(path) == 0 || path[0] == '?':
		dst = append(dst, '/')
	}
	dst = append(dst, path...)
	return append(dst, " HTTP/1.1\r\n"...)
}

// appendHost writes a Host unless the client's stays where it is.
func (r *requestHead) appendHost(dst []byte) []byte {
	switch {
	case r.host != "":
		return appendField(dst, headerHost, r.host)
	case len(r.header.Host()) > 0:
		return dst
	}
	if authority := requestHost(r.header); len(authority) > 0 {
		return appendField(dst, headerHost, authority)
	}
	return appendField(dst, headerHost, r.backend)
}

// found is what the client's fields said about what comes after them.
type found struct {
	// names: a Connection header names fields that would be passed on otherwise.
	names bool
	// The trusted peer's, of which the last two were passed on.
	forwardedFor, forwardedProto, forwardedHost bool
}

// appendFields writes those of the client's fields that go on to the backend, without those in named.
func (r *requestHead) appendFields(dst []byte, named *connectionOptions) (_ []byte, f found) {
	line := fields{rest: r.header.RawHeaders()}
	for line.next() {
		keep := r.trustedPeer
		switch kindOf(line.name) {
		case kindEndToEnd:
			keep = !named.contains(line.name) && !r.key.imitates(line.name)
		case kindDropped:
			keep = false
		case kindConnection:
			f.names = f.names || namesAny(line.value())
			keep = false
		case kindHost:
			keep = r.host == ""
		case kindForwardedFor:
			f.forwardedFor = r.trustedPeer
			keep = false
		case kindForwardedProto:
			f.forwardedProto = r.trustedPeer
		case kindForwardedHost:
			f.forwardedHost = r.trustedPeer
		}
		if keep {
			dst = append(dst, line.line...)
		}
	}
	return dst, f
}

// appendForwarded writes who the client is and what it asked for.
func (r *requestHead) appendForwarded(dst []byte, f found) []byte {
	dst = append(dst, headerForwardedFor+": "...)
	if f.forwardedFor {
		dst = r.appendForwardedFor(dst)
	}
	dst = appendAddr(dst, r.peer)
	dst = append(dst, "\r\n"...)
	if !f.forwardedProto {
		dst = appendField(dst, headerForwardedProto, r.scheme)
	}
	if host := requestHost(r.header); !f.forwardedHost && len(host) > 0 {
		dst = appendField(dst, headerForwardedHost, host)
	}
	dst = append(dst, headerRealIP+": "...)
	dst = appendAddr(dst, r.client)
	return append(dst, "\r\n"...)
}

// appendForwardedFor joins all that a trusted peer forwarded, for the peer's address to follow.
func (r *requestHead) appendForwardedFor(dst []byte) []byte {
	line := fields{rest: r.header.RawHeaders()}
	for line.next() {
		if len(line.value()) > 0 && kindOf(line.name) == kindForwardedFor {
			dst = append(dst, line.value()...)
			dst = append(dst, ", "...)
		}
	}
	return dst
}

func appendFraming(dst []byte, bodySize int64) []byte {
	switch bodySize {
	case bodyNone:
		return dst
	case bodyChunked:
		return appendField(dst, headerTransferEncoding, "chunked")
	}
	dst = append(dst, headerContentLength+": "...)
	dst = strconv.AppendInt(dst, bodySize, 10)
	return append(dst, "\r\n"...)
}

func appendField[V []byte | string](dst []byte, name string, value V) []byte {
	dst = append(dst, name...)
	dst = append(dst, ": "...)
	dst = append(dst, value...)
	return append(dst, "\r\n"...)
}

// requestHost is the host that the client named, as it came: Host, or the authority of an
// absolute target; empty for an HTTP/1.0 request that named none.
func requestHost(h *fasthttp.RequestHeader) []byte {
	if host := h.Host(); len(host) > 0 {
		return host
	}
	authority, _, _ := splitTarget(h.RequestURI())
	return authority
}

// expectsContinue says whether the client waits for a 100 before it sends the body. fasthttp's
// MayContinue sees only the canonical spelling of Expect once header names are left as they came; this sees any.
func expectsContinue(h *fasthttp.RequestHeader) bool {
	if !h.IsHTTP11() || h.ContentLength() == 0 || h.ContentLength() == -2 {
		return false
	}
	f := fields{rest: h.RawHeaders()}
	for f.next() {
		if is(f.name, "expect") {
			return is(f.value(), "100-continue")
		}
	}
	return false
}
