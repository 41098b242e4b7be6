package lease_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"gopher-equalizer/bench/mutanttest"
)

// others are mutants that need a search for what they do wrong: see leasetest.
var others = []string{"a-dead-lease-is-forgotten-from-before-it-died"}

// mutants are all others that there should be.
var mutants = []string{
	"a-client-begins-full-at-a-replica-that-is-cut-off",
	"a-dead-lease-is-given-back",
	"a-debt-is-forgiven",
	"a-lease-lasts-from-after-the-ask",
	"a-limit-that-comes-back-is-a-second-one",
	"a-repeated-round-is-settled-again",
	"a-replica-is-not-waited-for-longer-than-it-lives",
	"a-silent-replica-spends",
	"an-expelled-replica-spends-what-it-held",
	"what-is-in-doubt-is-asked-under-another-number",
	"what-is-leased-is-room-to-earn",
	"what-is-told-was-spent-before",
}

// The race detector would make a million events take long, so the program is built without it.
func TestSimulationOfAMillionEvents(t *testing.T) {
	program := build(t)
	out, err := program.Run("", "TestSimulation", fmt.Sprint(simEnv, "=", simMany, ",1"))
	require.NoError(t, err, out)
	t.Log(out)
	catch(t, program, "what-is-told-was-spent-before")
}

func build(t *testing.T) mutanttest.Program {
	t.Helper()
	return mutanttest.Build(t, slices.Concat(mutants, others), []string{"./leasetest"})
}

// catch demands that the simulation finds what is wrong with a mutant. Without it, it finds nothing
// in as many events.
func catch(t *testing.T, program mutanttest.Program, mutant string) {
	t.Helper()
	out, err := program.Run(mutant, "TestSimulation", fmt.Sprint(simEnv, "=", wholeEvents, ",1"))
	require.Error(t, err, out)
	require.Contains(t, out, "simulation: ")
	t.Log(out)
}

// wholeEvents are those of make e2e.
const wholeEvents = 10_000_000
