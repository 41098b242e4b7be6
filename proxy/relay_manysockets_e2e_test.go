//go:build e2e && unix

package proxy

import "testing"

// TestThousandsOfWebSockets is TestManyWebSockets with as many as the race detector bears.
func TestThousandsOfWebSockets(t *testing.T) { relayMany(t, manySockets) }
