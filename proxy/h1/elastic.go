package h1

import "gopher-equalizer/proxy/netconn"

// leastLarge is the smallest memory that is lent for a large header.
const leastLarge = 32 << 10

// large is the memory for the large headers of all connections.
var large netconn.Memory

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

// grow makes bytes at least n long. They begin with what is in keep, a part of those before.
func (e *elastic) grow(n int, keep []byte) {
	larger := large.Get(max(n, leastLarge))
	copy(*larger, keep)
	e.shrink()
	e.borrowed = larger
}

// shrink gives back what was borrowed.
func (e *elastic) shrink() {
	if e.borrowed != nil {
		large.Put(e.borrowed)
		e.borrowed = nil
	}
}
