//go:build e2e

package main

import (
	"testing"
	"time"
)

// TestLongDatabaseOutage is TestDatabaseOutage with an outage of 20 s, many times store.timeout.
func TestLongDatabaseOutage(t *testing.T) {
	t.Parallel()
	takeDatabaseAway(t, 20*time.Second)
}
