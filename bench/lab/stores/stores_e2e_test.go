//go:build linux && e2e

package main

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/bench/lab/load"
	"gopher-equalizer/bench/lab/measure"
)

// TestTheComparison runs the whole comparison, with a load generator of its own.
func TestTheComparison(t *testing.T) {
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	s, err := parse([]string{"--rounds", "3"})
	require.NoError(t, err)
	s.folders.All, s.time, s.warmUp, s.fill = filepath.Join(t.TempDir(), "out"), 100*time.Millisecond, 10*time.Millisecond, 100*time.Millisecond
	s.put = func(string) (generator, error) {
		return func(ctx context.Context, o load.Order) (load.Outcome, error) {
			o.Rate = 500
			return load.Constant(ctx, o)
		}, nil
	}
	require.NoError(t, compare(t.Context(), s, t.Logf))
	text, err := os.ReadFile(filepath.Join(s.folders.All, "report.md"))
	require.NoError(t, err)
	spread := `\d+(\.\d+)? \[\d+(\.\d+)?, \d+(\.\d+)?\]`
	for _, row := range []string{
		`\| memory \| ` + spread + ` \| 1 \|  \|`,
		`\| bolt \| ` + spread + ` \| ` + spread + ` \| [a-z* ]+ \|`,
		`\| postgres \| ` + spread + ` \| ` + spread + ` \| [a-z* ]+ \| .* \| \d+ \| ` + spread + ` \|`,
	} {
		assert.Regexp(t, row, string(text))
	}
	tree, err := measure.TreeOf(os.Getpid())
	require.NoError(t, err)
	assert.Len(t, tree, 1, "processes are left")
	left, err := filepath.Glob(filepath.Join(tmp, "equalizer-stores-*"))
	require.NoError(t, err)
	assert.Empty(t, left)
}
