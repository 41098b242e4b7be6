//go:build e2e

package main

import "testing"

// TestTortureForLonger is TestTorture with ten rounds of each scenario. `make torture` has 200.
func TestTortureForLonger(t *testing.T) {
	t.Parallel()
	torture(t, max(torment.rounds, 10))
}
