package http1

import (
	"bytes"
	"io"
	"net/http/httputil"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// decode reads a body of a size, piece by piece of n bytes, and what is left behind it.
func decode(in string, size int64, n int) (body, rest string, err error) {
	var b Body
	b.Begin(size)
	var got []byte
	for left := []byte(in); ; {
		piece := bytes.Clone(left[:min(n, len(left))])
		left = left[len(piece):]
		data, used, err := b.Decode(piece)
		got = append(got, piece[:data]...)
		switch {
		case err != nil:
			return string(got), "", err
		case b.Complete():
			return string(got), string(piece[used:]) + string(left), nil
		case len(left) == 0 && b.End():
			return string(got), "", nil
		case len(left) == 0:
			return string(got), "", io.ErrUnexpectedEOF
		}
	}
}

func TestChunks(t *testing.T) {
	f := func(in, body, rest string) {
		t.Helper()
		for n := 1; n <= len(in); n++ {
			gotBody, gotRest, err := decode(in, SizeChunked, n)
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

func TestChunksRefused(t *testing.T) {
	for _, in := range []string{
		"", "3", "3\r\n", "3\r\nab", "3\r\nabc", "3\r\nabc\r\n", "3\r\nabc\r\n0", "3\r\nabc\r\n0\r\n", "0\r\nX: y\r\n",
		"\r\n", "3\nabc\r\n0\r\n\r\n", "3 \r\nabc\r\n0\r\n\r\n", " 3\r\nabc\r\n0\r\n\r\n", "+3\r\nabc\r\n0\r\n\r\n", "-3\r\nabc\r\n", "0x3\r\nabc\r\n",
		"3;a\rb\r\nabc\r\n0\r\n\r\n", "3\r\nabcd\r\n0\r\n\r\n", "3\r\nabc\n0\r\n\r\n", "3\r\nabc0\r\n\r\n", "g\r\n",
		"1234567890123456\r\n", "3;" + strings.Repeat("x", 1025) + "\r\nabc\r\n0\r\n\r\n", strings.Repeat("1;"+strings.Repeat("x", 1000)+"\r\na\r\n", 20) + "0\r\n\r\n",
		"0\r\nX y: z\r\n\r\n", "0\r\nX : z\r\n\r\n", "0\r\n: z\r\n\r\n", "0\r\nX\r\n\r\n", "0\r\n\n",
		"0\r\nX: y\n\r\n", "0\r\nX: y\r\n z\r\n\r\n", "0\r\nX: y\x01\r\n\r\n", "0\r\nX: " + strings.Repeat("y", 8192) + "\r\n\r\n",
	} {
		_, _, err := decode(in, SizeChunked, len(in)+1)
		require.Error(t, err, "%q", in)
		_, _, again := decode(in, SizeChunked, 1)
		require.Equal(t, err, again)
		require.Equal(t, err != io.ErrUnexpectedEOF, Malformed(err))
		assert.NotEqual(t, io.EOF, err, "%q", in)
		assert.NotContains(t, err.Error(), "X", "it may be logged")
	}
}

func TestTrailers(t *testing.T) {
	var b Body
	for range 2 {
		b.Begin(SizeChunked)
		_, _, err := b.Decode([]byte("1\r\na\r\n0\r\nX-Sum: 6\r\nother:\r\n\r\n"))
		require.NoError(t, err)
		require.Len(t, b.Trailers, 2)
		assert.Equal(t, "X-Sum: 6\r\n", string(b.Trailers[0].Line))
		assert.Equal(t, "6", string(b.Trailers[0].Value))
		out := AppendTrailers(nil, b.Trailers, func(f Field) bool { return Is(f.Name, "other") })
		assert.Equal(t, "0\r\nother:\r\n\r\n", string(out))
	}
	b.Begin(SizeChunked)
	assert.Equal(t, LastChunk, string(AppendTrailers(nil, b.Trailers, nil)))
}

func TestOtherBodies(t *testing.T) {
	f := func(size int64, in, body, rest string) {
		t.Helper()
		for n := 1; n <= len(in); n++ {
			gotBody, gotRest, err := decode(in, size, n)
			require.NoError(t, err)
			assert.Equal(t, body, gotBody)
			assert.Equal(t, rest, gotRest)
		}
	}
	f(0, "rest", "", "rest")
	f(SizeNone, "rest", "", "rest")
	f(3, "abcrest", "abc", "rest")
	f(3, "abc", "abc", "")
	f(SizeUntilClose, "all of it", "all of it", "")
	_, _, err := decode("ab", 3, 2)
	assert.Error(t, err)
}

// What was framed is read back, whatever the pieces were.
func TestChunksRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var wire, want []byte
		for i, n := range rapid.SliceOfN(rapid.IntRange(0, 1000), 1, 10).Draw(t, "pieces") {
			data := bytes.Repeat([]byte{byte('a' + i)}, n)
			want = append(want, data...)
			buf := append(append(make([]byte, ChunkHead), data...), make([]byte, ChunkTail)...)
			from, to := FrameChunk(buf, ChunkHead, n)
			if n > 0 {
				require.Equal(t, string(AppendChunk(nil, data)), string(buf[from:to]))
			}
			wire = append(wire, buf[from:to]...)
		}
		wire = append(wire, LastChunk...)
		body, rest, err := decode(string(wire), SizeChunked, rapid.IntRange(1, 100).Draw(t, "n"))
		require.NoError(t, err)
		require.Equal(t, string(want), body)
		require.Empty(t, rest)
	})
}

// What we take for a body, net/http takes for the same.
func FuzzChunks(f *testing.F) {
	for _, seed := range []string{"0\r\n\r\n", "3\r\nabc\r\n0\r\n\r\n", "a;x\r\n0123456789\r\n0\r\nX: y\r\n\r\nrest", "3 \r\nabc\r\n0\r\n\r\n", "ffffffffffffffff\r\n"} {
		f.Add([]byte(seed), 7)
	}
	f.Fuzz(func(t *testing.T, in []byte, n int) {
		body, rest, err := decode(string(in), SizeChunked, len(in)+1)
		if n > 0 {
			again, restAgain, errAgain := decode(string(in), SizeChunked, n)
			require.Equal(t, []any{body, rest, err}, []any{again, restAgain, errAgain})
		}
		if err != nil {
			return
		}
		theirs, err := io.ReadAll(httputil.NewChunkedReader(bytes.NewReader(in)))
		require.NoError(t, err)
		require.Equal(t, string(theirs), body)
	})
}
