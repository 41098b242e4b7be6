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

// isHidden reports whether an authority is a backend's, in any case, and with or without http's
// default port.
func (r *Response) isHidden(authority []byte) bool {
	if len(authority) == 0 {
		return false
	}
	for _, b := range r.Hidden {
		n := len(authority)
		if len(b) != n && !(len(b) > n && b[n:] == ":80") {
			continue
		}
		if http1.SameName(authority, b[:n]) {
			return true
		}
	}
	return false
}
