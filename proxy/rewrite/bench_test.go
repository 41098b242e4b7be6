package rewrite

import (
	"net/netip"
	"testing"

	"gopher-equalizer/proxy/http1/http1test"
)

func BenchmarkRequestHead(b *testing.B) {
	r := Request{
		Received:  http1test.Request(b, http1test.Browser),
		Peer:      netip.MustParseAddr("192.0.2.1"),
		Client:    netip.MustParseAddr("192.0.2.1"),
		Scheme:    "http",
		Rules:     &Rules{},
		RequestID: []byte("0123456789abcdef0123456789abcdef"),
	}
	var dst []byte
	b.ReportAllocs()
	for b.Loop() {
		dst = r.AppendHead(dst[:0])
	}
}

func BenchmarkResponseHead(b *testing.B) {
	r := Response{
		Received:  http1test.Response(b, http1test.Nginx),
		Scheme:    "http",
		Host:      []byte("example.com"),
		Hidden:    []string{"10.0.0.1:80"},
		RequestID: []byte("0123456789abcdef0123456789abcdef"),
	}
	var dst []byte
	b.ReportAllocs()
	for b.Loop() {
		dst = r.AppendHead(dst[:0])
	}
}
