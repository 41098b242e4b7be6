//go:build e2e

package leasetest

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"gopher-equalizer/bench/mutanttest"
)

// wholeSteps is how deep the whole search goes, which takes about a minute.
const wholeSteps = 12

// The whole search finds nothing wrong, and what is wrong with each mutant.
func TestWholeSearch(t *testing.T) {
	names := []string{
		"a-dead-lease-is-forgotten-from-before-it-died",
		"a-dead-lease-is-given-back",
		"a-debt-is-forgiven",
		"a-repeated-round-is-settled-again",
		"what-is-leased-is-room-to-earn",
		"what-is-told-was-spent-before",
	}
	program := mutanttest.Build(t, names, []string{".."})
	run := func(mutant string) (out string, err error) {
		return program.Run(mutant, "TestSearch", fmt.Sprint(searchEnv, "=", wholeSteps))
	}
	out, err := run("")
	require.NoError(t, err, out)
	t.Log(out)
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			out, err := run(name)
			require.Error(t, err, out)
			require.Contains(t, out, "search: ", out)
			t.Log(out)
		})
	}
}
