//go:build e2e

package balancer

import (
	"fmt"
	"testing"

	"gopher-equalizer/bench/mutanttest"
)

// The simulation catches every mutant.
func TestSimulationCatchesMutants(t *testing.T) {
	program := mutanttest.Build(t, mutants, nil)
	for _, name := range mutants {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			catch(t, program, name)
		})
	}
}

// More worlds than TestSimulation has.
func TestLongSimulation(t *testing.T) {
	t.Setenv(simEnv, fmt.Sprint(20*simWorlds, ",", 1+simWorlds))
	TestSimulation(t)
}
