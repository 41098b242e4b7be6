//go:build linux && e2e

package main

import (
	"testing"
	"time"
)

// TestSlowClientsForLong is TestSlowClients with more clients, for longer.
func TestSlowClientsForLong(t *testing.T) {
	standSlowClients(t, slowClients{number: 120, grace: 4 * time.Second, lasts: 20 * time.Second})
}
