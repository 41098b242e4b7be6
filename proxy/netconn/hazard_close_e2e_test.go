//go:build e2e

package netconn

import "testing"

// TestDescriptorsGivenToOthers is TestDescriptorGivenToAnother ten times as often.
func TestDescriptorsGivenToOthers(t *testing.T) { giveDescriptors(t, 50) }

// TestManyConnectsAndDisconnects makes nearly as many connects as there are ports.
func TestManyConnectsAndDisconnects(t *testing.T) { comeAndGo(t, 50_000) }
