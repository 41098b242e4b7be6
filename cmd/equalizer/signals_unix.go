//go:build unix

package main

import (
	"os"
	"syscall"
)

// unwantedSignals end a process that doesn't catch them. SIGHUP also comes when a terminal is
// closed.
func unwantedSignals() []os.Signal {
	return []os.Signal{syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2}
}
