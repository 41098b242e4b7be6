package outcome

import (
	"sync"

	"gopher-equalizer/balancer"
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

// knownFaults holds the faults that were logged, by backend. The zero value is ready.
type knownFaults struct {
	mu    sync.Mutex
	known map[*balancer.Backend]http1.Mended
}

// learn returns the words for those faults of a backend that weren't known.
func (k *knownFaults) learn(b *balancer.Backend, faults http1.Mended) (texts []string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	fresh := faults &^ k.known[b]
	if fresh == 0 {
		return nil
	}
	if k.known == nil {
		k.known = map[*balancer.Backend]http1.Mended{}
	}
	k.known[b] |= fresh
	for _, m := range mendings {
		if fresh&m.fault != 0 {
			texts = append(texts, m.text)
		}
	}
	return texts
}
