package proxy

import (
	"bufio"
	"bytes"
	"io"
	"net/http/httputil"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/valyala/fasthttp"
	"pgregory.net/rapid"
)

// decode reads chunks, and what is left behind them.
func decode(r io.Reader, buffer int) (body, rest string, err error) {
	br := bufio.NewReaderSize(r, buffer)
	c := chunkReader{br: br, trailers: &fasthttp.ResponseHeader{}}
	b, err := io.ReadAll(&c)
	left, _ := io.ReadAll(br)
	return string(b), string(left), err
}

func TestChunkReader(t *testing.T) {
	f := func(in, body, rest string) {
		t.Helper()
		for _, r := range []io.Reader{strings.NewReader(in), iotest.OneByteReader(strings.NewReader(in)), iotest.DataErrReader(strings.NewReader(in))} {
			gotBody, gotRest, err := decode(r, 4096)
			require.NoError(t, err, in)
			assert.Equal(t, body, gotBody)
			assert.Equal(t, rest, gotRest)
		}
	}
	f("0\r\n\r\n", "", "")
	f("0\r\n\r\nrest", "", "rest")
	f("000\r\nX: y\r\n\r\nrest", "", "rest")
	f("0\r\nX: y\r\nz:\r\n\r\n\r\n", "", "\r\n")
	f("3\r\nabc\r\n0\r\n\r\n", "abc", "")
	f("1\r\na\r\n000A;x=\"y\"\r\n0123456789\r\n0\r\n\r\n", "a0123456789", "")
	f("2\r\n\r\n\r\n0\r\n\r\n", "\r\n", "")
}

func TestChunkReaderRefuses(t *testing.T) {
	for _, in := range []string{
		"", "3", "3\r\n", "3\r\nab", "3\r\nabc", "3\r\nabc\r\n", "3\r\nabc\r\n0", "3\r\nabc\r\n0\r\n", "0\r\nX: y\r\n",
		"\r\n", "3\nabc\r\n0\r\n\r\n", "3 \r\nabc\r\n0\r\n\r\n", " 3\r\nabc\r\n0\r\n\r\n", "+3\r\nabc\r\n0\r\n\r\n", "-3\r\nabc\r\n", "0x3\r\nabc\r\n",
		"3;a\rb\r\nabc\r\n0\r\n\r\n", "3\r\nabcd\r\n0\r\n\r\n", "3\r\nabc\n0\r\n\r\n", "3\r\nabc0\r\n\r\n", "g\r\n",
		"1234567890123456\r\n", "3;" + strings.Repeat("x", 4096) + "\r\nabc\r\n0\r\n\r\n",
		"0\r\nContent-Length: 3\r\n\r\n", "0\r\nX y: z\r\n\r\n", "0\r\nX : z\r\n\r\n", "0\r\n: z\r\n\r\n", "0\r\nX\r\n\r\n", "0\r\n\n",
		"0\r\nX: y\n\r\n", "0\r\nX: y\r\n z\r\n\r\n", "0\r\nX: y\x01\r\n\r\n", "0\r\nX: " + strings.Repeat("y", 4096) + "\r\n\r\n",
	} {
		_, _, err := decode(strings.NewReader(in), 4096)
		require.Error(t, err, "%q", in)
		assert.NotEqual(t, io.EOF, err, "%q", in)
		assert.NotContains(t, err.Error(), "X", "it may be logged")
	}
}

// A Read gives what has arrived, and doesn't wait for more.
func TestChunkReaderDoesNotWait(t *testing.T) {
	f := func(arrived, want string) {
		t.Helper()
		br := bufio.NewReader(io.MultiReader(strings.NewReader(arrived), iotest.ErrReader(assert.AnError)))
		c := chunkReader{br: br, trailers: &fasthttp.ResponseHeader{}}
		var buf [100]byte
		n, err := c.Read(buf[:])
		require.NoError(t, err)
		assert.Equal(t, want, string(buf[:n]))
	}
	f("3\r\nabc", "abc")
	f("5\r\nabc", "abc")
	f("3\r\nabc\r\n", "abc")
	f("3\r\nabc\r\n2", "abc")
	f("3\r\nabc\r\n2\r\n", "abc")
	f("3\r\nabc\r\n2\r\nd", "abcd")
	f("3\r\nabc\r\n0\r\n", "abc")
	f("3\r\nabc\r\n0\r\nX: y\r\n", "abc")
	f("3\r\nabc\r\n2\r\nde\r\n", "abcde")
}

// What was framed is read back, whatever the pieces were.
func TestChunksRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var wire, want bytes.Buffer
		pieces := rapid.SliceOfN(rapid.IntRange(0, 1000), 1, 10).Draw(t, "pieces")
		for i, n := range pieces {
			buf := bytes.Repeat([]byte{byte('a' + i)}, chunkHead+n+chunkTail)
			want.Write(buf[chunkHead : chunkHead+n])
			wire.Write(frameChunk(buf, n, i == len(pieces)-1))
		}
		body, rest, err := decode(iotest.OneByteReader(&wire), rapid.IntRange(16, 100).Draw(t, "buffer"))
		require.NoError(t, err)
		require.Equal(t, want.String(), body)
		require.Empty(t, rest)
	})
}

// What we take for a body, net/http takes for the same.
func FuzzChunkReader(f *testing.F) {
	for _, seed := range []string{"0\r\n\r\n", "3\r\nabc\r\n0\r\n\r\n", "a;x\r\n0123456789\r\n0\r\nX: y\r\n\r\nrest", "3 \r\nabc\r\n0\r\n\r\n", "ffffffffffffffff\r\n"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		body, _, err := decode(bytes.NewReader(in), 4096)
		if err != nil {
			return
		}
		theirs, err := io.ReadAll(httputil.NewChunkedReader(bytes.NewReader(in)))
		require.NoError(t, err)
		require.Equal(t, string(theirs), body)
	})
}

// An answer's head that passes is read by fasthttp, and by both in the same way.
func FuzzCheckAnswer(f *testing.F) {
	for _, seed := range []string{ok, "HTTP/1.0 304\r\n\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nA: b\r\n\r\n0\r\n\r\n", "HTTP/1.1 200 \r\nContent-Length : 1\r\n\r\n"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		head, err := peekHead(bufio.NewReaderSize(bytes.NewReader(in), 4096))
		if err != nil || checkAnswer(head) != nil {
			return
		}
		var h fasthttp.ResponseHeader
		h.DisableNormalizing()
		br := bufio.NewReaderSize(bytes.NewReader(in), 4096)
		if h.Read(br) != nil {
			return // It refuses more than we do.
		}
		rest, err := io.ReadAll(br)
		require.NoError(t, err)
		require.Equal(t, string(in[len(head):]), string(rest), "both end the header in the same place")
		require.Equal(t, string(in[len("HTTP/1.1 "):len("HTTP/1.1 200")]), string(fasthttp.AppendUint(nil, h.StatusCode())))
		require.LessOrEqual(t, strings.Count(strings.ToLower(string(head)), "\ncontent-length:"), 1)
	})
}
