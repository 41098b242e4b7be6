package identity

import (
	"net/netip"
	"testing"

	"gopher-equalizer/proxy/http1/http1test"
)

func BenchmarkAppendClientID(b *testing.B) {
	h := http1test.Request(b, http1test.Browser)
	for name, key := range map[string]Key{
		"ip":     mustKey(b, "ip", false),
		"header": mustKey(b, "header:X-Api-Key", false),
		"secret": mustKey(b, "header:X-Api-Key", true),
	} {
		b.Run(name, func(b *testing.B) {
			dst := make([]byte, 0, MaxClientID)
			addr := netip.MustParseAddr("2001:db8::1")
			b.ReportAllocs()
			for b.Loop() {
				dst = key.AppendClientID(dst[:0], h, addr, nil)
			}
		})
	}
}

func BenchmarkAppendRequestID(b *testing.B) {
	var dst []byte
	b.ReportAllocs()
	for b.Loop() {
		dst = Trusted{}.AppendRequestID(dst[:0], nil, netip.Addr{})
	}
}
