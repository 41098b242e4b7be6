//go:build linux && e2e

package main

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gopher-equalizer/bench/lab/measure"
)

// TestTheMeasurement makes the whole measurement, of little.
func TestTheMeasurement(t *testing.T) {
	tmp := t.TempDir()
	require.NoError(t, os.Chmod(filepath.Dir(tmp), 0o755)) // PostgreSQL has an account of its own.
	require.NoError(t, os.Chmod(tmp, 0o755))
	t.Setenv("TMPDIR", tmp)
	s, err := parse([]string{"--buckets", "2000"})
	require.NoError(t, err)
	s.folders.All = filepath.Join(t.TempDir(), "out")
	s.flood = 200 * time.Millisecond
	s.intervals = []interval{{200 * time.Millisecond, 1, 5, 200, true}}
	s.rate, s.time, s.keys = 500, time.Second, []int{100, 1_000}
	require.NoError(t, runAll(t.Context(), s, t.Logf))
	text, err := os.ReadFile(filepath.Join(s.folders.All, "report.md"))
	require.NoError(t, err)
	for _, row := range []string{
		`\| 200ms \| together \| 200 \| [1-9][\d,]* \| [1-9][\d,]* \| [\d.]+, [\d.]+ \| [\d.]+, [\d.]+ \| [\d.]+, [\d.]+ \|`,
		`\| 200ms \| together \| [\d,]+ \| [\d,]+ \| [\d,]+ \| [\d,]+ \| [\d,]+ \| \d+ \| \d+ ms \| \d+ ms \| \d+ ms \| \d+ \(\d+\) \| \d+ \| [a-z* ]+ \| [\d.]+ \| [\d.]+ \| [\d.]+ \| [\d.]+ \|`,
		`\| 100 \| PostgreSQL \| [1-9]\d* \| [\d,]+ \| [\d,]+ \| [1-9]\d* \| [1-9][\d,]* \| \d+ % \| [1-9]\d* \| `,
		`\| 1,000 \| PostgreSQL \| `,
		`\n100 clients: [1-9]\d* transactions; rows of buckets: 0 inserted, [1-9][\d,]* updated, 0 deleted; `,
	} {
		assert.Regexp(t, row, string(text))
	}
	tree, err := measure.TreeOf(os.Getpid())
	require.NoError(t, err)
	assert.Len(t, tree, 1, "processes are left")
	left, err := os.ReadDir(tmp)
	require.NoError(t, err)
	assert.Empty(t, left)
}

// TestTheScriptIsABucket spends what the script reports to be there.
func TestTheScriptIsABucket(t *testing.T) {
	s, err := startRedis(t.Context())
	require.NoError(t, err)
	defer s.close()
	c, err := s.dial(t.Context())
	require.NoError(t, err)
	defer c.Close()
	for _, want := range []string{"1", "1", "0"} {
		got, err := c.do("EVALSHA", s.script, "1", "client", "2", "0.001")
		require.NoError(t, err)
		assert.Equal(t, want, got)
	}
}
