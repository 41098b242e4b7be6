package proxy

import (
	"bufio"
	"net/netip"
	"strings"
	"testing"

	"github.com/valyala/fasthttp"

	"gopher-equalizer/proxy/http1"
	"gopher-equalizer/proxy/http1/http1test"
)

// BenchmarkParseFasthttp is what fasthttp's lenient reader takes for the same, for comparison.
func BenchmarkParseFasthttp(b *testing.B) {
	var h fasthttp.RequestHeader
	h.DisableNormalizing()
	from := strings.NewReader(http1test.Browser)
	r := bufio.NewReader(from)
	for b.Loop() {
		from.Reset(http1test.Browser)
		r.Reset(from)
		if err := h.Read(r); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParse(b *testing.B) {
	var h http1.Request
	head := []byte(http1test.Browser)
	b.ReportAllocs()
	for b.Loop() {
		if http1.HeadEnd(head, 0) != len(head) || h.Parse(head) != nil {
			b.Fatal("refused")
		}
	}
}

func BenchmarkParseAnswer(b *testing.B) {
	var h http1.Answer
	head := []byte(http1test.Nginx)
	b.ReportAllocs()
	for b.Loop() {
		if http1.HeadEnd(head, 0) != len(head) || h.Parse(head) != nil {
			b.Fatal("refused")
		}
	}
}

func BenchmarkAppendRequestHead(b *testing.B) {
	r := requestHead{
		header:    received(b, http1test.Browser),
		peer:      netip.MustParseAddr("192.0.2.1"),
		client:    netip.MustParseAddr("192.0.2.1"),
		scheme:    "http",
		requestID: []byte("0123456789abcdef0123456789abcdef"),
	}
	var dst []byte
	b.ReportAllocs()
	for b.Loop() {
		dst = appendRequestHead(dst[:0], &r)
	}
}

func BenchmarkAppendAnswerHead(b *testing.B) {
	a := answerHead{
		answer:    answered(b, http1test.Nginx),
		scheme:    "http",
		host:      []byte("example.com"),
		backends:  []string{"10.0.0.1:80"},
		requestID: []byte("0123456789abcdef0123456789abcdef"),
	}
	var dst []byte
	b.ReportAllocs()
	for b.Loop() {
		dst = appendAnswerHead(dst[:0], &a)
	}
}
