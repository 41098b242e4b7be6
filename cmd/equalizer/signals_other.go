//go:build !unix

package main

import (
	"os"
	"syscall"
)

// unwantedSignals has the one that this system has.
func unwantedSignals() []os.Signal { return []os.Signal{syscall.SIGHUP} }
