//go:build linux && e2e

package main

import (
	"testing"
	"time"
)

// TestSlowClientsForLong is TestSlowClients with more clients, for longer.
func TestSlowClientsForLong(t *testing.T) {
	standSlowClients(t, slowClients{number: 400, grace: 5 * time.Second, lasts: 40 * time.Second})
}
