package proxy

import (
	"bufio"
	"net/netip"
	"strings"
	"testing"

	"github.com/valyala/fasthttp"

	"gopher-equalizer/limiter"
	"gopher-equalizer/proxy/http1"
)

// browser is a request as browsers send it.
const browser = "GET /api/v1/items?page=2&sort=name HTTP/1.1\r\n" +
	"Host: shop.example.com\r\n" +
	"User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n" +
	"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8\r\n" +
	"Accept-Language: en-US,en;q=0.5\r\n" +
	"Accept-Encoding: gzip, deflate, br, zstd\r\n" +
	"Connection: keep-alive\r\n" +
	"X-Api-Key: 0123456789abcdef0123456789abcdef\r\n" +
	"Cookie: session=abcdefghijklmnopqrstuvwxyz; theme=dark\r\n" +
	"Sec-Fetch-Mode: navigate\r\n\r\n"

// nginx is an answer as nginx sends it.
const nginx = "HTTP/1.1 200 OK\r\n" +
	"Server: nginx\r\n" +
	"Date: Sat, 01 Aug 2026 10:00:00 GMT\r\n" +
	"Content-Type: text/html\r\n" +
	"Content-Length: 12\r\n" +
	"Last-Modified: Sat, 01 Aug 2026 10:00:00 GMT\r\n" +
	"Connection: keep-alive\r\n" +
	"Keep-Alive: timeout=5\r\n" +
	"ETag: \"66ab5f00-c\"\r\n" +
	"Vary: Accept-Encoding\r\n" +
	"Accept-Ranges: bytes\r\n\r\n"

// BenchmarkParseFasthttp is what fasthttp's lenient reader takes for the same, for comparison.
func BenchmarkParseFasthttp(b *testing.B) {
	var h fasthttp.RequestHeader
	h.DisableNormalizing()
	from := strings.NewReader(browser)
	r := bufio.NewReader(from)
	for b.Loop() {
		from.Reset(browser)
		r.Reset(from)
		if err := h.Read(r); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParse(b *testing.B) {
	var h http1.Request
	head := []byte(browser)
	b.ReportAllocs()
	for b.Loop() {
		if http1.HeadEnd(head, 0) != len(head) || h.Parse(head) != nil {
			b.Fatal("refused")
		}
	}
}

func BenchmarkParseAnswer(b *testing.B) {
	var h http1.Answer
	head := []byte(nginx)
	b.ReportAllocs()
	for b.Loop() {
		if http1.HeadEnd(head, 0) != len(head) || h.Parse(head) != nil {
			b.Fatal("refused")
		}
	}
}

func BenchmarkAppendRequestHead(b *testing.B) {
	r := requestHead{
		header:    received(b, browser),
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

func BenchmarkAppendClientID(b *testing.B) {
	h := received(b, browser)
	for name, key := range map[string]Key{
		"ip":     mustKey(b, "ip", false),
		"header": mustKey(b, "header:X-Api-Key", false),
		"secret": mustKey(b, "header:X-Api-Key", true),
	} {
		b.Run(name, func(b *testing.B) {
			dst := make([]byte, 0, limiter.MaxClientID)
			addr := netip.MustParseAddr("2001:db8::1")
			b.ReportAllocs()
			for b.Loop() {
				dst = key.AppendClientID(dst[:0], h, addr)
			}
		})
	}
}

func BenchmarkAppendRequestID(b *testing.B) {
	var dst []byte
	b.ReportAllocs()
	for b.Loop() {
		dst = appendRequestID(dst[:0], nil, false)
	}
}

func BenchmarkAppendAnswerHead(b *testing.B) {
	a := answerHead{
		answer:    answered(b, nginx),
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
