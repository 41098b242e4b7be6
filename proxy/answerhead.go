package proxy

import (
	"bytes"
	"strconv"

	"gopher-equalizer/proxy/http1"
)

// answerHead is all that makes the head of a backend's answer the one that its client gets.
type answerHead struct {
	// answer is the head as received.
	answer *http1.Answer
	// scheme is how the client reached us, "http" or "https".
	scheme string
	// host is the host that the client named; it may be empty.
	host []byte
	// backends are the authorities (host:port) of the pool's backends, which stay hidden.
	backends []string
	// requestID is what identity.AppendRequestID made.
	requestID []byte
	// chunked says that the body goes out in chunks.
	chunked bool
}

// appendAnswerHead appends the head, but for the Connection field of a final one and the empty
// line: nothing that concerns only the backend's connection, no backend's authority in Location and
// Content-Location, a Date, and X-Request-ID if the backend set none. What frames the body, and the
// end of each line, are written anew. All else stays as it came, in spelling and order. It doesn't
// allocate if dst has room.
func appendAnswerHead(dst []byte, a *answerHead) []byte {
	dst, has := a.appendFields(a.appendStatusLine(dst))
	if !has.id && len(a.requestID) > 0 {
		dst = appendField(dst, headerRequestID, a.requestID)
	}
	dst = a.appendUpgrade(dst)
	if a.answer.Status < 200 {
		return dst
	}
	if !has.date {
		dst = appendDate(dst)
	}
	if a.chunked {
		dst = appendField(dst, headerTransferEncoding, "chunked")
	}
	return dst
}

func (a *answerHead) appendStatusLine(dst []byte) []byte {
	dst = append(dst, "HTTP/1.1 "...)
	dst = strconv.AppendInt(dst, int64(a.answer.Status), 10)
	if len(a.answer.Reason) == 0 {
		dst = append(dst, ' ') // RFC 9112, section 4: the space is not optional.
	}
	dst = append(dst, a.answer.Reason...)
	return append(dst, "\r\n"...)
}

// written is what a head has of the fields that it should have once.
type written struct{ date, id, length bool }

// appendFields writes those of the backend's fields that go on to the client.
func (a *answerHead) appendFields(dst []byte) (_ []byte, has written) {
	for i := range a.answer.Fields {
		f := &a.answer.Fields[i]
		switch answerKindOf(f.Name) {
		case answerHop:
			continue
		case answerLength:
			if !has.length && !a.chunked {
				dst = a.appendLength(dst, f)
			}
			has.length = true
			continue
		case answerReference:
			dst = a.appendReference(dst, f)
			continue
		case answerDate:
			has.date = true
		case answerID:
			has.id = true
		case answerEndToEnd:
			if a.answer.Named.Contains(f.Name) {
				continue
			}
		}
		dst = f.AppendLine(dst)
	}
	return dst, has
}

// appendLength writes how long the body is, unless there must be nothing about that (RFC 9110,
// section 8.6), or the chunks count and not the length (RFC 9112, section 6.3). A number stays as
// it came if it is all there is.
func (a *answerHead) appendLength(dst []byte, f *http1.Field) []byte {
	switch status := a.answer.Status; {
	case status < 200, status == 204, a.answer.Size == http1.SizeChunked:
		return dst
	case http1.IsDigits(f.Value, len(f.Value)) && (f.Value[0] != '0' || len(f.Value) == 1):
		return f.AppendLine(dst)
	}
	dst = append(append(dst, f.Name...), ": "...)
	dst = strconv.AppendInt(dst, a.answer.Size, 10)
	return append(dst, "\r\n"...)
}

// appendUpgrade writes what a 101 switches to, and what a 426 wants the client to switch to (RFC
// 9110, section 15.5.22). The backend's Connection said it of its own connection; with Upgrade it
// must be said of ours, too.
func (a *answerHead) appendUpgrade(dst []byte) []byte {
	if a.answer.Status != http1.StatusSwitching && a.answer.Status != statusUpgradeRequired {
		return dst
	}
	named := false
	for i := range a.answer.Fields {
		f := &a.answer.Fields[i]
		if !http1.Is(f.Name, "upgrade") {
			continue
		}
		if !named {
			dst = appendField(dst, headerConnection, headerUpgrade)
			named = true
		}
		dst = appendField(dst, headerUpgrade, f.Value)
	}
	return dst
}

const statusUpgradeRequired = 426

// answerKind is what a field of an answer's header is to a proxy.
type answerKind byte

const (
	// answerEndToEnd is passed on, unless Connection names it.
	answerEndToEnd answerKind = iota
	// answerHop concerns only the connection it came on (RFC 9110, section 7.6.1).
	answerHop
	answerLength
	answerReference
	answerDate
	answerID
)

// answerKindOf sorts a field by its name, in any case. Names are told apart by their length first.
func answerKindOf(name []byte) answerKind {
	kind, is := answerEndToEnd, ""
	switch len(name) {
	case len("te"):
		kind, is = answerHop, "te"
	case len("date"):
		kind, is = answerDate, "date"
	case len("upgrade"):
		kind, is = answerHop, "upgrade"
	case len("location"):
		kind, is = answerReference, "location"
	case len("connection"):
		kind, is = answerHop, "connection"
		if http1.Is(name, "keep-alive") {
			return answerHop
		}
	case len("x-request-id"):
		kind, is = answerID, "x-request-id"
	case len("content-length"):
		kind, is = answerLength, "content-length"
	case len("content-location"):
		kind, is = answerReference, "content-location"
		if http1.Is(name, "proxy-connection") {
			return answerHop
		}
	case len("transfer-encoding"):
		kind, is = answerHop, "transfer-encoding"
	case len("proxy-authenticate"):
		kind, is = answerHop, "proxy-authenticate"
	}
	if is != "" && http1.Is(name, is) {
		return kind
	}
	return answerEndToEnd
}

// appendReference writes a field with a reference, which points to where the client sent its request if it
// points to a backend.
func (a *answerHead) appendReference(dst []byte, f *http1.Field) []byte {
	authority, path := splitReference(f.Value)
	if !a.isBackend(authority) {
		return f.AppendLine(dst)
	}
	dst = append(append(dst, f.Name...), ": "...)
	if len(a.host) > 0 {
		dst = append(append(append(dst, a.scheme...), "://"...), a.host...)
	} else if len(path) == 0 || path[0] != '/' {
		dst = append(dst, '/') // The client named no host, so it gets a path.
	}
	return append(append(dst, path...), "\r\n"...)
}

// splitReference splits an absolute URI, or one that leaves out only its scheme, after its authority.
// The authority is empty where the reference has none, and comes without userinfo.
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
		if http1.SameName(authority, b[:n]) {
			return true
		}
	}
	return false
}
