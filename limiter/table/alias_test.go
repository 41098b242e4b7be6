package table

import "unsafe"

// aliasing is a string over a buffer that is written to later, as with request headers.
func aliasing(b []byte) string { return unsafe.String(&b[0], len(b)) }
