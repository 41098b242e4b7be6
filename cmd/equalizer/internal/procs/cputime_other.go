//go:build !unix

package procs

import "time"

// cpuTime is unknown on this system.
func cpuTime() (used time.Duration, ok bool) { return 0, false }
