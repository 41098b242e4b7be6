package rewrite

import (
	"bytes"

	"gopher-equalizer/proxy/http1"
)

// appendReference writes a field whose value is a URI reference. A reference to a backend becomes
// one to the host that the client sent its request to.
func (r *Response) appendReference(dst []byte, f *http1.Field) []byte {
	authority, path := splitReference(f.Value)
	if !r.isHidden(authority) {
		return f.AppendLine(dst)
	}
	dst = append(append(dst, f.Name...), ": "...)
	if len(r.Host) > 0 {
		dst = append(append(append(dst, r.Scheme...), "://"...), r.Host...)
	} else if len(path) == 0 || path[0] != '/' {
		dst = append(dst, '/') // The client named no host, so it gets a path.
	}
	return append(append(dst, path...), "\r\n"...)
}

// splitReference splits an absolute URI, or one that leaves out only its scheme, after its
// authority. The authority is empty where the reference has none, and comes without userinfo.
func splitReference(ref []byte) (authority, path []byte) {
	rest, ok := http1.CutScheme(ref)
	if !ok {
		rest, ok = bytes.CutPrefix(ref, []byte("//"))
	}
	if !ok {
		return nil, ref
	}
	end := bytes.IndexAny(rest, "/?#")
	if end < 0 {
		end = len(rest)
	}
	host := bytes.LastIndexByte(rest[:end], '@') + 1
	return rest[host:end], rest[end:]
}

// isHidden reports whether an authority is a backend's.
func (r *Response) isHidden(authority []byte) bool {
	if isOf(r.Authority, authority) {
		return true
	}
	for _, b := range r.Hidden {
		if isOf(b, authority) {
			return true
		}
	}
	return false
}

// isOf reports whether an authority is that of a backend, in any case, and with or without http's
// default port.
func isOf(backend string, authority []byte) bool {
	n := len(authority)
	if n == 0 || len(backend) != n && !(len(backend) > n && backend[n:] == ":80") {
		return false
	}
	return http1.SameName(authority, backend[:n])
}
