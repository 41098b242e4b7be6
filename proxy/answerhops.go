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

// stripHops deletes such fields, and what Connection names.
//
// fasthttp's Del fills the gap with the last field, so fields of one name can change places. Their
// order has a meaning (RFC 9110, section 5.3), so those that are there more than once are put back in order.
func stripHops(h *fasthttp.ResponseHeader) {
	repeated := fasthttp.AcquireArgs()
	defer fasthttp.ReleaseArgs(repeated)
	copyRepeated(repeated, h)
	var buf [16][]byte
	for _, name := range hopNames(buf[:0], h) {
		h.DelBytes(name)
	}
	for name := range repeated.All() {
		h.DelBytes(name)
	}
	for name, value := range repeated.All() {
		h.AddBytesKV(name, value)
	}
}

// hopNames appends the names, as spelled, of what is to be stripped. They alias h, and stay
// good until something is added to it.
func hopNames(dst [][]byte, h *fasthttp.ResponseHeader) [][]byte {
	var named connectionOptions
	for name, value := range h.All() {
		if is(name, "connection") {
			named.add(value)
		}
	}
	for name := range h.All() {
		if isHop(name) || named.contains(name) {
			dst = append(dst, name)
		}
	}
	return dst
}

// copyRepeated copies the fields that Del may put out of order to dst: all that share their name with another.
// Set-Cookie isn't among them (fasthttp keeps those apart), nor is Date, which it wouldn't let us add.
func copyRepeated(dst *fasthttp.Args, h *fasthttp.ResponseHeader) {
	var buf [32][]byte
	names := buf[:0]
	for name := range h.All() {
		names = append(names, name)
	}
	for name, value := range h.All() {
		if occurs(names, name) > 1 && !isHop(name) && !is(name, "set-cookie") && !is(name, "date") {
			dst.AddBytesKV(name, value)
		}
	}
}

func occurs(names [][]byte, name []byte) (n int) {
	for _, other := range names {
		if len(other) == len(name) && equalFold(other, name) {
			n++
		}
	}
	return n
}
