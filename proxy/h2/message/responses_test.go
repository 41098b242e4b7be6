package message

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/http2/hpack"

	"gopher-equalizer/proxy/http1"
	"gopher-equalizer/proxy/http1/http1test"
	"gopher-equalizer/proxy/rewrite"
)

// wire is an encoder and the decoder of its peer.
type wire struct {
	Responses
	buf     bytes.Buffer
	encoder *hpack.Encoder
	decoder *hpack.Decoder
}

func newWire() *wire {
	w := &wire{decoder: hpack.NewDecoder(4096, nil)}
	w.encoder = hpack.NewEncoder(&w.buf)
	return w
}

// block takes the header block that was written, and decodes it.
func (w *wire) block(t require.TestingT) (fields []hpack.HeaderField, size int) {
	size = w.buf.Len()
	fields, err := w.decoder.DecodeFull(w.buf.Bytes())
	require.NoError(t, err)
	w.buf.Reset()
	return fields, size
}

func (w *wire) respond(t require.TestingT, head string) (fields []hpack.HeaderField, size int) {
	b := []byte(head)
	w.AppendResponse(w.encoder, b)
	for i := range b {
		b[i] = '!' // The caller's memory serves something else.
	}
	return w.block(t)
}

// pairs are the fields, each "name: value".
func pairs(fields []hpack.HeaderField) (texts []string) {
	for _, f := range fields {
		texts = append(texts, f.Name+": "+f.Value)
	}
	return texts
}

func TestResponseIsEncoded(t *testing.T) {
	f := func(head string, want ...string) {
		t.Helper()
		w := newWire()
		for range 3 { // Literal, indexed, and from the table.
			got, _ := w.respond(t, head)
			require.Equal(t, want, pairs(got))
		}
	}
	f("HTTP/1.1 200 OK\r\n", ":status: 200")
	f("HTTP/1.1 429 Too Many Requests\r\n\r\n", ":status: 429")
	f("HTTP/1.1 103 \r\nLink: </a>; rel=preload\r\n\r\n", ":status: 103", "link: </a>; rel=preload")
	f("HTTP/1.1 599 a: b\r\nX:y\r\nX-Empty:\r\nX-EMPTY: \t \r\nx-colon: a:b\r\nX-Tab:  \xe9\t b \t\r\n",
		":status: 599", "x: y", "x-empty: ", "x-empty: ", "x-colon: a:b", "x-tab: \xe9\t b")
	f("HTTP/1.1 200 OK\r\nConnection: close\r\nKeep-Alive: timeout=5\r\nA: b\r\nProxy-Connection: x\r\nTransfer-Encoding: chunked\r\nUpgrade: h2c\r\n\r\n",
		":status: 200", "a: b")
	f("HTTP/1.1 200 OK\r\nSet-Cookie: a=b\r\nSet-Cookie: c=d\r\nContent-Length: 0\r\n", ":status: 200", "set-cookie: a=b", "set-cookie: c=d", "content-length: 0")
	for status := 100; status < 600; status++ {
		if status != http1.StatusSwitching {
			f(fmt.Sprintf("HTTP/1.1 %d X\r\n", status), fmt.Sprintf(":status: %d", status))
		}
	}
}

