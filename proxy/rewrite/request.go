package rewrite

import (
	"net/netip"

	"gopher-equalizer/proxy/http1"
	"gopher-equalizer/proxy/route"
)

// Request is what the head of a request to a backend is made of.
type Request struct {
	// Received is the request as the client sent it.
	Received *http1.Request
	// Peer is who connected. Client is what identity.Trusted.ClientAddr returned.
	Peer, Client netip.Addr
	// TrustedPeer reports whether the peer is a trusted proxy: what it forwarded is passed on.
	TrustedPeer bool
	// Scheme is how the client reached us, "http" or "https".
	Scheme string
	// Rules are the route's, and Path is what they change the path of.
	Rules *Rules
	Path  *route.Path
	// Host is sent as Host if it isn't "".
	Host string
	// Authority is the backend's: the Host of an HTTP/1.0 request that named none.
	Authority string
	// RequestID is what identity.Trusted.AppendRequestID made.
	RequestID []byte
	// Traceparent is that of a trace that begins here, which takes the place of what came with the
	// request; empty passes that on.
	Traceparent []byte
	// Via is our name in Via, as ViaName made it; "" writes no Via.
	Via string
	// ClientCert is what ClientCertLines made of the client's certificate; nil if it has none.
	ClientCert []byte
	// Upgrade reports whether the request's Upgrade goes on to the backend.
	Upgrade bool
}

// AppendHead appends the head of an HTTP/1.1 request, from the request line to the empty line. The
// client's fields stay as they came, in spelling and order, except those that concern its
// connection or say who it is. Our own fields come last, and then the route's changes. It doesn't
// allocate if dst has room.
func (r *Request) AppendHead(dst []byte) []byte {
	dst = r.appendLine(dst)
	fields := len(dst)
	dst = r.appendHost(dst)
	dst, f := r.appendFields(dst)
	dst = r.appendForwarded(dst, &f)
	dst = AppendField(dst, headerRequestID, r.RequestID)
	if len(r.Traceparent) > 0 {
		dst = AppendField(dst, headerTraceparent, r.Traceparent)
	}
	dst = append(dst, r.ClientCert...)
	dst = r.appendVia(dst)
	dst = r.Rules.Request.Apply(dst, fields)
	dst = r.appendHops(dst)
	return append(dst, "\r\n"...)
}

// appendLine writes the request line. An absolute target becomes a path, as origin servers want it
// (RFC 9112, section 3.2.2). OPTIONS with an empty path asks about the server itself (section
// 3.2.4), and has no path that could be changed.
func (r *Request) appendLine(dst []byte) []byte {
	path := r.Received.Path
	dst = append(dst, r.Received.Method...)
	dst = append(dst, ' ')
	switch {
	case len(path) == 0 && string(r.Received.Method) == "OPTIONS":
		dst = append(dst, '*')
	case string(path) == "*":
	case !r.Rules.Path.IsZero():
		dst, path = r.Rules.Path.AppendTarget(dst, r.Path), nil
	case len(path) == 0 || path[0] == '?':
		dst = append(dst, '/')
	}
	dst = append(dst, path...)
	return append(dst, " HTTP/1.1\r\n"...)
}

// appendHost writes a Host unless the client's stays where it is.
func (r *Request) appendHost(dst []byte) []byte {
	switch {
	case r.Host != "":
		return AppendField(dst, headerHost, r.Host)
	case r.Received.HostStands:
		return dst
	case len(r.Received.Host) > 0:
		return AppendField(dst, headerHost, r.Received.Host)
	}
	return AppendField(dst, headerHost, r.Authority)
}

// appendFields writes those of the client's fields that go on to the backend.
func (r *Request) appendFields(dst []byte) (_ []byte, f forwarded) {
	for i := range r.Received.Fields {
		line := &r.Received.Fields[i]
		keep := r.TrustedPeer
		switch kind := requestKindOf(line.Name); kind {
		case requestEndToEnd:
			keep = r.passes(line.Name)
		case requestDropped, requestHop:
			keep = false
		case requestTrailer:
			keep = r.Received.Size == http1.SizeChunked
		case requestUpgrade:
			keep = r.Upgrade
		case requestTrace:
			keep = len(r.Traceparent) == 0 && r.passes(line.Name)
		case requestHost:
			keep = r.Host == "" && r.Received.HostStands
		case requestForwardedFor, requestForwardedProto, requestForwardedHost, requestForwardedPort:
			keep = r.TrustedPeer && f.note(kind, line.Value)
		case requestMaxForwards:
			if keep = r.passes(line.Name); r.Received.MaxForwards != http1.Unlimited {
				// How many more servers may forward the request after us.
				dst = AppendNumber(dst, headerMaxForwards, max(r.Received.MaxForwards-1, 0))
				keep = false
			}
		}
		if keep {
			dst = append(dst, line.Line...)
		}
	}
	return dst, f
}

// passes reports whether an end-to-end field goes on to the backend.
func (r *Request) passes(name []byte) bool {
	return !r.Received.Named.Contains(name) && !r.Rules.Guarded.resembles(name)
}

// PassesTrailer reports whether a field of the trailer section goes on to the backend. A backend
// may merge it into the header, so only a field that could have stood there passes, and none that
// the route or a limit depends on.
func (r *Request) PassesTrailer(f http1.Field) bool {
	return requestKindOf(f.Name) == requestEndToEnd && r.passes(f.Name) &&
		!r.Rules.Guarded.covers(f.Name) && !r.Rules.Request.Drops(f.Name)
}

// appendHops writes what concerns the backend's connection: how the body is framed, and what the
// client would like.
func (r *Request) appendHops(dst []byte) []byte {
	switch size := r.Received.Size; size {
	case http1.SizeNone:
	case http1.SizeChunked:
		dst = AppendField(dst, headerTransferEncoding, "chunked")
	default:
		dst = AppendNumber(dst, headerContentLength, size)
	}
	if r.Received.Expect {
		dst = AppendField(dst, headerExpect, "100-continue")
	}
	switch te := r.Received.TrailersWelcome; {
	case te && r.Upgrade:
		dst = append(dst, headerTE+": trailers\r\n"+headerConnection+": TE, Upgrade\r\n"...)
	case te: // Connection must say that TE is for this connection only (RFC 9110, section 10.1.4).
		dst = append(dst, headerTE+": trailers\r\n"+headerConnection+": TE\r\n"...)
	case r.Upgrade:
		dst = AppendField(dst, headerConnection, "Upgrade")
	}
	return dst
}
