//go:build !simulation

package limiter

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
)

// The simulation is in sim_test.go. It has a build tag, and so is a program of its own. If
// simulationEnv is set, it sets how many steps the program takes, and the first seed.
const simulationEnv = "EQUALIZER_TEST_SIMULATION"

// mutantSteps is enough for the simulation to catch any mutant.
const mutantSteps = "20000000"

func TestSimulation(t *testing.T) {
	program := buildSimulation(t, nil)
	for _, test := range []string{"TestSimulation", "TestSteppedSimulation"} {
		t.Run(test, func(t *testing.T) {
			out, err := runSimulation(program, test)
			require.NoError(t, err, out)
			t.Log(out)
		})
	}
}

// The simulation catches a mutant. simulation_e2e_test.go tests all of them.
func TestSimulationCatchesAMutant(t *testing.T) { catch(t, "spending-is-not-marked") }

// catch runs the simulation on a mutant, and demands that it fails.
func catch(t *testing.T, mutant string) {
	t.Helper()
	program := buildSimulation(t, mutants(t)[mutant])
	t.Setenv(simulationEnv, mutantSteps)
	out, err := runSimulation(program, "TestSteppedSimulation")
	require.Error(t, err, "the simulation found nothing wrong")
	require.Contains(t, out, "simulation: ")
	t.Log(regexp.MustCompile("simulation: .*").FindString(out))
}

// buildSimulation compiles the simulation, over files with these edits.
func buildSimulation(t *testing.T, edits map[string][]edit) (program string) {
	t.Helper()
	dir, replace := t.TempDir(), map[string]string{}
	for path, edits := range edits {
		from, err := filepath.Abs(path)
		require.NoError(t, err)
		replace[from] = filepath.Join(dir, filepath.Base(path))
		require.NoError(t, os.WriteFile(replace[from], []byte(mutated(t, path, edits)), 0o600))
	}
	text, err := json.Marshal(map[string]any{"Replace": replace})
	require.NoError(t, err)
	overlay := filepath.Join(dir, "overlay.json")
	require.NoError(t, os.WriteFile(overlay, text, 0o600))
	program = filepath.Join(dir, "simulation.test")
	args := []string{
		"test", "-c", "-tags", "simulation", "-vet=off", "-ldflags=-s -w", "-overlay", overlay, "-o", program, ".",
	}
	out, err := exec.Command("go", args...).CombinedOutput()
	require.NoError(t, err, "%s", out)
	return program
}

// runSimulation runs the program, and returns its output.
func runSimulation(program, test string) (out string, err error) {
	text, err := exec.Command(program, "-test.run", "^"+test+"$", "-test.v").CombinedOutput()
	return string(text), err
}
