package rewrite

import (
	"strconv"

	"gopher-equalizer/proxy/http1"
	"gopher-equalizer/proxy/identity"
)

// forwarded is what the forwarding fields of a trusted peer said.
type forwarded struct {
	// addresses to ports count how often each field occurred.
	addresses, protos, hosts, ports int
	// proto to port are the last values.
	proto, host, port []byte
}

// note remembers a forwarding field, and reports whether it goes on as it came.
func (f *forwarded) note(kind requestKind, value []byte) (keep bool) {
	switch kind {
	case requestForwardedFor:
		f.addresses++
		return false
	case requestForwardedProto:
		f.protos++
		f.proto = value
	case requestForwardedHost:
		f.hosts++
		f.host = value
	case requestForwardedPort:
		f.ports++
		f.port = value
		return false
	}
	return true
}

// appendForwarded writes who the client is and what it asked for.
func (r *Request) appendForwarded(dst []byte, f *forwarded) []byte {
	dst = append(dst, headerForwardedFor+": "...)
	if f.addresses > 0 {
		dst = r.appendForwardedFor(dst)
	}
	peer := len(dst)
	dst = identity.AppendAddr(dst, r.Peer)
	behind := len(dst)
	dst = append(dst, "\r\n"...)
	if f.protos == 0 {
		dst = AppendField(dst, headerForwardedProto, r.Scheme)
	}
	if host := r.Received.Host; f.hosts == 0 && len(host) > 0 {
		dst = AppendField(dst, headerForwardedHost, host)
	}
	dst = append(dst, headerForwardedPort+": "...)
	dst = strconv.AppendInt(dst, int64(r.forwardedPort(f)), 10)
	dst = append(dst, "\r\n"+headerRealIP+": "...)
	if r.Client == r.Peer {
		dst = append(dst, dst[peer:behind]...)
	} else {
		dst = identity.AppendAddr(dst, r.Client)
	}
	return append(dst, "\r\n"...)
}

// appendForwardedFor joins all that a trusted peer forwarded. The peer's address follows.
func (r *Request) appendForwardedFor(dst []byte) []byte {
	for i := range r.Received.Fields {
		f := &r.Received.Fields[i]
		if len(f.Value) > 0 && requestKindOf(f.Name) == requestForwardedFor {
			dst = append(dst, f.Value...)
			dst = append(dst, ", "...)
		}
	}
	return dst
}

// forwardedPort returns the port of the URL that the client asked for: what a trusted peer says,
// else the port in the host that is forwarded, else the default of the scheme that is forwarded.
// The listener's port wouldn't do: clients can't use it where another port is mapped to it.
func (r *Request) forwardedPort(f *forwarded) int {
	if f.ports == 1 {
		if port, ok := parsePort(f.port); ok {
			return port
		}
	}
	host, scheme := r.Received.Host, []byte(r.Scheme)
	if f.hosts > 0 {
		host = f.host
	}
	if f.protos > 0 {
		scheme = f.proto
	}
	if port, ok := parsePort(http1.PortOf(host)); ok && f.hosts <= 1 {
		return port
	}
	if http1.Is(scheme, "https") || http1.Is(scheme, "wss") {
		return 443
	}
	return 80
}

// parsePort reads a port, 1 to 65535.
func parsePort(digits []byte) (port int, ok bool) {
	if !http1.IsDigits(digits, 5) {
		return 0, false
	}
	for _, c := range digits {
		port = 10*port + int(c-'0')
	}
	return port, 1 <= port && port <= 1<<16-1
}
