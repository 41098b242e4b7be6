//go:build !unix

package main

import "os"

// userSignals has none on this system.
func userSignals() []os.Signal { return nil }

func isReopening(os.Signal) bool { return false }
