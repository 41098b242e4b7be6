package balancer

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"gopher-equalizer/bench/mutanttest"
)

// mutants are all that there should be. sim_test.go has the simulation that catches them.
var mutants = strings.Fields(`
	a-failed-probe-ends-an-ejection
	a-passed-probe-alone-ends-an-ejection
	a-place-is-not-handed-on
	a-place-that-came-free-meanwhile-is-missed
	a-recovered-backend-is-missed
	a-streak-outlives-a-success
	an-alarm-is-not-raised
	an-ejection-has-no-time
	ejections-do-not-grow
	ejections-grow-without-bound
	more-are-ejected-than-may-be
	more-are-in-flight-than-may-be
	nobody-comes-back
	nobody-has-waited-too-long
	the-budget-is-never-renewed
	the-important-are-refused
	the-last-one-is-ejected
	the-queue-has-no-bound
	there-is-no-budget
	too-few-are-enough
	what-is-ejected-gets-requests
	who-has-left-keeps-the-place
	who-is-gone-still-counts
	who-waits-is-not-counted
`)

// The simulation catches a mutant. mutant_e2e_test.go has all of them.
func TestSimulationCatchesAMutant(t *testing.T) {
	catch(t, mutanttest.Build(t, mutants, nil), "there-is-no-budget")
}

// catch demands that the simulation fails on a mutant.
func catch(t *testing.T, program mutanttest.Program, mutant string) {
	t.Helper()
	require.Empty(t, os.Getenv(simEnv))
	out, err := program.Run(mutant, "TestSimulation", fmt.Sprint(simEnv, "=", 30*simWorlds, ",1"))
	require.Error(t, err, "the simulation found nothing that is wrong with the mutant")
	require.Contains(t, out, "simulation: ")
}
