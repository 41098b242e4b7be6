package proxy

import "github.com/valyala/fasthttp"

// isHop says whether an answer's field concerns only the connection it came on (RFC 9110, section
// 7.6.1). Transfer-Encoding is one too, but fasthttp's to write.
func isHop(name []byte) bool {
	switch len(name) {
	case len("te"):
		return is(name, "te")
	case len("upgrade"):
		return is(name, "upgrade")
	case len("connection"):
		return is(name, "connection") || is(name, "keep-alive")
	case len("proxy-connection"):
		return is(name, "proxy-connection")
	case len("proxy-authenticate"):
		return is(name, "proxy-authenticate")
	}
	return false
}

// appendNamed appends the names, as spelled, of the fields that an answer's Connection names.
func appendNamed(names [][]byte, h *fasthttp.ResponseHeader) [][]byte {
	var named connectionOptions
	for name, value := range h.All() {
		if is(name, "connection") {
			named.add(value)
		}
	}
	for name := range h.All() {
		if named.contains(name) {
			names = append(names, name)
		}
	}
	return names
}

// deleteFields deletes the fields with these names, which may alias h.
//
// fasthttp's Del fills the gap with the last field, so fields that share a name can change places. Their
// order has a meaning (RFC 9110, section 5.3), so such fields are put back in order.
func deleteFields(h *fasthttp.ResponseHeader, names [][]byte) {
	if !repeatsName(h) {
		deleteAll(h, names)
		return
	}
	repeated := fasthttp.AcquireArgs()
	defer fasthttp.ReleaseArgs(repeated)
	copyRepeated(repeated, h, names)
	deleteAll(h, names)
	for name := range repeated.All() {
		h.DelBytes(name)
	}
	for name, value := range repeated.All() {
		h.AddBytesKV(name, value)
	}
}

func deleteAll(h *fasthttp.ResponseHeader, names [][]byte) {
	for _, name := range names {
		h.DelBytes(name)
	}
}

// repeatsName says whether any two fields share a name.
func repeatsName(h *fasthttp.ResponseHeader) bool {
	var buf [32][]byte
	names := buf[:0]
	for name := range h.All() {
		if containsName(names, name) {
			return true
		}
		names = append(names, name)
	}
	return false
}

// copyRepeated copies the fields that share a name with another to dst, without those in except. Set-Cookie isn't
// among them (fasthttp keeps those apart), nor is Date, which it wouldn't let us add.
func copyRepeated(dst *fasthttp.Args, h *fasthttp.ResponseHeader, except [][]byte) {
	for name, value := range h.All() {
		if countName(h, name) > 1 && !containsName(except, name) && !is(name, "set-cookie") && !is(name, "date") {
			dst.AddBytesKV(name, value)
		}
	}
}

func countName(h *fasthttp.ResponseHeader, name []byte) (n int) {
	for other := range h.All() {
		if sameName(other, name) {
			n++
		}
	}
	return n
}
