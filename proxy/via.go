package proxy

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"

	"gopher-equalizer/proxy/http1"
)

// viaName is our name in Via: the operator's, and a suffix that no other process has, so that only
// a request which this very process forwarded before is in a loop. It is "" if there is to be no
// Via.
func viaName(name string) string {
	if name == "" {
		return ""
	}
	var suffix [4]byte
	_, _ = rand.Read(suffix[:]) // It never fails.
	return name + "-" + hex.EncodeToString(suffix[:])
}

// appendVia writes our line of Via, behind those of others: the version that the request came in,
// and who received it (RFC 9110, section 7.6.3).
func (r *requestHead) appendVia(dst []byte) []byte {
	if r.via == "" {
		return dst
	}
	dst = append(dst, headerVia+": "...)
	dst = append(dst, r.header.Version[len("HTTP/"):]...)
	dst = append(dst, ' ')
	dst = append(dst, r.via...)
	return append(dst, "\r\n"...)
}

// loops reports whether the request has been here before.
func (r *requestHead) loops() bool {
	if r.via == "" {
		return false
	}
	for i := range r.header.Fields {
		if f := &r.header.Fields[i]; http1.Is(f.Name, "via") && names(f.Value, r.via) {
			return true
		}
	}
	return false
}

// names reports whether an element of a Via was written by the server of this name.
func names(list []byte, name string) bool {
	for len(list) > 0 {
		var element []byte
		element, list = http1.NextElement(list)
		_, by, _ := bytes.Cut(element, []byte(" "))
		by, _, _ = bytes.Cut(http1.TrimSpace(by), []byte(" "))
		if http1.SameName(by, name) {
			return true
		}
	}
	return false
}
