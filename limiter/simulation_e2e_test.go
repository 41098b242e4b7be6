//go:build e2e && !simulation

package limiter

import "testing"

// The simulation catches every mutant.
func TestSimulationCatchesMutants(t *testing.T) {
	program := buildSimulation(t)
	for name := range names() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			catch(t, program, name)
		})
	}
}
