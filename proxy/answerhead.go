package proxy

import (
	"bytes"

	"github.com/valyala/fasthttp"
)

// answerHead is what cleanAnswer needs to know about the request and the pool.
type answerHead struct {
	// scheme is how the client reached us, "http" or "https".
	scheme string
	// host is requestHost's.
	host []byte
	// backends are the authorities (host:port) of the pool's backends, which stay hidden.
	backends []string
	// requestID is appendRequestID's.
	requestID []byte
}

// cleanAnswer makes the header that a backend sent the one that its client gets: nothing that
// concerns only the backend's connection, no backend's authority in Location and Content-Location,
// and X-Request-ID if the backend set none. All else stays. It forgets the backend's Connection: close and its HTTP
// version, so look at ConnectionClose before; Transfer-Encoding and Trailer are left to fasthttp, which frames the body.
func cleanAnswer(h *fasthttp.ResponseHeader, a *answerHead) {
	h.ResetConnectionClose()
	h.SetProtocol(nil)
	var buf [8][]byte
	seen := surveyAnswer(h, buf[:0])
	if seen.named {
		seen.hops = appendNamed(seen.hops, h)
	}
	a.hideBackend(h, seen.location)
	a.hideBackend(h, seen.contentLocation)
	if len(seen.hops) > 0 {
		deleteFields(h, seen.hops)
	}
	if !seen.requestID && len(a.requestID) > 0 {
		h.SetBytesV(headerRequestID, a.requestID)
	}
}

// answerSurvey is what an answer's header holds that cleanAnswer may have to change. The names are as spelled,
// alias the header, and stay good until something is deleted or added.
type answerSurvey struct {
	// hops are the fields that concern only the connection.
	hops [][]byte
	// named: Connection names more of them.
	named bool
	// requestID: the backend set an id.
	requestID bool
	// nil if the field isn't there.
	location, contentLocation []byte
}

// surveyAnswer takes room for hops.
func surveyAnswer(h *fasthttp.ResponseHeader, hops [][]byte) answerSurvey {
	s := answerSurvey{hops: hops}
	for name, value := range h.All() {
		switch {
		case isHop(name):
			s.hops = append(s.hops, name)
			s.named = s.named || is(name, "connection") && namesAny(value)
		case is(name, "location"):
			s.location = name
		case is(name, "content-location"):
			s.contentLocation = name
		case is(name, "x-request-id"):
			s.requestID = true
		}
	}
	return s
}

// hideBackend has the reference in the field with this name, if there is one, point to where the client sent its
// request, if it points to a backend.
func (a *answerHead) hideBackend(h *fasthttp.ResponseHeader, name []byte) {
	if name == nil {
		return
	}
	authority, path := splitReference(h.PeekBytes(name))
	if !a.isBackend(authority) {
		return
	}
	var buf [512]byte
	value := buf[:0]
	if len(a.host) > 0 {
		value = append(append(append(value, a.scheme...), "://"...), a.host...)
	} else if len(path) == 0 || path[0] != '/' {
		value = append(value, '/') // The client named no host, so it gets a path.
	}
	h.SetBytesKV(name, append(value, path...))
}

// splitReference splits an absolute URI, or one that leaves out only its scheme, after its authority.
// The authority is empty where the reference has none, and comes without userinfo.
func splitReference(ref []byte) (authority, path []byte) {
	rest, ok := cutScheme(ref)
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

// isBackend says whether an authority is a backend's, in any case, and with or without http's default port.
func (a *answerHead) isBackend(authority []byte) bool {
	if len(authority) == 0 {
		return false
	}
	for _, b := range a.backends {
		n := len(authority)
		if len(b) != n && !(len(b) > n && b[n:] == ":80") {
			continue
		}
		if sameName(authority, b[:n]) {
			return true
		}
	}
	return false
}
