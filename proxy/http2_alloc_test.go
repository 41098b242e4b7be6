package proxy

import (
	"bytes"
	"io"
	"net"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"gopher-equalizer/proxy/h2"
)

// leanHTTP2 is a client that sends requests over HTTP/2 and reads the responses without allocating,
// as far as that is its own.
type leanHTTP2 struct {
	net.Conn
	t      testing.TB
	fields *hpack.Encoder
	block  bytes.Buffer
	out    bytes.Buffer
	frames *http2.Framer
	stream uint32
	in     []byte
}

// dialHTTP2 connects to a proxy with knowledge that it speaks HTTP/2.
func dialHTTP2(t testing.TB, addr string) *leanHTTP2 {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	return speakHTTP2(t, c)
}

// speakHTTP2 begins to speak it on a connection.
func speakHTTP2(t testing.TB, c net.Conn) *leanHTTP2 {
	t.Helper()
	l := &leanHTTP2{Conn: c, t: t, stream: 1, in: make([]byte, 64<<10)}
	l.fields, l.frames = hpack.NewEncoder(&l.block), http2.NewFramer(&l.out, nil)
	l.out.WriteString(h2.Preface)
	require.NoError(t, l.frames.WriteSettings())
	return l
}

// get sends a request, and reads until its stream has ended.
func (l *leanHTTP2) get(fields ...hpack.HeaderField) {
	l.block.Reset()
	for _, f := range fields {
		_ = l.fields.WriteField(f)
	}
	_ = l.frames.WriteHeaders(http2.HeadersFrameParam{
		StreamID: l.stream, BlockFragment: l.block.Bytes(), EndStream: true, EndHeaders: true,
	})
	_, _ = l.Write(l.out.Bytes())
	l.out.Reset()
	for !l.ends() {
	}
	l.stream += 2
}

// ends reads a frame, and reports whether it ends the stream.
func (l *leanHTTP2) ends() bool {
	if _, err := io.ReadFull(l, l.in[:9]); err != nil {
		l.t.Fatal(err)
	}
	length := int(l.in[0])<<16 | int(l.in[1])<<8 | int(l.in[2])
	kind, flags := http2.FrameType(l.in[3]), http2.Flags(l.in[4])
	if _, err := io.ReadFull(l, l.in[:length]); err != nil {
		l.t.Fatal(err)
	}
	return (kind == http2.FrameHeaders || kind == http2.FrameData) && flags.Has(http2.FlagDataEndStream)
}

// In steady state, a request over HTTP/2 costs no allocation, whatever is new in it.
func TestRequestsOverHTTP2DoNotAllocate(t *testing.T) {
	fields := func(path string, more ...hpack.HeaderField) []hpack.HeaderField {
		return append([]hpack.HeaderField{
			{Name: ":method", Value: "GET"},
			{Name: ":scheme", Value: "http"},
			{Name: ":authority", Value: "example.com"},
			{Name: ":path", Value: path},
			{Name: "user-agent", Value: "test"},
			{Name: "accept", Value: "*/*"},
		}, more...)
	}
	f := func(name string, l aLimiter, log bool, requests [][]hpack.HeaderField) {
		t.Run(name, func(t *testing.T) {
			s := settings()
			s.Log.Access, s.HTTP2 = log, http2Limits()
			pool := boundedPoolOf(t, connectionSettings(), 100, 0.5, lean(t, ok))
			c := dialHTTP2(t, runAs(t, s.proxy(pool, l, io.Discard), pool, Listener{HTTP2: true}))
			n := 0
			do := func() {
				c.get(requests[n%len(requests)]...)
				n++
			}
			for range 1100 {
				do()
			}
			assert.LessOrEqual(t, testing.AllocsPerRun(1000, do), float64(mostAllocs))
		})
	}
	one := [][]hpack.HeaderField{fields("/path?query")}
	f("plain", nil, false, one)
	f("logged", nil, true, one)
	f("limited", allowAll{}, true, one)
	var many [][]hpack.HeaderField
	for i := range 1000 {
		many = append(many, fields("/path/"+strconv.Itoa(i), hpack.HeaderField{Name: "x-api-key", Value: "key-" + strconv.Itoa(i), Sensitive: true}))
	}
	f("many paths and keys", allowAll{}, true, many)
}

// By TLS, it costs no more than what crypto/tls does.
func TestRequestsOverHTTP2ByTLSAllocateLittle(t *testing.T) {
	s := settings()
	s.HTTP2 = http2Limits()
	pool := boundedPoolOf(t, connectionSettings(), 100, 0.5, lean(t, ok))
	a := serves(t, "a.test")
	how := Listener{TLS: a.server.Listener(tls12, nil, h2.ALPN), HTTP2: true}
	p := &proxied{t: t, addr: runAs(t, s.proxy(pool, nil, io.Discard), pool, how)}
	config := a.client("a.test")
	config.NextProtos = []string{h2.ALPN}
	c := speakHTTP2(t, p.dialTLS(config).Conn)
	do := func() {
		c.get(
			hpack.HeaderField{Name: ":method", Value: "GET"}, hpack.HeaderField{Name: ":scheme", Value: "https"},
			hpack.HeaderField{Name: ":authority", Value: "a.test"}, hpack.HeaderField{Name: ":path", Value: "/"},
		)
	}
	for range 100 {
		do()
	}
	assert.LessOrEqual(t, testing.AllocsPerRun(1000, do), float64(mostAllocs+ofCryptoTLS))
}
