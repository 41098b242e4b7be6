//go:build !linux

package main

// diskScenarios are none on this system, where the tests can't fill a disk.
func diskScenarios() []scenario { return nil }
