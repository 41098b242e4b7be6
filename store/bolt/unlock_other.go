//go:build !(linux || darwin || freebsd || netbsd || openbsd || dragonfly)

package bolt

import "os"

// unlock does nothing: on this system closing a file releases its lock.
func unlock(*os.File) {}
