//go:build !unix

package main

import (
	"os"
	"syscall"
)

// unwantedSignals has the only one of this system.
func unwantedSignals() []os.Signal { return []os.Signal{syscall.SIGHUP} }
