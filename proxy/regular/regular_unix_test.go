//go:build unix

package regular

import (
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// What would block isn't waited for, and neither is what has no end read.
func TestReadRefusesWhatBlocks(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	require.NoError(t, syscall.Mkfifo(pipe, 0o600))
	for _, path := range []string{pipe, "/dev/zero"} {
		_, err := Read(path, 1<<20)
		require.ErrorIs(t, err, ErrNotRegular)
	}
}
