//go:build linux && e2e

package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	shared "gopher-equalizer/bench/lab/report"
)

// After a minute of all loads, what the process holds ends where it began.
func TestSoak(t *testing.T) {
	s, err := parse([]string{"--time", "60s"})
	require.NoError(t, err)
	r, err := soak(t.Context(), s, t.Logf)
	require.NoError(t, err)
	assert.Empty(t, r.Wrong)

	dir := filepath.Join(t.TempDir(), "report")
	require.NoError(t, r.write(shared.Folders{All: dir}))
	text, err := os.ReadFile(filepath.Join(dir, "report.md"))
	require.NoError(t, err)
	t.Logf("%s", text)
	for _, k := range kinds() {
		assert.Contains(t, string(text), "| "+k.name+" | ")
	}
	for _, name := range []string{"memory.svg", "counts.svg"} {
		plot, err := os.ReadFile(filepath.Join(dir, name))
		require.NoError(t, err)
		assert.True(t, bytes.HasPrefix(plot, []byte("<svg ")), name)
	}
}
