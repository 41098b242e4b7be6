//go:build e2e

package main

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// mandoc, which .ci/peers installs, has nothing to say against the manual page, except that it has
// no date.
func TestMandocReadsTheManPage(t *testing.T) {
	page := inShell(t, nil, "man").stdout.String()
	mandoc, err := exec.LookPath("mandoc")
	require.NoError(t, err, "there is no mandoc; .ci/peers installs it")
	lint := exec.CommandContext(t.Context(), mandoc, "-T", "lint")
	lint.Stdin = strings.NewReader(page)
	out, err := lint.CombinedOutput()
	t.Logf("%s %v", out, err)
	for line := range strings.Lines(string(out)) {
		if !strings.Contains(line, "missing date") {
			t.Error(line)
		}
	}
	shown := exec.CommandContext(t.Context(), mandoc, "-T", "ascii")
	shown.Stdin = strings.NewReader(page)
	text, err := shown.Output()
	require.NoError(t, err)
	assert.Contains(t, string(text), "EQUALIZER(1)")
}
