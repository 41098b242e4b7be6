//go:build unix

package main

import (
	"os"
	"syscall"
)

// userSignals end a process that doesn't catch them.
func userSignals() []os.Signal { return []os.Signal{syscall.SIGUSR1, syscall.SIGUSR2} }

// isReopening reports whether a signal asks for another file of the log.
func isReopening(s os.Signal) bool { return s == syscall.SIGUSR1 }
