package rewrite

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"

	"gopher-equalizer/proxy/http1"
)

// ViaSuffix is what a process adds to its name in Via. No other process has it, so only a request
// that this very process forwarded before is in a loop.
type ViaSuffix string

// NewViaSuffix makes a suffix.
func NewViaSuffix() ViaSuffix {
	var suffix [4]byte
	_, _ = rand.Read(suffix[:]) // It never fails.
	return ViaSuffix(hex.EncodeToString(suffix[:]))
}

// ViaName returns our name in Via: the operator's, and the process's suffix. It returns "", for no
// Via, if name is "".
func ViaName(name string, suffix ViaSuffix) string {
	if name == "" {
		return ""
	}
	return name + "-" + string(suffix)
}

// appendVia writes our line of Via, behind those of others: the version that the request came in,
// and who received it (RFC 9110, section 7.6.3).
func (r *Request) appendVia(dst []byte) []byte {
	if r.Via == "" {
		return dst
	}
	dst = append(dst, headerVia+": "...)
	dst = append(dst, r.Received.Version[len("HTTP/"):]...)
	dst = append(dst, ' ')
	dst = append(dst, r.Via...)
	return append(dst, "\r\n"...)
}

// Loops reports whether this process forwarded the request before.
func (r *Request) Loops() bool {
	if r.Via == "" {
		return false
	}
	for i := range r.Received.Fields {
		if f := &r.Received.Fields[i]; http1.Is(f.Name, "via") && names(f.Value, r.Via) {
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
