//go:build unix

package main

import (
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// windowOf is the size of a terminal, in characters. ok is false if w is none, or doesn't say.
func windowOf(w io.Writer) (width, height int, ok bool) {
	f, ok := w.(*os.File)
	if !ok {
		return 0, 0, false
	}
	size, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
	if err != nil || size.Col == 0 || size.Row == 0 {
		return 0, 0, false
	}
	return int(size.Col), int(size.Row), true
}
