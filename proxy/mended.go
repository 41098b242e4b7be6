package proxy

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

// toldMended holds the faults that were logged, by backend. The zero value is ready.
type toldMended struct {
	mu   sync.Mutex
	told map[*balancer.Backend]http1.Mended
}

// news are those faults that were not logged of a backend before.
func (t *toldMended) news(b *balancer.Backend, faults http1.Mended) http1.Mended {
	t.mu.Lock()
	defer t.mu.Unlock()
	news := faults &^ t.told[b]
	if news == 0 {
		return 0
	}
	if t.told == nil {
		t.told = map[*balancer.Backend]http1.Mended{}
	}
	t.told[b] |= news
	return news
}

// noteMended counts a response that is framed anew because the backend's framing was odd, and has
// each oddity logged once a backend.
func (r *request) noteMended() {
	faults, p := r.exchange.answer.Mended, r.proxy
	if faults == 0 {
		return
	}
	p.counters.mended.Add(1)
	news := p.mended.news(r.backend, faults)
	for _, m := range mendings {
		if news&m.fault != 0 {
			p.log.Warn().Str("backend", r.backend.URL()).Str("sends", m.text).
				Msg("a backend's responses are malformed in a harmless way and framed anew; this is logged once")
		}
	}
}
