//go:build !unix

package main

import "io"

// windowOf knows no terminal on this system.
func windowOf(io.Writer) (width, height int, ok bool) { return 0, 0, false }