func TestSwitchIsNeverEncoded(t *testing.T) {
	w := newWire()
	require.Panics(t, func() { w.respond(t, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n") })
	require.Zero(t, w.buf.Len())
}

// TestResponsesOfTheProxyAreEncoded takes what the proxy writes.
func TestResponsesOfTheProxyAreEncoded(t *testing.T) {
	w := newWire()
	head := (&rewrite.Response{Received: http1test.Response(t, http1test.Nginx), Scheme: "https", RequestID: []byte("id"), HSTS: "max-age=1"}).AppendHead(nil)
	got, _ := w.respond(t, string(head))
	require.Equal(t, []string{
		":status: 200", "server: nginx", "date: Sat, 01 Aug 2026 10:00:00 GMT", "content-type: text/html", "content-length: 12",
		"last-modified: Sat, 01 Aug 2026 10:00:00 GMT", `etag: "66ab5f00-c"`, "vary: Accept-Encoding", "accept-ranges: bytes",
		"x-request-id: id", "strict-transport-security: max-age=1",
	}, pairs(got))

	var own rewrite.Reply
	own.Begin(404, "text/plain", []byte("no"))
	own.AddText("X-A", "b")
	got, _ = w.respond(t, string(own.AppendHead(nil)))
	require.Len(t, got, 5)
	require.Equal(t, []string{":status: 404", "content-type: text/plain", "content-length: 2", "x-a: b"}, pairs(append(got[:1:1], got[2:]...)))
}

// TestFieldsAreIndexedAtTheSecondTime tells by the size of the blocks what is in the table.
func TestFieldsAreIndexedAtTheSecondTime(t *testing.T) {
	w := newWire()
	const head = "HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\nContent-Type: application/json\r\nX-Frame-Options: DENY\r\n"
	_, first := w.respond(t, head)
	_, second := w.respond(t, head)
	_, third := w.respond(t, head)
	require.Greater(t, second, 40)
	require.LessOrEqual(t, second, first)
	require.Equal(t, 4, third, "a byte for each field")

	// Values that change leave the others where they are.
	for i := range 1000 {
		got, size := w.respond(t, head+fmt.Sprintf("ETag: \"%d\"\r\nX-Left: %d\r\n", i, 1000-i))
		require.Len(t, got, 6)
		require.LessOrEqual(t, size, 4+30)
	}
}

func TestSecretsAreNeverIndexed(t *testing.T) {
	f := func(name string) {
		t.Helper()
		w := newWire()
		for range 4 {
			got, _ := w.respond(t, "HTTP/1.1 200 OK\r\n"+name+": a secret\r\n")
			require.True(t, got[1].Sensitive, name)
		}
	}
	f("Set-Cookie")
	f("Authorization")
	f("WWW-Authenticate")
	f("Authentication-Info")
	f("Proxy-Authenticate")

	// What changes each time, and what is too large.
	f("Date")
	f("X-Request-ID")
	f("Content-Length")
	f("X-Large-" + strings.Repeat("x", maxIndexed))
}

func TestTableOfThePeerMayBeEmpty(t *testing.T) {
	w := newWire()
	w.encoder.SetMaxDynamicTableSize(0)
	for range 4 {
		got, _ := w.respond(t, "HTTP/1.1 429 X\r\nServer: a\r\n")
		require.Equal(t, []string{":status: 429", "server: a"}, pairs(got))
	}
}

func TestTrailersAreEncoded(t *testing.T) {
	w := newWire()
	trailers := []http1.Field{
		{Name: []byte("Grpc-Status"), Value: []byte("0")},
		{Name: []byte("X-Hidden"), Value: []byte("a")},
		{Name: []byte("Connection"), Value: []byte("close")},
	}
	keep := func(f http1.Field) bool { return !http1.Is(f.Name, "x-hidden") }
	require.True(t, w.AppendTrailers(w.encoder, trailers, keep))
	got, _ := w.block(t)
	require.Equal(t, []string{"grpc-status: 0"}, pairs(got))

	require.False(t, w.AppendTrailers(w.encoder, trailers[1:], keep))
	require.False(t, w.AppendTrailers(w.encoder, nil, keep))
	require.Zero(t, w.buf.Len())
}

// TestRecentTakesCollisions has two fields in one place, one of another's hash.
func TestRecentTakesCollisions(t *testing.T) {
	var r recent
	name := []byte("x")
	for range 3 {
		r.field(name, []byte("a"))
	}
	for i := range r.sets {
		for j := range r.sets[i] {
			if known := r.sets[i][j].field; known != nil {
				known.Value = "b"
			}
		}
	}
	got := r.field(name, []byte("a"))
	require.Equal(t, hpack.HeaderField{Name: "x", Value: "a", Sensitive: true}, got)
}

func TestResponsesDoNotAllocate(t *testing.T) {
	w := newWire()
	heads := make([][]byte, 1000)
	for i := range heads {
		heads[i] = fmt.Appendf(nil, "HTTP/1.1 201 Created\r\nServer: nginx\r\nDate: Sat, 01 Aug 2026 10:00:00 GMT\r\nContent-Type: text/html\r\n"+
			"Content-Length: %d\r\nETag: \"66ab5f00-%d\"\r\nVary: Accept-Encoding\r\nX-Request-ID: %d\r\nRateLimit: \"default\";r=%d;t=1\r\n", i, i, i, i)
	}
	i := 0
	n := testing.AllocsPerRun(10_000, func() {
		w.AppendResponse(w.encoder, heads[i%len(heads)])
		w.buf.Reset()
		i++
	})
	require.Zero(t, n)
}

func BenchmarkResponse(b *testing.B) {
	w := newWire()
	b.ReportAllocs()
	for b.Loop() {
		w.AppendResponse(w.encoder, []byte(http1test.Nginx))
		w.buf.Reset()
	}
}
