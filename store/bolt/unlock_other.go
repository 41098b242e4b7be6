//go:build !(linux || darwin || freebsd || netbsd || openbsd || dragonfly)

package bolt

import "os"

// unlock does nothing: here closing a file lets go of its lock.
func unlock(*os.File) {}
