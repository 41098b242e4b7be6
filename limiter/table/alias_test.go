package table

import "unsafe"

// aliasing is a string over a buffer that goes on to be written to, as request headers are.
func aliasing(b []byte) string { return unsafe.String(&b[0], len(b)) }
