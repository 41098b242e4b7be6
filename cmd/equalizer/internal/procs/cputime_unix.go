//go:build unix

package procs

import (
	"syscall"
	"time"
)

// cpuTime is the CPU time that the process has used, in all its threads. ok is false if that is
// unknown.
func cpuTime() (used time.Duration, ok bool) {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0, false
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()), true
}
