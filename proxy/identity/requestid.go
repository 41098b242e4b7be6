package identity

import (
	"encoding/binary"
	"encoding/hex"
	"math/rand/v2"
	"net/netip"

	"gopher-equalizer/proxy/http1"
)

// MaxRequestID is the length in bytes of the longest X-Request-ID that is taken over from a trusted
// peer.
const MaxRequestID = 128

// AppendRequestID appends the id that a request has in logs, to the backend and in the response.
// That is the X-Request-ID of a trusted peer if it has 1 to MaxRequestID visible ASCII characters,
// else 128 random bits in hexadecimal. It doesn't allocate if dst has room for MaxRequestID bytes.
func (t Trusted) AppendRequestID(dst []byte, h *http1.Request, peer netip.Addr) []byte {
	if t.Contains(peer) {
		if id := receivedID(h); id != nil {
			return append(dst, id...)
		}
	}
	// The runtime's ChaCha8 is seeded by the system. Each thread has its own, so there is no lock.
	var id [16]byte
	binary.LittleEndian.PutUint64(id[:8], rand.Uint64())
	binary.LittleEndian.PutUint64(id[8:], rand.Uint64())
	return hex.AppendEncode(dst, id[:])
}

// receivedID returns the id that a request came with. It returns nil if there is none, there are
// several, or it can't stand in logs.
func receivedID(h *http1.Request) (id []byte) {
	for _, f := range h.Fields {
		if !http1.Is(f.Name, "x-request-id") {
			continue
		}
		if id != nil || !isVisible(f.Value) || len(f.Value) > MaxRequestID {
			return nil
		}
		id = f.Value
	}
	return id
}

// isVisible reports whether b is not empty and all of it is visible ASCII.
func isVisible(b []byte) bool {
	for _, c := range b {
		if c <= ' ' || c >= 0x7f {
			return false
		}
	}
	return len(b) > 0
}
