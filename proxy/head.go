package proxy

import (
	"net/netip"
	"strconv"

	"gopher-equalizer/proxy/http1"
	"gopher-equalizer/proxy/identity"
)

// requestHead is all that goes into the head of one request to a backend.
type requestHead struct {
	// header is the request as received.
	header *http1.Request
	// peer is who connected; client is what identity.Trusted.ClientAddr returned.
	peer, client netip.Addr
	// trustedPeer says that the peer is a trusted proxy: what it forwarded is passed on.
	trustedPeer bool
	// scheme is how the client reached us, "http" or "https".
	scheme string
	// key is what clients are limited by: nothing that can be taken for its header goes on to the backend.
	key identity.Key
	// host is sent as Host if it isn't "": the pool's.
	host string
	// backend is the backend's authority: the Host of an HTTP/1.0 request that named none.
	backend string
	// requestID is what identity.AppendRequestID made.
	requestID []byte
	// via is sent as our name in Via if it isn't "".
	via string
	// upgrade says that the request's Upgrade goes on to the backend.
	upgrade bool
}

// appendRequestHead appends the head of an HTTP/1.1 request for a backend, from the request
// line to the empty line. What the client sent stays as it came, in spelling and order, but for
// what concerns only this connection, and forwarding headers; ours come last.
// It doesn't allocate if dst has room.
func appendRequestHead(dst []byte, r *requestHead) []byte {
	dst = r.appendLine(dst)
	dst = r.appendHost(dst)
	dst, found := r.appendFields(dst)
	dst = r.appendForwarded(dst, &found)
	dst = appendField(dst, headerRequestID, r.requestID)
	dst = r.appendVia(dst)
	dst = r.appendHops(dst)
	return append(dst, "\r\n"...)
}

// appendLine writes the request line. An absolute target becomes a path, as origin servers
// want it (RFC 9112, section 3.2.2); an empty path with OPTIONS means the server itself (section 3.2.4).
func (r *requestHead) appendLine(dst []byte) []byte {
	path := r.header.Path
	dst = append(dst, r.header.Method...)
	dst = append(dst, ' ')
	switch {
	case len(path) == 0 && string(r.header.Method) == "OPTIONS":
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
	case r.header.HostStands:
		return dst
	case len(r.header.Host) > 0:
		return appendField(dst, headerHost, r.header.Host)
	}
	return appendField(dst, headerHost, r.backend)
}

// appendFields writes those of the client's fields that go on to the backend.
func (r *requestHead) appendFields(dst []byte) (_ []byte, f found) {
	for i := range r.header.Fields {
		line := &r.header.Fields[i]
		keep := r.trustedPeer
		switch kind := kindOf(line.Name); kind {
		case kindEndToEnd:
			keep = r.passes(line.Name)
		case kindDropped, kindHop:
			keep = false
		case kindTrailer:
			keep = r.header.Size == http1.SizeChunked
		case kindUpgrade:
			keep = r.upgrade
		case kindHost:
			keep = r.host == "" && r.header.HostStands
		case kindForwardedFor, kindForwardedProto, kindForwardedHost, kindForwardedPort:
			keep = r.trustedPeer && f.note(kind, line.Value)
		case kindMaxForwards:
			if keep = r.passes(line.Name); r.header.MaxForwards != http1.Unlimited {
				dst, keep = r.appendMaxForwards(dst), false
			}
		}
		if keep {
			dst = append(dst, line.Line...)
		}
	}
	return dst, f
}

// passes says whether an end-to-end field goes on to the backend.
func (r *requestHead) passes(name []byte) bool {
	return !r.header.Named.Contains(name) && !r.key.Resembles(name)
}

// passesTrailer says whether a field of the trailer section does. A backend may merge it into the header, so it must be one
// that could have stood there; nor may it be what clients are limited by.
func (r *requestHead) passesTrailer(f http1.Field) bool {
	return kindOf(f.Name) == kindEndToEnd && r.passes(f.Name) && !r.key.Is(f.Name)
}

// appendHops writes what concerns the backend's connection: how the body is framed, and what the client would like.
func (r *requestHead) appendHops(dst []byte) []byte {
	switch size := r.header.Size; size {
	case http1.SizeNone:
	case http1.SizeChunked:
		dst = appendField(dst, headerTransferEncoding, "chunked")
	default:
		dst = append(dst, headerContentLength+": "...)
		dst = strconv.AppendInt(dst, size, 10)
		dst = append(dst, "\r\n"...)
	}
	if r.header.Expect {
		dst = appendField(dst, headerExpect, "100-continue")
	}
	switch te := r.header.TrailersWelcome; {
	case te && r.upgrade:
		dst = append(dst, headerTE+": trailers\r\n"+headerConnection+": TE, Upgrade\r\n"...)
	case te: // Who sends TE must say that it is for this connection only (RFC 9110, section 10.1.4).
		dst = append(dst, headerTE+": trailers\r\n"+headerConnection+": TE\r\n"...)
	case r.upgrade:
		dst = appendField(dst, headerConnection, "Upgrade")
	}
	return dst
}

func appendField[V []byte | string](dst []byte, name string, value V) []byte {
	dst = append(dst, name...)
	dst = append(dst, ": "...)
	dst = append(dst, value...)
	return append(dst, "\r\n"...)
}
