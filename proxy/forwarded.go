package proxy

import (
	"strconv"

	"gopher-equalizer/proxy/http1"
	"gopher-equalizer/proxy/identity"
)

// found is what the forwarding fields of a trusted peer said.
type found struct {
	// addresses to ports are how often each field was there.
	addresses, protos, hosts, ports int
	// proto to port are the last values.
	proto, host, port []byte
}

// note takes one of these fields down, and says whether it goes on as it came.
func (f *found) note(kind kind, value []byte) (keep bool) {
	switch kind {
	case kindForwardedFor:
		f.addresses++
		return false
	case kindForwardedProto:
		f.protos++
		f.proto = value
	case kindForwardedHost:
		f.hosts++
		f.host = value
	case kindForwardedPort:
		f.ports++
		f.port = value
		return false
	}
	return true
}

// appendForwarded writes who the client is and what it asked for.
func (r *requestHead) appendForwarded(dst []byte, f *found) []byte {
	dst = append(dst, headerForwardedFor+": "...)
	if f.addresses > 0 {
		dst = r.appendForwardedFor(dst)
	}
	dst = identity.AppendAddr(dst, r.peer)
	dst = append(dst, "\r\n"...)
	if f.protos == 0 {
		dst = appendField(dst, headerForwardedProto, r.scheme)
	}
	if host := r.header.Host; f.hosts == 0 && len(host) > 0 {
		dst = appendField(dst, headerForwardedHost, host)
	}
	dst = append(dst, headerForwardedPort+": "...)
	dst = strconv.AppendInt(dst, int64(r.forwardedPort(f)), 10)
	dst = append(dst, "\r\n"+headerRealIP+": "...)
	dst = identity.AppendAddr(dst, r.client)
	return append(dst, "\r\n"...)
}

// appendForwardedFor joins all that a trusted peer forwarded, for the peer's address to follow.
func (r *requestHead) appendForwardedFor(dst []byte) []byte {
	for i := range r.header.Fields {
		f := &r.header.Fields[i]
		if len(f.Value) > 0 && kindOf(f.Name) == kindForwardedFor {
			dst = append(dst, f.Value...)
			dst = append(dst, ", "...)
		}
	}
	return dst
}

// forwardedPort is the port of the URL that the client asked for: what a trusted peer says, else
// the port in the host that is forwarded, else the default of the scheme that is forwarded. It isn't
// the listener's: clients couldn't use that where another port is mapped to it.
func (r *requestHead) forwardedPort(f *found) int {
	if f.ports == 1 {
		if port, ok := parsePort(f.port); ok {
			return port
		}
	}
	host, scheme := r.header.Host, []byte(r.scheme)
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
