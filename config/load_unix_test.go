//go:build unix

package config

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// The main file is no pipe, on which a reload would wait for ever, and has an end.
func TestLoadRefusesWhatBlocks(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	require.NoError(t, syscall.Mkfifo(pipe, 0o600))
	for _, path := range []string{pipe, "/dev/zero"} {
		l, err := Load(path, Options{})
		require.EqualError(t, err, "can't read the configuration: open "+path+": it is no regular file; want one")
		require.Equal(t, []string{path}, l.Files)
	}
	large := filepath.Join(t.TempDir(), "large")
	require.NoError(t, os.WriteFile(large, make([]byte, maxIncluded+1), 0o600))
	_, err := Load(large, Options{})
	require.EqualError(t, err, "can't read the configuration: read "+large+": it has more than 4MiB; want at most that")
}

// A pipe that the process was started with is read, as of `-c <(...)` or `-c /dev/stdin`.
func TestLoadOfADescriptor(t *testing.T) {
	read, write, err := os.Pipe()
	require.NoError(t, err)
	defer read.Close()
	_, err = write.WriteString(pool)
	require.NoError(t, err)
	require.NoError(t, write.Close())
	l, err := Load(fmt.Sprintf("/dev/fd/%d", read.Fd()), Options{})
	require.NoError(t, err)
	require.Len(t, l.Config.Pools, 1)
}
