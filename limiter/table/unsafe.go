package table

import "unsafe"

// This is the only file that imports unsafe. It has five ways to look at the memory of a slab,
// which is one object without pointers. Callers keep a pointer into that object, so it stays alive,
// and pass offsets that stay inside it.

// at is the T that lies offset bytes behind base, in the same object.
func at[T, B any](base *B, offset uint32) *T {
	return (*T)(unsafe.Add(unsafe.Pointer(base), offset))
}

// distance is how many bytes to lies behind from, in the same object.
func distance[F, T any](from *F, to *T) uint32 {
	return uint32(uintptr(unsafe.Pointer(to)) - uintptr(unsafe.Pointer(from)))
}

// text is n bytes from b on, as a string that keeps their object alive.
func text(b *byte, n uint64) string { return unsafe.String(b, n) }

// span is n bytes from b on, to be written to.
func span(b *byte, n int) []byte { return unsafe.Slice(b, n) }

// bytesOf is where a string's bytes begin.
func bytesOf(s string) *byte { return unsafe.StringData(s) }

// ends are the first and the last eight of n bytes, which overlap where n is below 16.
func ends(b *byte, n int) (first, last uint64) {
	p := unsafe.Pointer(b)
	return *(*uint64)(p), *(*uint64)(unsafe.Add(p, n-8))
}
