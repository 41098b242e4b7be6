package identity

import (
	"encoding/binary"
	"encoding/hex"
	"math/rand/v2"

	"gopher-equalizer/proxy/http1"
)

// Tracing is what becomes of the traces that requests belong to (W3C Trace Context). The zero value
// passes on what came.
type Tracing struct {
	// Begin has requests that come with no valid traceparent begin a trace. Sampled is the share of
	// those traces that is marked as sampled, from 0 to 1.
	Begin   bool
	Sampled float64
}

// traceparentLength is that of version 00: 00-TRACE-PARENT-FLAGS, in lower-case hexadecimal.
const traceparentLength = len("00-0123456789abcdef0123456789abcdef-0123456789abcdef-01")

// Trace is the traceparent of a request, as it goes on; empty if there is none.
type Trace []byte

// ID names the trace: 32 digits of lower-case hexadecimal. The trace must not be empty.
func (t Trace) ID() []byte { return t[3:35] }

// Parent names the span that the request is in: 16 digits of lower-case hexadecimal. The trace must
// not be empty.
func (t Trace) Parent() []byte { return t[36:52] }

// AppendTrace appends the valid traceparent that a request came with, or that of a trace that it
// begins, or nothing. begun reports that what came must give way to it, with its tracestate. It
// doesn't allocate if dst has room for it.
func (t Tracing) AppendTrace(dst Trace, h *http1.Request) (_ Trace, begun bool) {
	if came := traceparent(h); came != nil {
		return append(dst, came[:traceparentLength]...), false
	}
	if !t.Begin {
		return dst, false
	}
	var ids [24]byte
	for i := 0; i < len(ids); i += 8 {
		binary.LittleEndian.PutUint64(ids[i:], rand.Uint64()|1) // No id is 0.
	}
	dst = append(dst, "00-"...)
	dst = hex.AppendEncode(dst, ids[:16])
	dst = append(dst, '-')
	dst = hex.AppendEncode(dst, ids[16:])
	if t.Sampled > 0 && rand.Float64() < t.Sampled {
		return append(dst, "-01"...), true
	}
	return append(dst, "-00"...), true
}

// traceparent is the value of the only traceparent of a request, if it is valid (section 3.2 of
// Trace Context); else nil.
func traceparent(h *http1.Request) (value []byte) {
	for _, f := range h.Fields {
		if !http1.Is(f.Name, "traceparent") {
			continue
		}
		if value != nil || !isTraceparent(f.Value) {
			return nil
		}
		value = f.Value
	}
	return value
}

// isTraceparent reports whether b is valid. Of a later version there may be more behind it.
func isTraceparent(b []byte) bool {
	if len(b) < traceparentLength || b[2] != '-' || b[35] != '-' || b[52] != '-' {
		return false
	}
	for _, part := range [][2]int{{0, 2}, {3, 35}, {36, 52}, {53, 55}} {
		if !isLowerHex(b[part[0]:part[1]]) {
			return false
		}
	}
	version := string(b[:2])
	more := len(b) > traceparentLength
	return version != "ff" && (!more || version != "00" && b[traceparentLength] == '-') && !isZero(b[3:35]) && !isZero(b[36:52])
}

func isLowerHex(b []byte) bool {
	for _, c := range b {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

func isZero(b []byte) bool {
	for _, c := range b {
		if c != '0' {
			return false
		}
	}
	return true
}
