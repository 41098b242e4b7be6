package netconn

import "sync"

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
