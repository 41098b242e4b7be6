//go:build e2e

package balancer

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

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

// More worlds than TestSimulation has. One goroutine runs them, so the race detector, which takes
// most of the time, would find nothing.
func TestLongSimulation(t *testing.T) {
	out, err := mutanttest.Build(t, mutants, nil).Run("", "TestSimulation", fmt.Sprint(simEnv, "=", 40*simWorlds, ",", 1+simWorlds))
	require.NoError(t, err, out)
	t.Log(out)
}
