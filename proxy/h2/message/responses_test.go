package message

import (
	"fmt"
	"hash/maphash"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/http2/hpack"
	"pgregory.net/rapid"

	"gopher-equalizer/proxy/http1"
	"gopher-equalizer/proxy/http1/http1test"
	"gopher-equalizer/proxy/rewrite"
)

// wire is an encoder and the decoder of its peer.
type wire struct {
	Responses
	buf     []byte
	decoder *hpack.Decoder
}

func newWire() *wire {
	return &wire{decoder: hpack.NewDecoder(4096, nil)}
}

// block takes the header block that was written, and decodes it.
func (w *wire) block(t require.TestingT) (fields []hpack.HeaderField, size int) {
	size = len(w.buf)
	fields, err := w.decoder.DecodeFull(w.buf)
	require.NoError(t, err)
	w.buf = w.buf[:0]
	return fields, size
}

func (w *wire) respond(t require.TestingT, head string) (fields []hpack.HeaderField, size int) {
	b := []byte(head)
	w.buf = w.AppendResponse(w.buf, b)
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
	require.Empty(t, w.buf)
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

// apart has the hashes be such that no two of these fields share a place.
func apart(fields ...string) {
	for places := 0; places < len(fields); {
		seed = maphash.MakeSeed()
		taken := map[uint64]bool{}
		for _, f := range fields {
			name, value, _ := strings.Cut(f, ": ")
			taken[hashOf([]byte(name), []byte(value))>>1%recentSets] = true
		}
		places = len(taken)
	}
}

// TestFieldsAreIndexedAtTheSecondTime tells by the size of the blocks what is in the table.
func TestFieldsAreIndexedAtTheSecondTime(t *testing.T) {
	apart(":status: 200", "server: nginx/1.22.1", "content-type: application/json", "x-frame-options: DENY")
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
	w.BoundTable(0)
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
	w.buf = w.AppendTrailers(nil, trailers, keep)
	got, _ := w.block(t)
	require.Equal(t, []string{"grpc-status: 0"}, pairs(got))

	require.Empty(t, w.AppendTrailers(nil, trailers[1:], keep))
	require.Empty(t, w.AppendTrailers(nil, nil, keep))
}

// TestRecentTakesCollisions has two fields in one place, one of another's hash.
func TestRecentTakesCollisions(t *testing.T) {
	var r recent
	name := []byte("x")
	for range 3 {
		r.find(name, []byte("a"))
	}
	for i := range r.sets {
		for j := range r.sets[i] {
			if known := r.sets[i][j].field; known != nil {
				known.value = "b"
			}
		}
	}
	require.Nil(t, r.find(name, []byte("a")))
}

// TestTableIsTheDecoders has fields come and go while the peer's bound changes. Its table must stay
// the same as ours, and within the bound.
func TestTableIsTheDecoders(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWire()
		text := rapid.StringOfN(rapid.RuneFrom([]rune("ab~ ")), 0, 6, -1)
		for range rapid.IntRange(1, 60).Draw(t, "blocks") {
			for range rapid.SampledFrom([]int{0, 0, 0, 1, 2}).Draw(t, "bounds") {
				most := rapid.SampledFrom([]int{0, 31, 33, 40, 100, 300, 4095, 4096, 4097, 1 << 30}).Draw(t, "most")
				w.BoundTable(uint32(most))
				w.decoder.SetAllowedMaxDynamicTableSize(uint32(min(most, tableSize)))
			}
			head, want := "HTTP/1.1 418 X\r\n", []string{":status: 418"}
			for range rapid.IntRange(0, 6).Draw(t, "fields") {
				name := rapid.SampledFrom([]string{"vary", "x-a", "via", "x-long", "date", "set-cookie"}).Draw(t, "name")
				value := strings.TrimSpace(text.Draw(t, "value"))
				if name == "x-long" {
					value += strings.Repeat("z", 100*rapid.IntRange(0, 5).Draw(t, "long"))
				}
				head += name + ": " + value + "\r\n"
				want = append(want, name+": "+value)
			}
			got, _ := w.respond(t, head)
			require.Equal(t, want, pairs(got))
			require.LessOrEqual(t, w.table.size, tableSize-w.table.less)
		}
	})
}

// TestOldEntriesLeave has more fields than the table has room for, each twice or more.
func TestOldEntriesLeave(t *testing.T) {
	w := newWire()
	for i := range 3000 {
		head := fmt.Sprintf("HTTP/1.1 200 OK\r\nX-A: %d\r\nServer: a\r\n", i/3)
		got, size := w.respond(t, head)
		require.Equal(t, []string{":status: 200", fmt.Sprint("x-a: ", i/3), "server: a"}, pairs(got))
		if i%3 == 2 {
			require.LessOrEqual(t, size, 3+2)
		}
	}
}

func TestIntegersAreThoseOfHPACK(t *testing.T) {
	require.Equal(t, []byte{0x2a}, appendInteger(nil, 0x20, 5, 10))
	require.Equal(t, []byte{0x3f, 0x9a, 0x0a}, appendInteger(nil, 0x20, 5, 1337)) // RFC 7541, C.1
	require.Equal(t, []byte{42}, appendInteger(nil, 0, 8, 42))
	require.Equal(t, []byte{0x7f, 0}, appendInteger(nil, 0, 7, 127))
}

// TestStaticNames holds the names to package hpack's table.
func TestStaticNames(t *testing.T) {
	d := hpack.NewDecoder(0, nil)
	known := 0
	for i := 1; i <= staticLength; i++ {
		fields, err := d.DecodeFull([]byte{indexed | byte(i)})
		require.NoError(t, err)
		if at := staticIndex([]byte(fields[0].Name)); at != 0 {
			known++
			first, err := d.DecodeFull([]byte{indexed | byte(at)})
			require.NoError(t, err)
			require.Equal(t, fields[0].Name, first[0].Name)
		}
	}
	require.Equal(t, 34, known) // :status comes seven times.
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
		w.buf = w.AppendResponse(w.buf[:0], heads[i%len(heads)])
		i++
	})
	require.Zero(t, n)
}

func BenchmarkResponse(b *testing.B) {
	w := newWire()
	b.ReportAllocs()
	for b.Loop() {
		w.buf = w.AppendResponse(w.buf[:0], []byte(http1test.Nginx))
	}
}
