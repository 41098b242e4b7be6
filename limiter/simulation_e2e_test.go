//go:build e2e && !simulation

package limiter

import "testing"

// The simulation catches every mutant.
func TestSimulationCatchesMutants(t *testing.T) {
	without := buildSimulation(t, nil)
	for name := range mutants(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			catch(t, without, name)
		})
	}
}
