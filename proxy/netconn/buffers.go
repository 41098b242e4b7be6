package netconn

import (
	"math/bits"
	"sync"
)

// BufferSize is how much of a body is copied at once.
const BufferSize = 32 << 10

// Buffers lends the memory that bodies are copied through, so that only bodies on the move hold
// any. The zero value is ready.
type Buffers struct{ pool sync.Pool }

// Get lends a buffer of BufferSize bytes, which may contain anything. The caller must Put it back.
func (b *Buffers) Get() *[BufferSize]byte {
	if buf, ok := b.pool.Get().(*[BufferSize]byte); ok {
		return buf
	}
	return new([BufferSize]byte)
}

// Put takes a buffer back. The caller must not use it any more.
func (b *Buffers) Put(buf *[BufferSize]byte) { b.pool.Put(buf) }

// The sizes of what a Memory lends: powers of two.
const (
	leastLent = 9  // 512 bytes
	mostLent  = 21 // 2 MiB, for the largest header that there may be, with what is added to it
)

// Memory lends memory of the size that is asked for, up to a factor of two. The zero value is
// ready.
type Memory struct {
	pools [mostLent - leastLent + 1]sync.Pool
}

// Get lends at least n bytes, if mostLent is enough. They must be Put back.
func (m *Memory) Get(n int) *[]byte {
	size := min(max(bits.Len(uint(max(n, 1)-1)), leastLent), mostLent)
	if b, ok := m.pools[size-leastLent].Get().(*[]byte); ok {
		return b
	}
	b := make([]byte, 1<<size)
	return &b
}

// Put takes memory back.
func (m *Memory) Put(b *[]byte) { m.pools[bits.Len(uint(len(*b)))-1-leastLent].Put(b) }
