//go:build e2e

package lease_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

// The simulation finds nothing wrong, and what is wrong with each mutant.
func TestWholeSimulation(t *testing.T) {
	program := build(t)
	out, err := program.Run("", "TestSimulation", fmt.Sprint(simEnv, "=", wholeEvents, ",1"))
	require.NoError(t, err, out)
	t.Log(out)
	for _, name := range mutants {
		t.Run(name, func(t *testing.T) { catch(t, program, name) })
	}
}
