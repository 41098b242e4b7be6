package h1

import (
	"math/bits"
	"sync"
)

// The sizes of memory that is lent: powers of two from the smallest to the largest, which holds the
// largest header that a pool may allow with what we add to it.
const (
	leastLent = 15 // 32 KiB
	mostLent  = 21 // 2 MiB
)

// lender lends memory for the few headers that are large. The zero value is ready.
type lender struct {
	pools [mostLent - leastLent + 1]sync.Pool
}

// large is the memory for the large headers of all connections.
var large lender

// get lends at least n bytes, if mostLent is enough. It must be given back.
func (l *lender) get(n int) *[]byte {
	size := min(max(bits.Len(uint(max(n, 1)-1)), leastLent), mostLent)
	if b, ok := l.pools[size-leastLent].Get().(*[]byte); ok {
		return b
	}
	b := make([]byte, 1<<size)
	return &b
}

// put takes memory back.
func (l *lender) put(b *[]byte) { l.pools[bits.Len(uint(len(*b)))-1-leastLent].Put(b) }

// elastic is a buffer of its own, in whose place a larger one is borrowed for as long as it is too
// small. So whoever keeps it holds no more than it began with.
type elastic struct {
	own      []byte
	borrowed *[]byte
}

// bytes is the memory that is in use.
func (e *elastic) bytes() []byte {
	if e.borrowed != nil {
		return *e.borrowed
	}
	return e.own
}

// grow has bytes be at least n bytes, which begin with what is in keep, a part of those before.
func (e *elastic) grow(n int, keep []byte) {
	larger := large.get(n)
	copy(*larger, keep)
	e.shrink()
	e.borrowed = larger
}

// shrink gives back what was borrowed.
func (e *elastic) shrink() {
	if e.borrowed != nil {
		large.put(e.borrowed)
		e.borrowed = nil
	}
}
