package proxy

import (
	"net/netip"

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
	// host is sent as Host if it isn't "": the pool's.
	host string
	// backend is the backend's host:port: the Host of an HTTP/1.0 request that named none.
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
func appendRequestHead(dst []byte, r *requestHead) []byte { return dst }

// requestHost is the host that the client named, as it came: the authority of an absolute
// target, or Host; empty for an HTTP/1.0 request that named none.
func requestHost(h *fasthttp.RequestHeader) []byte { return nil }

// expectsContinue says whether the client waits for a 100 before it sends the body. fasthttp's MayContinue
// sees the canonical spelling of Expect only once header names are left as they came; this sees any.
func expectsContinue(h *fasthttp.RequestHeader) bool { return false }
