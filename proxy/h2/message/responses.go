package message

import (
	"bytes"

	"gopher-equalizer/proxy/http1"
)

// Responses encodes the responses of one connection (RFC 7541). The zero value is ready.
//
// Of package hpack it has Huffman's code only. That package's Encoder looks each field up in maps,
// by its name and by its name and value, in two tables. Here, the fields that come again and again
// are known by a hash, and with it where they are in the table.
type Responses struct {
	recent recent
	table  table
	name   []byte
}

// BoundTable has the peer's table have at most so many bytes, as the peer wants it.
func (r *Responses) BoundTable(most uint32) { r.table.bound(most) }

// AppendResponse appends a response's head, interim or final, to dst. The head is from its status
// line on, with or without the empty line: what rewrite.Response.AppendHead and
// rewrite.Reply.AppendHead write. Fields of HTTP/1's connections are left out. A 101 is none of
// HTTP/2's (RFC 9113, section 8.6), and panics: without an Upgrade there is none.
func (r *Responses) AppendResponse(dst, head []byte) []byte {
	dst = r.appendStatus(dst, head[len("HTTP/1.1 "):len("HTTP/1.1 200")])
	_, lines, _ := bytes.Cut(head, crlf)
	for len(lines) > len(crlf) {
		var line []byte
		line, lines, _ = bytes.Cut(lines, crlf)
		name, value, _ := bytes.Cut(line, []byte(":"))
		dst = r.appendField(dst, name, http1.TrimSpace(value))
	}
	return dst
}

var crlf = []byte("\r\n")

// AppendTrailers appends those trailers of a response that keep says yes to; nothing if there are
// none.
func (r *Responses) AppendTrailers(dst []byte, trailers []http1.Field, keep func(http1.Field) bool) []byte {
	for _, f := range trailers {
		if keep(f) {
			dst = r.appendField(dst, f.Name, f.Value)
		}
	}
	return dst
}

var statusName = []byte(":status")

// appendStatus appends the status. Most are in HPACK's own table.
func (r *Responses) appendStatus(dst, digits []byte) []byte {
	i := 0
	switch string(digits) {
	case "101":
		panic("message: a 101 over HTTP/2")
	case "200":
		i = 8
	case "204":
		i = 9
	case "206":
		i = 10
	case "304":
		i = 11
	case "400":
		i = 12
	case "404":
		i = 13
	case "500":
		i = 14
	default:
		return r.append(dst, statusName, digits)
	}
	return appendInteger(r.begin(dst), indexed, indexedBits, i)
}

// appendField appends a field, unless HTTP/2 doesn't have it.
func (r *Responses) appendField(dst, name, value []byte) []byte {
	r.name = r.name[:0]
	for _, c := range name {
		r.name = append(r.name, http1.ToLower(c))
	}
	if isOfConnection(r.name) {
		return dst
	}
	return r.append(dst, r.name, value)
}

// begin comes before each field.
func (r *Responses) begin(dst []byte) []byte {
	if r.table.resized {
		return r.table.appendBound(dst)
	}
	return dst
}

// append appends a field, whose name is in lower case. Those that change with each response are
// written as they are: Huffman's code would save some bytes, and cost more than all the rest.
func (r *Responses) append(dst, name, value []byte) []byte {
	dst = r.begin(dst)
	switch {
	case isSecret(name):
	case isUnlike(name):
		return appendPlain(appendName(dst, neverIndexed, neverIndexedBits, name), value)
	default:
		known := r.recent.find(name, value)
		if known == nil {
			break
		}
		if i := r.table.index(known.entry); i > 0 {
			return appendInteger(dst, indexed, indexedBits, i)
		}
		if known.entry = r.table.add(len(name), len(value)); known.entry > 0 {
			return appendHuffman(appendName(dst, entering, enteringBits, name), value)
		}
	}
	return appendHuffman(appendName(dst, neverIndexed, neverIndexedBits, name), value)
}

// isSecret reports whether a field's value may be a secret (RFC 7541, section 7.1.3).
func isSecret(name []byte) bool {
	switch string(name) {
	case "set-cookie", "authorization", "www-authenticate", "authentication-info",
		"proxy-authenticate", "proxy-authentication-info":
		return true
	}
	return false
}

// isUnlike reports whether a field's value is another one in most responses.
func isUnlike(name []byte) bool {
	switch string(name) {
	case "date", "age", "content-length", "x-request-id":
		return true
	}
	return false
}
