//go:build !simulation

package limiter

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"gopher-equalizer/bench/mutanttest"
)

// The simulation is in sim_test.go. It has a build tag, and so is a program of its own. If
// simulationEnv is set, it sets how many steps the program takes, and the first seed.
const simulationEnv = "EQUALIZER_TEST_SIMULATION"

// mutantSteps is enough for the simulation to catch any mutant.
const mutantSteps = 20_000_000

func TestSimulation(t *testing.T) {
	program := buildSimulation(t)
	for _, test := range []string{"TestWorldsOfOldFindings", "TestSimulation", "TestSteppedSimulation"} {
		t.Run(test, func(t *testing.T) {
			t.Parallel()
			out, err := program.Run("", test)
			require.NoError(t, err, out)
			t.Log(out)
		})
	}
	// simulation_e2e_test.go tests all mutants.
	t.Run("catches a mutant", func(t *testing.T) {
		t.Parallel()
		catch(t, program, "spending-is-not-marked")
	})
}

// catch runs the simulation on a mutant, and demands that it fails where it passes without the
// mutant. Where it fails without the mutant, too, it shows nothing, and the search goes on behind.
// It begins with the world that names says.
func catch(t *testing.T, program mutanttest.Program, mutant string) {
	t.Helper()
	if seed := names()[mutant]; seed > 0 && catchesIn(t, program, mutant, 1, &seed) {
		return
	}
	for seed := uint64(1); !catchesIn(t, program, mutant, mutantSteps, &seed); seed++ {
		require.NotZero(t, seed, "the simulation found nothing that is wrong with the mutant alone")
	}
}

// catchesIn reports whether the simulation finds something that is wrong with the mutant alone, in
// so many steps from a seed on. It leaves the seed of the world in which it found anything; 0: it
// found nothing.
func catchesIn(t *testing.T, program mutanttest.Program, mutant string, steps int, seed *uint64) bool {
	t.Helper()
	out, err := program.Run(mutant, "TestSteppedSimulation", fmt.Sprintf("%s=%d,%d", simulationEnv, steps, *seed))
	if err == nil {
		*seed = 0
		return false
	}
	found := regexp.MustCompile(`(simulation: .*)\n.*` + simulationEnv + `=1,(\d+)`).FindStringSubmatch(out)
	require.NotNil(t, found, out)
	*seed, err = strconv.ParseUint(found[2], 10, 64)
	require.NoError(t, err)
	t.Logf("with seed %d: %s", *seed, found[1])
	if out, err = program.Run("", "TestSteppedSimulation", fmt.Sprintf("%s=1,%d", simulationEnv, *seed)); err == nil {
		return true
	}
	t.Log("it finds something without the mutant, too:", out)
	return false
}

// buildSimulation compiles the simulation, with all mutants.
func buildSimulation(t *testing.T) mutanttest.Program {
	t.Helper()
	return mutanttest.Build(t, slices.Collect(maps.Keys(names())), []string{"./gcra", "./table"}, "-tags", "simulation")
}
