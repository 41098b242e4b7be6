package http1

import (
	"bytes"
	"fmt"
	"io"
	"net/http/httputil"
	"strconv"
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
	return b.decode(in, n)
}

// decodeResponse is decode for a response's body.
func decodeResponse(in string, n int) (body, rest string, err error) {
	var b Body
	b.BeginResponse(SizeChunked, maxTestSection)
	return b.decode(in, n)
}

const maxTestSection = 20 << 10

func (b *Body) decode(in string, n int) (body, rest string, err error) {
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

// What no request may have, a response may: blanks behind a size, and lines that end in a bare LF.
func TestChunksOfResponses(t *testing.T) {
	f := func(in, body, rest string) {
		t.Helper()
		for n := 1; n <= min(len(in), 30); n++ {
			gotBody, gotRest, err := decodeResponse(in, n)
			require.NoError(t, err, in)
			assert.Equal(t, []string{body, rest}, []string{gotBody, gotRest}, in)
		}
		_, _, err := decode(in, SizeChunked, len(in)+1)
		refused := &Refusal{}
		assert.ErrorAs(t, err, &refused, in)
	}
	f("3 \r\nabc\r\n0 \r\n\r\nrest", "abc", "rest")
	f("003\t \t;x=y\r\nabc\r\n0\t\r\n\r\n", "abc", "")
	f("3\nabc\n0\n\nrest", "abc", "rest")
	f("3;x\nabc\r\n0\r\n\n\n", "abc", "\n")
	f("4\nabc\r\n0\n\n", "abc\r", "")
	f("3 \nabc\n0\r\nX: y\nz:\n\nrest", "abc", "rest")
	f("0\r\nX: y\n\r\n", "", "")
	f("0\r\nX: "+strings.Repeat("y", 10<<10)+"\r\n\r\n", "", "")
	f("0\r\n"+strings.Repeat("x: y\r\n", MaxResponseFields)+"\r\n", "", "")
}

// Blanks behind a size are bounded by the line, not by the body: a backend pads each of its chunks.
func TestManyPaddedChunks(t *testing.T) {
	in := strings.Repeat("1 \t \r\na\r\n", maxExtensions) + "0  \r\n\r\n"
	body, rest, err := decodeResponse(in, len(in)+1)
	require.NoError(t, err)
	assert.Len(t, body, maxExtensions)
	assert.Empty(t, rest)

	in = strings.Repeat("1 ;x\r\na\r\n", maxExtensions) + "0\r\n\r\n"
	_, _, err = decodeResponse(in, len(in)+1)
	refused := &Refusal{}
	require.ErrorAs(t, err, &refused)
	assert.Equal(t, "chunk-line", refused.Reason)
}

func TestMixedLineEnds(t *testing.T) {
	f := func(mixed bool, in string) {
		t.Helper()
		var b Body
		b.BeginResponse(SizeChunked, maxTestSection)
		_, _, err := b.Decode([]byte(in))
		require.NoError(t, err, in)
		require.True(t, b.Complete(), in)
		assert.Equal(t, mixed, b.MixesLineEnds(), in)
	}
	f(false, "3\r\na\nb\r\n0\r\nX: y\r\n\r\n")
	f(false, "3\na\nb\n0\nX: y\n\n")
	f(false, "3\nabc\r\n0;x\n\n")
	f(true, "3\r\nabc\r\n0\n\n")
	f(true, "3;x\nabc\n0\r\n\r\n")
	f(true, "0\r\nX: y\n\n")
	f(true, "0\r\nX: y\nX: z\r\n\r\n")
}

// What two readers could read differently nobody may have.
func TestChunksOfResponsesRefused(t *testing.T) {
	f := func(reason string, ins ...string) {
		t.Helper()
		for _, in := range ins {
			refused := &Refusal{}
			_, _, err := decodeResponse(in, len(in)+1)
			require.ErrorAs(t, err, &refused, "%q", in)
			assert.Equal(t, []any{reason, 502}, []any{refused.Reason, refused.Status}, "%q", in)
			_, _, again := decodeResponse(in, 1)
			require.ErrorAs(t, again, &refused)
			assert.Equal(t, reason, refused.Reason)
		}
	}
	f("chunk-size", "3 3\r\nabc\r\n0\r\n\r\n", "3 \t3\r\n", " 3\r\nabc\r\n", "3 x\r\n", "\nabc", "3\r\r\nabc", "3 \rabc", "+3\r\n", "0x3\r\n", "3\x0b\r\n", "3;\x00\n")
	f("chunk-end", "3\r\nabc\n0\r\n\r\n", "4\r\nabc\r\n0\r\n\r\n", "1\na\n3\r\nabc\n0\r\n\r\n", "3\nabc3\n", "3\nabc \n", "3\nabc\r0")
	f("chunk-line", "3"+strings.Repeat(" ", 1026)+"\r\n")
	f("trailers", "0\nX y: z\n\n", "0\nX\n\n", "0\nX: y\n z\n\n", "0\nX: \x01\n\n", "0\nX: \r\r\n\r\n", "0\r\n\r\r\n\r\n",
		"0\r\nX: "+strings.Repeat("y", maxTestSection)+"\r\n\r\n", "0\r\n"+strings.Repeat("x: y\r\n", MaxResponseFields+1)+"\r\n")
}

// A refusal says where in the body the fault is, however that came.
func TestPlaceOfBodyRefusals(t *testing.T) {
	f := func(reason, field, at, in string) {
		t.Helper()
		for _, n := range []int{1, 2, 3, 5, 7, 11, len(in) - 1, len(in), len(in) + 1} {
			refused := &Refusal{}
			_, _, err := decode(in, SizeChunked, n)
			require.ErrorAs(t, err, &refused, "%q", in)
			assert.Equal(t, []any{reason, field, 400}, []any{refused.Reason, refused.Field, refused.Status}, "%q", in)
			require.Equal(t, at, in[refused.Offset:], "%q in pieces of %d", in, n)
			assert.NotContains(t, refused.Excerpt, "s")
		}
	}
	f("chunk-size", "", " \r\nabc", "4\r\nsecr\r\n3 \r\nabc")
	f("chunk-end", "", "et", "4\r\nsecret")
	f("trailers", "", " y: z\r\n\r\n", "1\r\ns\r\n0\r\nA: b\r\nX y: z\r\n\r\n")
	f("trailers", "X-S", "\x01\r\n\r\n", "1\r\ns\r\n0\r\nA: b\r\nX-S: s\x01\r\n\r\n")
	f("trailers", "", "\n", "0\r\nA: s\n")
	f("trailers", "", "x", "0\r\nA: "+strings.Repeat("s", maxTrailers-3)+"x")
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
		require.Equal(t, place(err), place(again), "%q", in)
		_, refused := err.(*Refusal)
		require.Equal(t, err != io.ErrUnexpectedEOF, refused)
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

// place is an error without an excerpt, which hangs on the pieces that the body came in.
func place(err error) error {
	why, ok := err.(*Refusal)
	if !ok {
		return err
	}
	same := *why
	same.Excerpt = ""
	return &same
}

// strictly is a chunked body as a request may have it, made of one as a response may: without what
// its lines may have more.
func strictly(in string) (strict string, ok bool) {
	var out strings.Builder
	for {
		line, rest, found := strings.Cut(in, "\n")
		if !found {
			return "", false
		}
		size, _, _ := strings.Cut(strings.TrimSuffix(line, "\r"), ";")
		n, err := strconv.ParseInt(strings.TrimRight(size, " \t"), 16, 64)
		if err != nil || n > int64(len(rest)) {
			return "", false
		}
		fmt.Fprintf(&out, "%x\r\n%s\r\n", n, rest[:n])
		if n == 0 {
			return out.String(), true
		}
		in = rest[n:]
		if in, found = strings.CutPrefix(strings.TrimPrefix(in, "\r"), "\n"); !found {
			return "", false
		}
	}
}

// What we take for a response's body is what is left of it without its oddities, and the same in
// all pieces.
func FuzzResponseChunks(f *testing.F) {
	for _, seed := range []string{"0\n\n", "3 \nabc\r\n0 \r\n\r\n", "a ;x\n0123456789\n0\nX: y\n\nrest", "3 3\r\nabc\r\n0\r\n\r\n", "ffffffffffffffff\r\n"} {
		f.Add([]byte(seed), 7)
	}
	f.Fuzz(func(t *testing.T, in []byte, n int) {
		body, rest, err := decodeResponse(string(in), len(in)+1)
		if n > 0 {
			again, restAgain, errAgain := decodeResponse(string(in), n)
			require.Equal(t, []any{body, rest, place(err)}, []any{again, restAgain, place(errAgain)})
		}
		if err != nil {
			return
		}
		strict, ok := strictly(string(in))
		require.True(t, ok, "%q", in)
		theirs, err := io.ReadAll(httputil.NewChunkedReader(strings.NewReader(strict)))
		require.NoError(t, err)
		require.Equal(t, string(theirs), body)
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
			require.Equal(t, []any{body, rest, place(err)}, []any{again, restAgain, place(errAgain)})
		}
		if err != nil {
			return
		}
		theirs, err := io.ReadAll(httputil.NewChunkedReader(bytes.NewReader(in)))
		require.NoError(t, err)
		require.Equal(t, string(theirs), body)
	})
}
