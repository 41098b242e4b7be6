package http1

import (
	"bufio"
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestParseResponse(t *testing.T) {
	f := func(head string, status int, size int64, keepAlive bool) {
		t.Helper()
		var a Response
		require.Nil(t, a.Parse([]byte(head)), "%q", head)
		assert.Equal(t, status, a.Status)
		assert.Equal(t, size, a.Size)
		assert.Equal(t, keepAlive, a.KeepAlive, "%q", head)
		assert.Zero(t, a.Mended)
	}
	f("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", 200, 5, true)
	f("HTTP/1.1 200\r\ntransfer-ENCODING: Chunked\r\n\r\n", 200, SizeChunked, true)
	f("HTTP/1.1 599 caf\xe9\r\nConnection: close\r\n\r\n", 599, SizeUntilClose, false)
	f("HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n", 200, 5, false)
	f("HTTP/1.0 200 OK\r\nContent-Length: 5\r\nConnection: Keep-Alive\r\n\r\n", 200, 5, true)
	f("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n", 103, SizeUntilClose, true)
	f("HTTP/1.2 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", 200, SizeChunked, true)
	f("HTTP/1.9 200 OK\r\nContent-Length: 5\r\n\r\n", 200, 5, true)
	f("HTTP/1.1 200 OK\r\n"+strings.Repeat("a: b\r\n", MaxResponseFields)+"\r\n", 200, SizeUntilClose, true)
}

// What is wrong with these doesn't matter, since all readers find the same body.
func TestMendedResponses(t *testing.T) {
	f := func(mended Mended, size int64, keepAlive bool, heads ...string) {
		t.Helper()
		for _, head := range heads {
			var a Response
			require.Equal(t, len(head), HeadEnd([]byte(head), 0))
			require.Nil(t, a.Parse([]byte(head)), "%q", head)
			assert.Equal(t, []any{mended, size, keepAlive}, []any{a.Mended, a.Size, a.KeepAlive}, "%q", head)
		}
	}
	const ok = "HTTP/1.1 200 OK\r\n"
	const chunked = "Transfer-Encoding: chunked\r\n"
	f(MendedCodings, SizeChunked, true, ok+chunked+chunked+"\r\n", ok+"Transfer-Encoding: chunked, chunked\r\n\r\n",
		ok+chunked+"A: b\r\ntransfer-encoding:CHUNKED ,\tchunked\r\n\r\n")
	f(MendedBothFramings, SizeChunked, false, ok+chunked+"Content-Length: 5\r\n\r\n", ok+"Content-Length: 5\r\n"+chunked+"\r\n",
		ok+"Content-Length: 5\r\nConnection: keep-alive\r\n"+chunked+"\r\n")
	f(MendedBothFramings|MendedCodings|MendedLengths, SizeChunked, false, ok+chunked+"Content-Length: 5, 5\r\n"+chunked+"\r\n")
	f(MendedLengths, 5, true, ok+"Content-Length: 5\r\nContent-Length: 5\r\n\r\n", ok+"Content-Length: 5 ,5,\t5\r\n\r\n")
	f(MendedLineEnds, 5, true, "HTTP/1.1 200 OK\nContent-Length: 5\n\n")
	f(MendedLineEnds, 5, false, "HTTP/1.1 200 OK\nContent-Length: 5\r\n\r\n", ok+"A: b\nContent-Length: 5\r\n\r\n", ok+"Content-Length: 5\r\n\n",
		"HTTP/1.1 200 OK\nContent-Length: 5\n\r\n", ok+"A: b\nConnection: keep-alive\nContent-Length: 5\n\n")
	f(MendedLineEnds, SizeUntilClose, true, "HTTP/1.1 200\n\n")
}

func TestParseResponseRefuses(t *testing.T) {
	f := func(reason, field string, heads ...string) {
		t.Helper()
		for _, head := range heads {
			var a Response
			why := a.Parse([]byte(head))
			require.NotNil(t, why, "%q", head)
			assert.Equal(t, []any{reason, field, 502}, []any{why.Reason, why.Field, why.Status}, "%q", head)
		}
	}
	f("status-line", "", "HTTP/1.1 99 x\r\n\r\n", "HTTP/1.1 600 x\r\n\r\n", "HTTP/1.1 2000\r\n\r\n", "HTTP/1.1 20\r\n\r\n", "HTTP/2.0 200 OK\r\n\r\n", "http/1.1 200 OK\r\n\r\n",
		"HTTP/1.1  200 OK\r\n\r\n", "HTTP/1.1 200 a\x00\r\n\r\n", "\r\n", "HTTP/1.1\t200 OK\r\n\r\n", "HTTP/1.1 2x0 OK\r\n\r\n", "HTTP/1.10 200 OK\r\n\r\n", "HTTP/1.x 200 OK\r\n\r\n",
		"HTTP/1.1 200 OK\r\r\n\r\n")
	const ok = "HTTP/1.1 200 OK\r\n"
	f("field-name", "", ok+"A : b\r\n\r\n", ok+": b\r\n\r\n", ok+"A\r\n\r\n", ok+"\r\r\n\r\n")
	f("field-folded", "", ok+"A: b\r\n c\r\n\r\n", ok+"A: b\n\tc: d\n\n")
	f("field-value", "A", ok+"A: \x01\r\n\r\n", ok+"A: b\r\r\n\r\n", ok+"A: b\rC: d\n\n")
	f("field-count", "", ok+strings.Repeat("A: b\r\n", MaxResponseFields+1)+"\r\n")
	f("connection-option", "Connection", ok+"Connection: a b\r\n\r\n")
	f("connection-count", "Connection", ok+"Connection: "+strings.Repeat("x,", MaxOptions)+"y\r\n\r\n")
	f("content-length", "Content-Length", ok+"Content-Length: -1\r\n\r\n", ok+"Content-Length:\r\n\r\n", ok+"Content-Length: 5,\r\n\r\n", ok+"Content-Length: 5,,5\r\n\r\n",
		ok+"Content-Length: 5 5\r\n\r\n", ok+"Content-Length: 1234567890123456789\r\n\r\n", ok+"Content-Length: 5\r\nContent-Length: \r\n\r\n")
	f("content-length-differs", "Content-Length", ok+"Content-Length: 1\r\nContent-Length: 2\r\n\r\n", ok+"Content-Length: 1, 01\r\n\r\n",
		ok+"Transfer-Encoding: chunked\r\nContent-Length: 1, 2\r\n\r\n")
	f("transfer-encoding", "Transfer-Encoding", ok+"Transfer-Encoding: gzip\r\n\r\n", ok+"Transfer-Encoding: chunked, gzip\r\n\r\n", ok+"Transfer-Encoding: chunked,\r\n\r\n",
		ok+"Transfer-Encoding:\r\n\r\n", ok+"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n", ok+"Transfer-Encoding: chunked;q=1\r\n\r\n")
	f("transfer-encoding-version", "Transfer-Encoding", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n")
}

// The place of a fault, what stands there, and by how much a bound is passed.
func TestPlaceOfResponseRefusals(t *testing.T) {
	f := func(at, excerpt, head string) {
		t.Helper()
		var a Response
		why := a.Parse([]byte(head))
		require.NotNil(t, why)
		assert.True(t, strings.HasPrefix(head[why.Offset:], at), "%q: %q, not %q", head, head[why.Offset:], at)
		assert.Equal(t, excerpt, why.Excerpt)
	}
	const ok = "HTTP/1.1 200 OK\r\n"
	f("HTTP/2", "xxxx/x.x", "HTTP/2.0 200 OK\r\n\r\n")
	f("600", "xxx/x.x xxx x\r\n\r", "HTTP/1.1 600 x\r\n\r\n")
	f(" : b", "\nx: x\nxx : x\r\n\r\n", ok+"A: b\nX1 : b\r\n\r\n")
	f("\x01", "x: xxx =\x01xx\r\n\r\n", ok+"Set-Cookie: key =\x01ab\r\n\r\n")
	f("+5", "xxxxxx: +x\r\n\r\n", ok+"Content-Length: +5\r\n\r\n")

	var a Response
	why := a.Parse([]byte(ok + strings.Repeat("A: b\r\n", 300) + "\r\n"))
	assert.Contains(t, why.Detail, "has 300 header fields, and at most 256 pass")
}

func TestCheckSwitch(t *testing.T) {
	f := func(passes bool, asked, answered string) {
		t.Helper()
		_, why := parse(t, get("Connection: upgrade", asked))
		require.Nil(t, why)
		r, _ := parse(t, get("Connection: upgrade", asked))
		var a Response
		require.Nil(t, a.Parse([]byte("HTTP/1.1 101 Switching Protocols\r\n"+answered+"\r\n")))
		why = a.CheckSwitch(r, true)
		assert.Equal(t, passes, why == nil, "%q %q", asked, answered)
		if why != nil {
			assert.Equal(t, []any{"switch", "Upgrade", 502}, []any{why.Reason, why.Field, why.Status})
		}
		assert.NotNil(t, a.CheckSwitch(r, false), "nobody asked")
	}
	f(true, "Upgrade: websocket", "Upgrade: WebSocket\r\n")
	f(true, "Upgrade: a, b/2", "upgrade: B/2\r\n")
	f(true, "Upgrade: a\r\nUpgrade: b", "Upgrade: b, a\r\nUpgrade: a\r\n")
	f(false, "Upgrade: websocket", "")
	f(false, "Upgrade: websocket", "Upgrade:\r\n")
	f(false, "Upgrade: websocket", "Upgrade: h2c\r\n")
	f(false, "Upgrade: websocket", "Upgrade: websocket, h2c\r\n")
	f(false, "Upgrade: a/1", "Upgrade: a/2\r\n")
	f(false, "Upgrade: a", "Upgrade: a,\r\n")
}

func TestResponsesWithABody(t *testing.T) {
	f := func(want, head bool, text string) {
		t.Helper()
		var a Response
		require.Nil(t, a.Parse([]byte(text)))
		assert.Equal(t, want, a.HasBody(head), "%q", text)
	}
	f(true, false, "HTTP/1.1 200 OK\r\n\r\n")
	f(true, false, "HTTP/1.1 404 x\r\nContent-Length: 1\r\n\r\n")
	f(false, false, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
	f(false, true, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n")
	f(false, false, "HTTP/1.1 204 x\r\nContent-Length: 1\r\n\r\n")
	f(false, false, "HTTP/1.1 304 x\r\nTransfer-Encoding: chunked\r\n\r\n")
	f(false, false, "HTTP/1.1 100 x\r\n\r\n")
}

func TestContradictions(t *testing.T) {
	f := func(want bool, text string) {
		t.Helper()
		var a Response
		require.Nil(t, a.Parse([]byte(text)))
		assert.Equal(t, want, a.Contradicts(), "%q", text)
	}
	f(true, "HTTP/1.1 204 x\r\nContent-Length: 1\r\n\r\n")
	f(true, "HTTP/1.1 204 x\r\nTransfer-Encoding: chunked\r\n\r\n")
	f(false, "HTTP/1.1 204 x\r\nContent-Length: 0\r\n\r\n")
	f(false, "HTTP/1.1 204 x\r\n\r\n")
	f(false, "HTTP/1.1 304 x\r\nContent-Length: 1\r\n\r\n")
	f(false, "HTTP/1.1 200 x\r\nContent-Length: 1\r\n\r\n")
}

func TestBeginsResponse(t *testing.T) {
	for _, b := range []string{"", "H", "HTTP/1", "HTTP/1.", "HTTP/1.1 200"} {
		assert.True(t, BeginsResponse([]byte(b)), b)
	}
	for _, b := range []string{"h", "\r", "HTTP/2", "<html>"} {
		assert.False(t, BeginsResponse([]byte(b)), b)
	}
}

func TestParseResponseDoesNotAllocate(t *testing.T) {
	var a Response
	head := []byte("HTTP/1.1 200 OK\r\nServer: x\r\nConnection: keep-alive, a\r\nContent-Length: 5\r\n\r\n")
	require.Nil(t, a.Parse(head))
	assert.Zero(t, testing.AllocsPerRun(100, func() { _ = a.Parse(head) }))
}

// unodd is a head as net/http takes it: without what is mended.
func unodd(a *Response) []byte {
	head := fmt.Appendf(nil, "HTTP/1.%d %d x\r\n", map[bool]int{true: 1}[a.HTTP11], a.Status)
	coded := false
	for i := range a.Fields {
		switch f := &a.Fields[i]; {
		case Is(f.Name, "content-length") && (coded || a.Size == SizeChunked), Is(f.Name, "transfer-encoding") && coded:
		case Is(f.Name, "content-length"):
			coded = true
			head = fmt.Appendf(head, "Content-Length: %d\r\n", a.Size)
		case Is(f.Name, "transfer-encoding"):
			coded = true
			head = append(head, "Transfer-Encoding: chunked\r\n"...)
		default:
			head = f.AppendLine(head)
		}
	}
	return append(head, "\r\n"...)
}

// A response's head that passes is read by net/http, once mended, and by both in the same way.
func FuzzParseResponse(f *testing.F) {
	f.Add([]byte("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"))
	f.Add([]byte("HTTP/1.0 404 \r\nConnection: keep-alive\r\nA:b\r\n\r\n"))
	f.Add([]byte("HTTP/1.1 200\r\nTransfer-Encoding: chunked\r\n\r\n"))
	f.Add([]byte("HTTP/1.2 200\nTransfer-Encoding: chunked, chunked\r\nContent-Length: 5\ncontent-length: 5,5\n\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		var a Response
		n := HeadEnd(b, 0)
		if n == 0 || a.Parse(b[:n]) != nil {
			return
		}
		if a.Mended == 0 {
			agrees(t, &a, b[:n])
		}
		mended := unodd(&a)
		agrees(t, &a, mended)
		var again Response
		require.Nil(t, again.Parse(mended), "%q", mended)
		require.Zero(t, again.Mended, "%q", mended)
	})
}

// agrees sees that net/http reads a head as we did.
func agrees(t *testing.T, a *Response, head []byte) {
	theirs, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(head)), nil)
	require.NoError(t, err, "%q", head)
	require.Equal(t, a.Status, theirs.StatusCode)
	switch {
	case !a.HasBody(false):
	case a.Size == SizeChunked:
		require.Equal(t, []string{"chunked"}, theirs.TransferEncoding, "%q", head)
	case a.Size >= 0:
		require.Equal(t, a.Size, theirs.ContentLength)
	default:
		require.EqualValues(t, -1, theirs.ContentLength)
	}
}
