package proxy

import (
	"encoding/binary"
	"encoding/hex"
	"math/rand/v2"

	"gopher-equalizer/proxy/http1"
)

// maxRequestID is the longest X-Request-ID that is taken over from a trusted peer, in bytes.
const maxRequestID = 128

// appendRequestID appends the id that the request has in logs, towards the backend and in the answer: the
// X-Request-ID of a trusted peer if there is one of up to 128 visible ASCII characters, else 128 random bits in hexadecimal. It
// doesn't allocate if dst has room for 128 bytes.
func appendRequestID(dst []byte, h *http1.Request, trustedPeer bool) []byte {
	if trustedPeer {
		if id := receivedID(h); id != nil {
			return append(dst, id...)
		}
	}
	// The runtime's ChaCha8: seeded by the system, one per thread, so without a lock.
	var id [16]byte
	binary.LittleEndian.PutUint64(id[:8], rand.Uint64())
	binary.LittleEndian.PutUint64(id[8:], rand.Uint64())
	return hex.AppendEncode(dst, id[:])
}

// receivedID is the request's own id; nil if it has none, several, or one that logs should be spared.
func receivedID(h *http1.Request) (id []byte) {
	for _, f := range h.Fields {
		if !http1.Is(f.Name, "x-request-id") {
			continue
		}
		if id != nil || !isVisible(f.Value) || len(f.Value) > maxRequestID {
			return nil
		}
		id = f.Value
	}
	return id
}

// isVisible says whether b is something, all of it visible ASCII.
func isVisible(b []byte) bool {
	for _, c := range b {
		if c <= ' ' || c >= 0x7f {
			return false
		}
	}
	return len(b) > 0
}
