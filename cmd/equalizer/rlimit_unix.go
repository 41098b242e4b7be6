//go:build unix

package main

import (
	"math"
	"syscall"
)

// openFiles is the limit of open files; 0 if there is none. Go's runtime has raised the soft limit
// to the hard one.
func openFiles() int {
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) != nil || uint64(limit.Cur) > math.MaxInt32 {
		return 0
	}
	return int(limit.Cur)
}
