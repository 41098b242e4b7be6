package outcome

import (
	"sync/atomic"

	"gopher-equalizer/proxy/http1"
)

// mendings are the faults that responses are mended of, with the words for each.
var mendings = [...]struct {
	fault http1.Mended
	text  string
}{
	{http1.MendedCodings, "Transfer-Encoding: chunked more than once (RFC 9112, 6.1)"},
	{
		http1.MendedBothFramings,
		"Transfer-Encoding with Content-Length (RFC 9112, 6.3), after which its connection isn't used again",
	},
	{http1.MendedLengths, "the same Content-Length more than once (RFC 9110, 8.6)"},
	{
		http1.MendedLineEnds,
		"header lines that end in a bare LF (RFC 9112, 2.2); where others end in CRLF, the connection isn't used again",
	},
}

// KnownFaults are the faults of a backend's responses that were logged. The zero value knows none.
// It lives with what reaches the backend, and all its methods may be called at the same time.
type KnownFaults struct{ known atomic.Uint32 }

// learn returns the words for those faults that weren't known.
func (k *KnownFaults) learn(faults http1.Mended) (texts []string) {
	all := uint32(faults)
	if k.known.Load()&all == all {
		return nil // Most often, so it is asked without a write.
	}
	fresh := http1.Mended(all &^ k.known.Or(all))
	for _, m := range mendings {
		if fresh&m.fault != 0 {
			texts = append(texts, m.text)
		}
	}
	return texts
}
