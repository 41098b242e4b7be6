package message

import (
	"bytes"

	"golang.org/x/net/http2/hpack"

	"gopher-equalizer/proxy/http1"
)

// Responses encodes the responses of one connection. The zero value is ready.
type Responses struct {
	recent recent
	name   []byte
}

// AppendResponse encodes a response's head, interim or final, from its status line on, with or
// without the empty line: what rewrite.Response.AppendHead and rewrite.Reply.AppendHead write.
// Fields of HTTP/1's connections are left out. A 101 is none of HTTP/2's (RFC 9113, section 8.6),
// and panics: without an Upgrade there is none.
func (r *Responses) AppendResponse(e *hpack.Encoder, head []byte) {
	r.appendStatus(e, head[len("HTTP/1.1 "):len("HTTP/1.1 200")])
	_, lines, _ := bytes.Cut(head, crlf)
	for len(lines) > len(crlf) {
		var line []byte
		line, lines, _ = bytes.Cut(lines, crlf)
		name, value, _ := bytes.Cut(line, []byte(":"))
		r.appendField(e, name, http1.TrimSpace(value))
	}
}

var crlf = []byte("\r\n")

// AppendTrailers encodes those trailers of a response that keep says yes to, and reports whether
// there are any.
func (r *Responses) AppendTrailers(e *hpack.Encoder, trailers []http1.Field, keep func(http1.Field) bool) (some bool) {
	for _, f := range trailers {
		if keep(f) {
			some = r.appendField(e, f.Name, f.Value) || some
		}
	}
	return some
}

var statusName = []byte(":status")

// appendStatus encodes the status. Most are in HPACK's own table.
func (r *Responses) appendStatus(e *hpack.Encoder, digits []byte) {
	const name = ":status"
	switch string(digits) {
	case "101":
		panic("message: a 101 over HTTP/2")
	case "200":
		write(e, hpack.HeaderField{Name: name, Value: "200"})
	case "204":
		write(e, hpack.HeaderField{Name: name, Value: "204"})
	case "206":
		write(e, hpack.HeaderField{Name: name, Value: "206"})
	case "304":
		write(e, hpack.HeaderField{Name: name, Value: "304"})
	case "400":
		write(e, hpack.HeaderField{Name: name, Value: "400"})
	case "404":
		write(e, hpack.HeaderField{Name: name, Value: "404"})
	case "500":
		write(e, hpack.HeaderField{Name: name, Value: "500"})
	default:
		write(e, r.recent.field(statusName, digits))
	}
}

// appendField encodes a field, and reports whether HTTP/2 has it.
func (r *Responses) appendField(e *hpack.Encoder, name, value []byte) bool {
	r.name = r.name[:0]
	for _, c := range name {
		r.name = append(r.name, http1.ToLower(c))
	}
	switch {
	case isOfConnection(r.name):
		return false
	case isUnindexed(r.name):
		write(e, passing(r.name, value))
	default:
		write(e, r.recent.field(r.name, value))
	}
	return true
}

// isUnindexed reports whether a field's value may be a secret (RFC 7541, section 7.1.3), or is
// another one in most responses.
func isUnindexed(name []byte) bool {
	switch string(name) {
	case "set-cookie", "authorization", "www-authenticate", "authentication-info",
		"proxy-authenticate", "proxy-authentication-info",
		"date", "age", "content-length", "x-request-id":
		return true
	}
	return false
}

// write encodes a field into the encoder's buffer, which takes everything.
func write(e *hpack.Encoder, f hpack.HeaderField) { _ = e.WriteField(f) }
