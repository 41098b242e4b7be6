//go:build e2e

package leasetest

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"gopher-equalizer/bench/mutanttest"
)

// wholeSteps is how deep the whole search goes, which takes about a minute.
const wholeSteps = 12

// wholeStepsAhead is how deep it goes where tokens are granted before they are earned.
const wholeStepsAhead = 10

// The whole search finds nothing wrong, and what is wrong with each mutant.
func TestWholeSearch(t *testing.T) {
	others := []string{ // which are of what the search leaves out
		"a-client-begins-full-at-a-replica-that-is-cut-off",
		"a-lease-lasts-from-after-the-ask",
		"a-limit-that-comes-back-is-a-second-one",
		"a-replica-is-not-waited-for-longer-than-it-lives",
		"a-silent-replica-spends",
		"an-expelled-replica-spends-what-it-held",
		"what-is-in-doubt-is-asked-under-another-number",
	}
	names := []string{
		"a-dead-lease-is-forgotten-from-before-it-died",
		"a-dead-lease-is-given-back",
		"a-debt-is-forgiven",
		"a-repeated-round-is-settled-again",
		"what-is-leased-is-room-to-earn",
		"what-is-told-was-spent-before",
	}
	program := mutanttest.Build(t, slices.Concat(names, others), []string{".."})
	run := func(mutant, test string, steps int) (out string, err error) {
		return program.Run(mutant, test, fmt.Sprint(searchEnv, "=", steps))
	}
	for test, steps := range map[string]int{"TestSearch": wholeSteps, "TestSearchAhead": wholeStepsAhead} {
		out, err := run("", test, steps)
		require.NoError(t, err, out)
		t.Log(out)
	}
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			out, err := run(name, "TestSearch", wholeSteps)
			require.Error(t, err, out)
			require.Contains(t, out, "search: ", out)
			t.Log(out)
		})
	}
}
