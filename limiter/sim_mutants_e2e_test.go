//go:build e2e

package limiter

import "testing"

// TestSimulationCatchesMutants compiles and runs every mutant.
func TestSimulationCatchesMutants(t *testing.T) {
	for name, m := range mutants() {
		t.Run(name, func(t *testing.T) { catch(t, m) })
	}
}
