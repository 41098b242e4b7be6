package http1_test

import (
	"bufio"
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

func BenchmarkParseResponse(b *testing.B) {
	var h http1.Response
	head := []byte(http1test.Nginx)
	b.ReportAllocs()
	for b.Loop() {
		if http1.HeadEnd(head, 0) != len(head) || h.Parse(head) != nil {
			b.Fatal("refused")
		}
	}
}
