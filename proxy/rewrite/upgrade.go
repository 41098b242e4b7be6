package rewrite

import (
	"bytes"

	"gopher-equalizer/proxy/http1"
)

// PassesUpgrade reports whether a request's Upgrade goes on to the backend, all its lines or none.
// An upgrade to HTTP/2 doesn't: nobody would check and count the requests that came in it.
func PassesUpgrade(h *http1.Request) (passes bool) {
	if h.Upgrade == nil {
		return false // Most requests.
	}
	for i := range h.Fields {
		if f := &h.Fields[i]; http1.Is(f.Name, "upgrade") {
			protocols, http2 := upgradesTo(f.Value)
			if http2 {
				return false
			}
			passes = passes || protocols
		}
	}
	return passes
}

// upgradesTo reports whether a list names protocols, and whether HTTP/2 is one of them, with or
// without a version.
func upgradesTo(list []byte) (protocols, http2 bool) {
	for len(list) > 0 {
		var protocol []byte
		protocol, list = http1.NextElement(list)
		name, _, _ := bytes.Cut(protocol, []byte("/"))
		http2 = http2 || http1.Is(name, "h2c") || http1.Is(name, "h2")
		protocols = protocols || len(protocol) > 0
	}
	return protocols, http2
}
