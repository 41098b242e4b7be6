package proxy

import (
	"io"
	"net/netip"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"gopher-equalizer/proxy/http1/http1test"
	"gopher-equalizer/proxy/rewrite"
)

func BenchmarkLog(b *testing.B) {
	pool := poolOf(b, clientSettings(), lean(b, ok))
	p := New(settings(), pool, allowAll{}, zerolog.New(io.Discard).With().Timestamp().Logger())
	r := newRequest(p)
	if r.header.Parse([]byte(http1test.Browser)) != nil {
		b.Fatal("refused")
	}
	r.head = rewrite.Request{Received: &r.header, Peer: netip.MustParseAddr("192.0.2.1"), Client: netip.MustParseAddr("192.0.2.1"), RequestID: []byte("0123456789abcdef0123456789abcdef")}
	r.clientID, r.backend = []byte("client-1234567"), pool.backends[0]
	r.started, r.waited, r.size = time.Now(), 123456, 12345
	r.decision.Allowed = true
	b.ReportAllocs()
	for b.Loop() {
		r.log(200)
	}
}
