//go:build e2e && !simulation

package limiter

import "testing"

// The core is broken in every way that the simulation is there to catch.
func TestSimulationCatchesMutants(t *testing.T) {
	for name := range mutants(t) {
		t.Run(name, func(t *testing.T) { catch(t, name) })
	}
}
