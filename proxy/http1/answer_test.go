package http1

import (
	"bufio"
	"bytes"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestParseAnswer(t *testing.T) {
	f := func(head string, status int, size int64, keepAlive bool) {
		t.Helper()
		var a Answer
		require.NoError(t, a.Parse([]byte(head)), "%q", head)
		assert.Equal(t, status, a.Status)
		assert.Equal(t, size, a.Size)
		assert.Equal(t, keepAlive, a.KeepAlive, "%q", head)
	}
	f("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", 200, 5, true)
	f("HTTP/1.1 200\r\ntransfer-ENCODING: Chunked\r\n\r\n", 200, SizeChunked, true)
	f("HTTP/1.1 599 caf\xe9\r\nConnection: close\r\n\r\n", 599, SizeUntilClose, false)
	f("HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n", 200, 5, false)
	f("HTTP/1.0 200 OK\r\nContent-Length: 5\r\nConnection: Keep-Alive\r\n\r\n", 200, 5, true)
	f("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n", 103, SizeUntilClose, true)
}

func TestParseAnswerRefuses(t *testing.T) {
	f := func(want error, heads ...string) {
		t.Helper()
		for _, head := range heads {
			var a Answer
			assert.Equal(t, want, a.Parse([]byte(head)), "%q", head)
		}
	}
	f(ErrAnswerLine, "HTTP/1.1 99 x\r\n\r\n", "HTTP/1.1 600 x\r\n\r\n", "HTTP/1.1 2000\r\n\r\n", "HTTP/1.1 20\r\n\r\n", "HTTP/1.2 200 OK\r\n\r\n", "http/1.1 200 OK\r\n\r\n",
		"HTTP/1.1  200 OK\r\n\r\n", "HTTP/1.1 200 a\x00\r\n\r\n", "HTTP/1.1 200 OK\n\n", "\r\n", "HTTP/1.1\t200 OK\r\n\r\n", "HTTP/1.1 2x0 OK\r\n\r\n")
	const ok = "HTTP/1.1 200 OK\r\n"
	f(ErrAnswerField, ok+"A : b\r\n\r\n", ok+"A: b\n\r\n", ok+"A: b\r\n c\r\n\r\n", ok+"A: \x01\r\n\r\n", ok+": b\r\n\r\n", ok+"A\r\n\r\n", ok+"Connection: a b\r\n\r\n")
	f(ErrAnswerFields, ok+strings.Repeat("A: b\r\n", MaxFields+1)+"\r\n")
	f(ErrAnswerFraming, ok+"Content-Length: 1\r\nContent-Length: 1\r\n\r\n", ok+"Content-Length: 1, 1\r\n\r\n", ok+"Content-Length: -1\r\n\r\n", ok+"Content-Length:\r\n\r\n",
		ok+"Transfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n", ok+"Transfer-Encoding: gzip\r\n\r\n", ok+"Transfer-Encoding: chunked, chunked\r\n\r\n",
		"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
}

func TestAnswersWithABody(t *testing.T) {
	f := func(want, head bool, text string) {
		t.Helper()
		var a Answer
		require.NoError(t, a.Parse([]byte(text)))
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
		var a Answer
		require.NoError(t, a.Parse([]byte(text)))
		assert.Equal(t, want, a.Contradicts(), "%q", text)
	}
	f(true, "HTTP/1.1 204 x\r\nContent-Length: 1\r\n\r\n")
	f(true, "HTTP/1.1 204 x\r\nTransfer-Encoding: chunked\r\n\r\n")
	f(false, "HTTP/1.1 204 x\r\nContent-Length: 0\r\n\r\n")
	f(false, "HTTP/1.1 204 x\r\n\r\n")
	f(false, "HTTP/1.1 304 x\r\nContent-Length: 1\r\n\r\n")
	f(false, "HTTP/1.1 200 x\r\nContent-Length: 1\r\n\r\n")
}

func TestBeginsAnswer(t *testing.T) {
	for _, b := range []string{"", "H", "HTTP/1", "HTTP/1.", "HTTP/1.1 200"} {
		assert.True(t, BeginsAnswer([]byte(b)), b)
	}
	for _, b := range []string{"h", "\r", "HTTP/2", "<html>"} {
		assert.False(t, BeginsAnswer([]byte(b)), b)
	}
}

func TestParseAnswerDoesNotAllocate(t *testing.T) {
	var a Answer
	head := []byte("HTTP/1.1 200 OK\r\nServer: x\r\nConnection: keep-alive, a\r\nContent-Length: 5\r\n\r\n")
	require.NoError(t, a.Parse(head))
	assert.Zero(t, testing.AllocsPerRun(100, func() { _ = a.Parse(head) }))
}

// An answer's head that passes is read by net/http, and by both in the same way.
func FuzzParseAnswer(f *testing.F) {
	f.Add([]byte("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"))
	f.Add([]byte("HTTP/1.0 404 \r\nConnection: keep-alive\r\nA:b\r\n\r\n"))
	f.Add([]byte("HTTP/1.1 200\r\nTransfer-Encoding: chunked\r\n\r\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		var a Answer
		n := HeadEnd(b, 0)
		if n == 0 || a.Parse(b[:n]) != nil {
			return
		}
		theirs, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(b[:n])), nil)
		require.NoError(t, err, "%q", b[:n])
		require.Equal(t, a.Status, theirs.StatusCode)
		switch {
		case !a.HasBody(false):
		case a.Size == SizeChunked:
			require.Equal(t, []string{"chunked"}, theirs.TransferEncoding)
		case a.Size >= 0:
			require.Equal(t, a.Size, theirs.ContentLength)
		default:
			require.EqualValues(t, -1, theirs.ContentLength)
		}
	})
}
