package h1

import (
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/proxy/http1"
)

// headOfSize is a head of n bytes.
func headOfSize(n int) string {
	const around = "HTTP/1.1 200 OK\r\nX: \r\nContent-Length: 2\r\n\r\n"
	return strings.Replace(around, "X: ", "X: "+strings.Repeat("x", n-len(around)), 1)
}

// What a reader holds when it has nothing to do is what it began with, and the memory for large
// heads serves the next one.
func TestMemoryForLargeHeadsIsGivenBack(t *testing.T) {
	r := newResponseReader()
	r.limit = 1 << 20
	var a http1.Response
	for _, size := range []int{100, 16 << 10, 17 << 10, 300 << 10, 1 << 20} {
		text := headOfSize(size)
		head, err := r.readHead(strings.NewReader(text+"ok"), &a)
		require.NoError(t, err)
		assert.True(t, text == string(head), "%d bytes", size)
		assert.GreaterOrEqual(t, len(r.memory.bytes()), size)
		assert.LessOrEqual(t, len(r.memory.bytes()), max(responseBuffer, 2*size))
		r.release()
		assert.Nil(t, r.memory.borrowed)
		assert.Len(t, r.memory.bytes(), responseBuffer)
	}
}

// A turn and an exchange don't keep what a large response took.
func TestLargeMemoryIsNotKept(t *testing.T) {
	var o outgoing
	o.init(nil, &Settings{}, &incoming{})
	before := cap(o.out)
	o.reserve(60 << 10)
	assert.GreaterOrEqual(t, cap(o.out), 60<<10)
	o.reset()
	assert.Equal(t, before, cap(o.out))

	var x Exchange
	x.Init()
	x.in.limit = 64 << 10
	_, err := x.in.readHead(strings.NewReader(headOfSize(60<<10)), &x.Response)
	require.NoError(t, err)
	x.Forget()
	assert.Len(t, x.in.memory.bytes(), responseBuffer)
	assert.Empty(t, x.Response.Fields)
}

// However the bytes come, the same heads are found in them.
func TestHeadsInPieces(t *testing.T) {
	stream := headOfSize(20<<10) + "ok" // what is behind isn't the reader's
	for _, from := range []func(io.Reader) io.Reader{iotest.OneByteReader, iotest.HalfReader, iotest.DataErrReader} {
		r := newResponseReader()
		r.limit = 64 << 10
		var a http1.Response
		head, err := r.readHead(from(strings.NewReader("HTTP/1.1 103 Hints\nA: b\n\n"+stream)), &a)
		require.NoError(t, err)
		assert.Equal(t, "HTTP/1.1 103 Hints\nA: b\n\n", string(head))
		r.release()
		head, err = r.readHead(from(strings.NewReader(stream)), &a)
		require.NoError(t, err)
		assert.Len(t, head, 20<<10)
	}
}
